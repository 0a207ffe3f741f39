"""Weights & Biases as a mirror of a run's own record: numbers only, and it may fail at any time."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from configs.files import write_text
from data_cards.lineage import Lineage
from joint.tracking.artifacts import ArtifactCard, Job, plan_lineage, stage_files
from joint.tracking.lineage import WandbServer, replay_lineage
from joint.tracking.settings import TrackingSettings
from joint.tracking.wandb_run import (
    STEP_NAME,
    NumberTable,
    RunName,
    draw_table,
    make_artifact,
    make_environment,
    start_run,
    tear_down,
)

logger = logging.getLogger(__name__)
T = TypeVar("T")

SWEEP_ID, SWEEP_RUN_ID = "WANDB_SWEEP_ID", "WANDB_RUN_ID"
"""What W&B's agent sets in the environment of a trial that it starts."""


class Tracker:
    """Mirrors rows to W&B; every failure is counted and logged, none stops the run.

    An `online` run without a server or a key goes on offline. Console output, code, git state,
    packages, machine and program names are switched off; texts, images and ids are never sent,
    since only finite numbers are.
    """

    def __init__(
        self,
        folder: Path,
        settings: TrackingSettings,
        *,
        config: Mapping[str, Any],
        job: Job = "train",
        group: str = "",
    ) -> None:
        self.problems = 0
        self._run: Any = None
        self._lineage: Lineage | None = None
        self._settings = settings
        self._environment: dict[str, str | None] = {}
        if settings.wandb == "disabled":
            return
        self._home = folder.resolve()
        (self._home / "wandb").mkdir(parents=True, exist_ok=True)
        self._enter_environment()
        self._name = RunName(
            read_run_id(self._home),
            settings.project,
            settings.group or group,
            job,
            settings.timeout_seconds,
        )
        start = {"name": self._name, "home": self._home, "config": config}
        self._run = self._safely(start_run, settings.wandb, **start)
        if self._run is None and settings.wandb == "online":
            logger.warning(
                "W&B is not reachable; the run is mirrored offline (kerley sync sends it)"
            )
            self._safely(tear_down)  # without this the run's id counts as still in use
            self._run = self._safely(start_run, "offline", **start)

    def catch_up(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Mirror what the record of a resumed run holds already, where the mirror starts anew.

        An offline mirror that was not sent yet is written again from the record, so that no step
        is in it twice; a server, or a mirror that was sent, has these rows.
        """
        if self._run is not None and self._run.offline and _drop_unsent(Path(self._run.dir).parent):
            for row in rows:
                self.log(row)

    def log(self, row: Mapping[str, Any]) -> None:
        """Mirror one row of the record under `kind/name`, against our own step."""
        if self._run is None:
            return
        numbers = {
            f"{row['kind']}/{name}": value
            for name, value in row.items()
            if name not in ("kind", "step") and isinstance(value, (int, float))
        }
        self._safely(self._run.log, {STEP_NAME: row["step"], **numbers})

    def log_result(
        self, step: int, tables: Mapping[str, NumberTable], best: Mapping[str, Any] | None
    ) -> None:
        """Mirror the charts of an evaluation, and as summary what the best validation came to.

        best: a row of the record (`find_best`); its numbers become `best/name`.
        """
        if self._run is None:
            return
        for name, table in tables.items():
            chart = self._safely(draw_table, name, table)
            if chart is not None:
                self._safely(self._run.log, {STEP_NAME: step, f"evaluate/{name}": chart})
        numbers = {
            f"best/{name}": value
            for name, value in (best or {}).items()
            if isinstance(value, (int, float))
        }
        self._safely(self._run.summary.update, numbers)

    def log_artifacts(self, lineage: Lineage, sources: Mapping[str, Path]) -> None:
        """Hand over what the run made, as its lineage names it.

        sources: where grader and predictions lie; they leave only where `upload` says so, else
        their card does. What the run was made from follows with a server: W&B takes no inputs
        offline.
        """
        if self._run is None:
            return
        self._lineage = lineage
        wanted: dict[str, Path] = {
            kind: place for kind, place in sources.items() if kind in self._settings.upload
        }
        for card in plan_lineage(lineage)[-1].makes:
            self._safely(self._log_artifact, card, wanted.get(card.kind))

    def finish(self, *, exit_code: int = 0) -> None:
        """Close the mirror; the file is complete only after the tear-down."""
        if self._run is not None:
            is_online = not self._run.offline
            self._safely(self._run.finish, exit_code=exit_code)
            self._safely(tear_down)
            self._run = None
            # In an agent's environment every run counts as the sweep's; kerley sync tells it then.
            if is_online and not exit_code and SWEEP_ID not in os.environ:
                self._safely(self._replay)
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._environment = {}

    def _log_artifact(self, card: ArtifactCard, source: Path | None) -> None:
        place = self._home / "wandb" / "upload" / card.name
        files = stage_files(card, place, source, key=read_study_key(self._home))
        self._run.log_artifact(make_artifact(card, files, root=place), aliases=[card.alias])

    def _replay(self) -> None:
        if self._lineage is not None:
            replay_lineage(WandbServer(self._home), self._lineage, self._name)

    def _enter_environment(self) -> None:
        for name, value in make_environment(self._home).items():
            self._environment[name] = os.environ.get(name)
            os.environ[name] = value

    def _safely(self, call: Callable[..., T], *args: Any, **options: Any) -> T | None:
        try:
            return call(*args, **options)
        except Exception as error:  # noqa: BLE001 - whatever the mirror raises, training goes on
            self.problems += 1
            # The kind of error only: W&B's messages can hold paths and names.
            logger.warning("W&B: %s (problem %d)", type(error).__name__, self.problems)
            return None


def _drop_unsent(own: Path) -> bool:
    """Remove the offline mirrors before this one; say whether none of them was sent before."""
    earlier = [folder for folder in own.parent.glob("offline-run-*") if folder != own]
    sent = [folder for folder in earlier if any(folder.glob("*.synced"))]
    for folder in earlier:
        if folder not in sent:
            shutil.rmtree(folder, ignore_errors=True)
    return not sent


def read_run_id(home: Path) -> str:
    """Give the same id when a run is started again: random, or what a W&B agent asks for."""
    asked = os.environ.get(SWEEP_RUN_ID, "") if SWEEP_ID in os.environ else ""
    return _read_or_make(home / "wandb" / "run_id", asked or secrets.token_hex(6))


def read_study_key(home: Path) -> bytes:
    """Give the secret behind the study hashes of this run's uploads; it stays in its folder."""
    return bytes.fromhex(_read_or_make(home / "wandb" / "study_key", secrets.token_hex(32)))


def _read_or_make(file: Path, fresh: str) -> str:
    if not file.is_file():
        write_text(file, fresh)
    return file.read_text(encoding="utf-8").strip()
