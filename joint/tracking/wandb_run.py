"""The thin edge to the wandb library: how a run is opened, and what is switched off in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from joint.tracking.artifacts import ArtifactCard, Job
from joint.tracking.settings import WandbMode

STEP_NAME = "global_step"
"""Our own step: W&B's starts at 0 again when an offline run goes on."""

_STAGED = {"WANDB_DATA_DIR": "data", "WANDB_CACHE_DIR": "cache", "WANDB_CONFIG_DIR": "config"}


def make_environment(home: Path) -> dict[str, str]:
    """Say what W&B needs in its environment for runs in `home`/wandb.

    It stages files below the user's home folder unless told otherwise, and reports its own errors,
    with their messages and places in the code, to its makers.
    """
    staged = {name: str(home / "wandb" / folder) for name, folder in _STAGED.items()}
    return {**staged, "WANDB_ERROR_REPORTING": "false"}


class NumberTable(NamedTuple):
    """Columns and rows of numbers; words in it are grades' and thresholds' fixed names."""

    columns: tuple[str, ...]
    rows: list[tuple[str | float, ...]]


class RunName(NamedTuple):
    """What a run is called at W&B; the id is random or a hash, since a name can say too much."""

    run_id: str
    project: str
    group: str
    job: Job
    timeout_seconds: float


def start_run(mode: WandbMode, name: RunName, *, home: Path, config: Mapping[str, Any]) -> Any:
    """Open a run in `home`/wandb, or go on with the one of that id; raises what W&B raises."""
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
        init_timeout=name.timeout_seconds,
        silent=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_disable_machine_info=True,
        x_save_requirements=False,
    )
    run = wandb.init(
        project=name.project,
        group=name.group,
        job_type=name.job,
        id=name.run_id,
        name=name.run_id,
        resume="allow",
        mode=mode,
        dir=str(home),
        config=dict(config),
        settings=quiet,
    )
    run.define_metric(STEP_NAME)
    run.define_metric("*", step_metric=STEP_NAME)
    return run


def tear_down() -> None:
    """Close the service: only then is the file complete, and the run's id free again."""
    import wandb

    wandb.teardown()


def draw_table(name: str, table: NumberTable) -> Any:
    """Make a W&B chart of a table; `name` ends in confusion, roc or reliability."""
    import wandb

    kind = name.rpartition("/")[2]
    given = wandb.Table(columns=list(table.columns), data=[list(row) for row in table.rows])
    preset, fields = _CHARTS[kind]
    return wandb.plot_table(preset, given, dict(fields), {"title": name})


_CHARTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "confusion": (
        "wandb/confusion_matrix/v1",
        {"Actual": "reference", "Predicted": "graded", "nPredictions": "images"},
    ),
    "roc": (
        "wandb/area-under-curve/v0",
        {"x": "false_positive_rate", "y": "true_positive_rate", "class": "threshold"},
    ),
    "reliability": (
        "wandb/lineseries/v0",
        {"step": "stated", "lineKey": "threshold", "lineVal": "observed"},
    ),
}


def make_artifact(card: ArtifactCard, files: Sequence[Path], *, root: Path) -> Any:
    """Make an artifact of files under `root`; what is in `card.json` is its metadata as well.

    Its digest is that of its files, so the same thing is one version, whichever run names it.
    """
    import wandb

    artifact = wandb.Artifact(card.name, type=card.name, metadata=dict(card.content))
    for file in files:
        artifact.add_file(str(file), name=file.relative_to(root).as_posix())
    return artifact
