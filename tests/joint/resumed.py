"""A tiny run that goes on from where a folder stands."""

from __future__ import annotations

from joint.resuming.checkpoints import Checkpoints
from tests.joint.tiny import tiny_grading_task, tiny_loop

IDENTITY = {"settings": "a"}


def ignore(kind, step, values):
    """A record that nobody reads."""


def resume(folder, task=None, *, identity=IDENTITY, loop=None, **options):
    """Resume a fresh loop from a folder; return the loop and its checkpoints."""
    resumed = tiny_loop(task or tiny_grading_task(), **(loop or {}))
    checkpoints = Checkpoints(folder, identity, **options)
    resumed.resume(checkpoints)
    return resumed, checkpoints
