"""An offline mirror sent to a W&B server, and then the lineage that it could not hold."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from joint.image_runs.folder import read_any_settings
from joint.lineage.record import read_lineage
from joint.run_folder import RunFolder
from joint.tracking.artifacts import ALIAS_DIGITS
from joint.tracking.lineage import (
    Server,
    SyncError,
    WandbServer,
    replay_lineage,
    tell_evaluation,
)
from joint.tracking.wandb_run import RunName, make_environment
from joint.training.settings import hash_recipe


class Sent(NamedTuple):
    """What went to the server: mirrors sent now, and runs whose inputs and outputs were told."""

    mirrors: int
    runs: int


def sync_run(path: Path, server: Server | None = None) -> Sent:
    """Send what a run folder holds that was not sent yet; sending twice changes nothing.

    The run's `lineage.json` is the queue of what W&B takes from a server's runs only. server: for
    tests; else the one that wandb finds. Raises SyncError, RunFolderError or LineageError.
    """
    folder = RunFolder(path)
    settings, home = read_any_settings(folder), path.resolve()
    id_file = home / "wandb" / "run_id"
    if not id_file.is_file():
        raise SyncError(f"{path}: has no mirror to send; it ran with tracking.wandb=disabled")
    lineage = read_lineage(folder)
    own = RunName(
        id_file.read_text(encoding="utf-8").strip(),
        settings.tracking.project,
        settings.tracking.group or hash_recipe(settings)[:ALIAS_DIGITS],
        "train",
        settings.tracking.timeout_seconds,
    )
    evaluation = home / folder.evaluation.name
    mirrors = [
        each for place in (home, evaluation) for each in sorted(place.glob("wandb/offline-run-*"))
    ]
    unsent = [each for each in mirrors if not any(each.glob("*.synced"))]
    with _staging(home):
        server = server or WandbServer(home)
        if unsent:
            server.send(unsent)
        # Opened again, a run that has not ended would count as finished there.
        told = replay_lineage(server, lineage, own) if folder.card.is_file() else 0
        evaluated = evaluation / "wandb" / "run_id"
        if told and evaluated.is_file():
            name = own._replace(run_id=evaluated.read_text(encoding="utf-8").strip())
            told += tell_evaluation(server, lineage, name)
        return Sent(len(unsent), told)


@contextmanager
def _staging(home: Path) -> Iterator[None]:
    """Let W&B find what the run staged, and stage what it sends in the run's folder."""
    asked = make_environment(home)
    before = {name: os.environ.get(name) for name in asked}
    os.environ.update(asked)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def find_runs(paths: Sequence[Path]) -> list[Path]:
    """Give the run folders among and directly in these folders; SyncError for one without any."""
    found = []
    for path in paths:
        own = [path] if (path / "settings.yaml").is_file() else []
        inside = sorted(file.parent for file in path.glob("*/settings.yaml"))
        if not own and not inside:
            raise SyncError(f"{path}: no run folder; there is no settings.yaml in it")
        found += own or inside
    return found
