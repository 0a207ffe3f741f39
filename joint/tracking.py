"""Weights & Biases as a mirror of a run's own record: numbers only, and it may fail at any time."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from configs.settings import Settings

logger = logging.getLogger(__name__)
T = TypeVar("T")

STEP_NAME = "global_step"

PUBLIC_STRINGS = frozenset(
    {
        "data.corpus",
        "data.labels.kind",
        "data.labels.profile",
        "data.uncertain.kind",
        "task.kind",
        "task.tower.encoder.kind",
        "task.tower.encoder.name",
        "task.tower.encoder.norm",
        "task.text.kind",
        "task.losses.contrastive.kind",
        "task.losses.contrastive.imposters",
        "task.losses.contrastive.same_report",
        "task.losses.contrastive.similarity",
        "task.losses.noise.kind",
        "task.losses.severity_loss.kind",
        "loop.mixed_precision",
        "evaluation.calibrate_on",
    }
)
"""The settings whose words may leave this machine; of all others only numbers do."""


WandbMode = Literal["offline", "online", "disabled"]


class TrackingSettings(Settings):
    """Where the mirror lies: `offline` in the run folder, `online` at a server, or nowhere."""

    wandb: WandbMode = "offline"
    project: str = "kerley"
    timeout_seconds: float = 30.0


class Tracker:
    """Mirrors rows to W&B; every failure is counted and logged, none stops the run.

    An `online` run without a server or a key goes on offline. Console output, code, git state,
    packages, machine and program names are switched off; texts, images and ids are never sent,
    since only finite numbers are.
    """

    def __init__(
        self, folder: Path, settings: TrackingSettings, *, config: Mapping[str, Any], job: str
    ) -> None:
        self.problems = 0
        self._run: Any = None
        self._environment: dict[str, str | None] = {}
        if settings.wandb == "disabled":
            return
        home = folder.resolve()
        (home / "wandb").mkdir(parents=True, exist_ok=True)
        self._enter_environment(home / "wandb")
        start = {"settings": settings, "home": home, "config": dict(config), "job": job}
        self._run = self._safely(_start, mode=settings.wandb, **start)
        if self._run is None and settings.wandb == "online":
            logger.warning(
                "W&B is not reachable; the run is mirrored offline (wandb sync sends it)"
            )
            self._safely(_tear_down)  # without this the run's id counts as still in use
            self._run = self._safely(_start, mode="offline", **start)

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

    def finish(self, *, exit_code: int = 0) -> None:
        """Close the mirror; the file is complete only after the tear-down."""
        if self._run is not None:
            self._safely(self._run.finish, exit_code=exit_code)
            self._safely(_tear_down)
            self._run = None
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._environment = {}

    def _enter_environment(self, inside: Path) -> None:
        # W&B stages files below the home folder unless told otherwise; all of it belongs here.
        folders = {
            "WANDB_DATA_DIR": "data",
            "WANDB_CACHE_DIR": "cache",
            "WANDB_CONFIG_DIR": "config",
        }
        for name, folder in folders.items():
            self._environment[name] = os.environ.get(name)
            os.environ[name] = str(inside / folder)

    def _safely(self, call: Callable[..., T], *args: Any, **options: Any) -> T | None:
        try:
            return call(*args, **options)
        except Exception as error:  # noqa: BLE001 - whatever the mirror raises, training goes on
            self.problems += 1
            # The kind of error only: W&B's messages can hold paths and names.
            logger.warning("W&B: %s (problem %d)", type(error).__name__, self.problems)
            return None


def public_settings(settings: Settings) -> dict[str, Any]:
    """Give the settings that may leave this machine: numbers, switches and PUBLIC_STRINGS."""
    found: dict[str, Any] = {}
    _collect(settings.model_dump(mode="json"), "", found)
    return found


def _collect(value: Any, name: str, found: dict[str, Any]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _collect(inner, f"{name}.{key}" if name else str(key), found)
    elif isinstance(value, (bool, int, float)) or (
        isinstance(value, str) and name in PUBLIC_STRINGS
    ):
        found[name] = value


def _start(
    *, mode: WandbMode, settings: TrackingSettings, home: Path, config: dict[str, Any], job: str
) -> Any:
    import wandb

    quiet = wandb.Settings(
        console="off",
        disable_code=True,
        disable_git=True,
        disable_job_creation=True,
        save_code=False,
        host="",
        program="",
        root_dir=str(home),
        init_timeout=settings.timeout_seconds,
        silent=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )
    run_id = _run_id(home)
    run = wandb.init(
        project=settings.project,
        job_type=job,
        id=run_id,
        name=run_id,
        resume="allow",
        mode=mode,
        dir=str(home),
        config=config,
        settings=quiet,
    )
    run.define_metric(STEP_NAME)
    run.define_metric("*", step_metric=STEP_NAME)
    return run


def _drop_unsent(own: Path) -> bool:
    """Remove the offline mirrors before this one; say whether none of them was sent before."""
    earlier = [folder for folder in own.parent.glob("offline-run-*") if folder != own]
    sent = [folder for folder in earlier if any(folder.glob("*.synced"))]
    for folder in earlier:
        if folder not in sent:
            shutil.rmtree(folder, ignore_errors=True)
    return not sent


def _tear_down() -> None:
    import wandb

    wandb.teardown()


def _run_id(home: Path) -> str:
    """Give the same id when a run is started again; random, since a name can say too much."""
    file = home / "wandb" / "run_id"
    if not file.is_file():
        file.write_text(secrets.token_hex(6), encoding="utf-8")
    return file.read_text(encoding="utf-8").strip()
