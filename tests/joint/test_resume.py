"""A run that is killed, stopped or full of memory goes on to the bits of one that never stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from joint.resuming import files as checkpoint_files
from joint.resuming.checkpoints import Checkpoints, Progress
from joint.resuming.files import list_steps, read_state
from joint.resuming.random_state import load_random_state, save_random_state, seed_process
from tests.joint.resumed import IDENTITY, ignore, resume
from tests.joint.tiny import seed_everything, tiny_grading_task, tiny_loop, train, weights_of


def names(folder):
    return [path.name for path in list_steps(folder)]


def test_runs_killed_at_any_step_end_as_if_they_never_were(tmp_path):
    running = []
    for processes, kills in ((1, (3, 15)), (2, (10,))):
        command = ["-m", "tests.joint.killed_runs", str(tmp_path / str(processes)), str(processes)]
        running.append(
            subprocess.Popen(
                [sys.executable, *command, *map(str, kills)],
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    for process in running:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-3000:]
    for processes in (1, 2):
        found = json.loads((tmp_path / str(processes) / "differences.json").read_text())
        assert found == []


class KilledError(BaseException):
    """Stands for SIGKILL: nothing of ours handles it."""


@pytest.mark.parametrize(
    ("function", "call", "stands"),
    [
        ("hash_file", 1, 2),
        ("_flush", 2, 2),
        ("write_json", 1, 2),
        ("point", 1, 4),
        ("list_steps", 1, 4),
    ],
)
def test_a_kill_while_a_checkpoint_is_written_loses_no_whole_one(
    tmp_path, monkeypatch, function, call, stands
):
    whole = tiny_grading_task()
    often = {"steps": 5, "evaluate_every": 100, "checkpoint_every": 2}
    train(whole, tmp_path / "whole", **often)
    loop = tiny_loop(tiny_grading_task(), **often)
    seed_everything()
    calls, real = [], getattr(checkpoint_files, function)

    def die(*arguments):
        calls.append(loop.progress.step == 4)
        if sum(calls) == call:
            raise KilledError
        return real(*arguments)

    for module in (checkpoint_files, sys.modules["joint.resuming.checkpoints"]):
        monkeypatch.setattr(module, function, die, raising=False)
    with pytest.raises(KilledError):
        loop.run(Checkpoints(tmp_path / "killed", IDENTITY), ignore)
    monkeypatch.undo()
    task = tiny_grading_task()
    again, checkpoints = resume(tmp_path / "killed", task, loop=often)
    assert again.progress.step == stands
    assert checkpoints.last.resolve().name == f"step-{stands:08d}"
    again.run(checkpoints, ignore)
    ours, theirs = weights_of(task), weights_of(whole)
    assert all((ours[name] == theirs[name]).all() for name in theirs)
    assert not list((tmp_path / "killed").glob(".step*"))


def test_checkpoints_have_an_interval_of_their_own_and_two_are_kept(tmp_path):
    task = tiny_grading_task()
    task.evaluate = lambda predict: {"score": None}
    train(task, tmp_path, steps=7, evaluate_every=100, checkpoint_every=2)
    assert names(tmp_path) == ["step-00000007", "step-00000006"]
    loop, checkpoints = resume(tmp_path, keep=3, loop={"steps": 12, "checkpoint_every": 1})
    loop.run(checkpoints, ignore)
    assert len(names(tmp_path)) == 4  # three and the best, step 9


def test_a_checkpoint_is_due_after_some_minutes(tmp_path):
    task = tiny_grading_task()
    task.evaluate = lambda predict: {"score": None}
    options = {"steps": 5, "evaluate_every": 100, "checkpoint_every": 100}
    train(task, tmp_path / "never", **options, checkpoint_minutes=60.0)
    train(task, tmp_path / "always", **options, checkpoint_minutes=1e-9)
    assert names(tmp_path / "never") == ["step-00000005"]
    assert names(tmp_path / "always") == ["step-00000005", "step-00000004"]


class RememberingTask:
    """The tiny task with a noise memory: a count per training image."""

    def __init__(self):
        self.inner, self.memory = tiny_grading_task(), torch.zeros(3)

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def losses(self, outputs, batch, gather):
        self.memory += torch.rand(3)
        return self.inner.losses(outputs, batch, gather)

    def state_dict(self):
        return {"memory": self.memory}

    def load_state_dict(self, state):
        self.memory.copy_(state["memory"])


def test_what_a_task_remembers_is_resumed(tmp_path):
    first, second = RememberingTask(), RememberingTask()
    train(first, tmp_path / "whole", steps=6, evaluate_every=100)
    train(second, tmp_path / "parts", steps=4, evaluate_every=100)
    third = RememberingTask()
    resume(tmp_path / "parts", third)
    assert torch.equal(third.memory, second.memory)
    loop, checkpoints = resume(tmp_path / "parts", third, loop={"steps": 6, "evaluate_every": 100})
    loop.run(checkpoints, ignore)
    assert torch.equal(third.memory, first.memory)


def test_the_loss_scale_of_fp16_is_resumed(tmp_path):
    scales = []
    for first_scale in (8.0, 1.0):
        loop = tiny_loop(tiny_grading_task())
        loop.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=first_scale)
        checkpoints = Checkpoints(tmp_path, IDENTITY)
        if not loop.resume(checkpoints):
            checkpoints.save(loop.accelerator, Progress(step=1), loop.task)
        scales.append(loop.accelerator.scaler.get_scale())
    assert scales == [8.0, 8.0]


def test_random_numbers_of_every_kind_go_on_where_they_stood(tmp_path):
    import random

    def draw():
        return random.random(), float(torch.rand(1)), np.random.randn()  # noqa: NPY002

    seed_process(3, 1)
    np.random.randn()  # noqa: NPY002 - leaves a second normal number waiting
    save_random_state(tmp_path / "random.safetensors")
    first = draw()
    assert draw() != first
    load_random_state(tmp_path / "random.safetensors")
    assert draw() == first
    seed_process(3, 0)
    assert draw() != first


def test_progress_is_what_a_checkpoint_says(tmp_path):
    loop, _, _ = train(tiny_grading_task(), tmp_path)
    assert Progress(**read_state(tmp_path / "last")["progress"]) == loop.progress
    assert resume(tmp_path)[0].progress == loop.progress
