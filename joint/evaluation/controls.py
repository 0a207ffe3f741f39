"""The controls of a joint run: derived from its settings, found beside it, and compared with it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from configs.settings import SettingsError
from joint.joint_settings import JointTaskSettings
from joint.predictions import CALIBRATED, read_predictions, report_columns
from joint.resuming.files import DamageError, list_steps, read_state
from joint.run_folder import RunFolder
from joint.run_settings import RunSettings
from joint.training.settings import training_values
from vision.grading_task import GradingTaskSettings
from vision.intervals import Interval, paired_differences, severity_intervals

logger = logging.getLogger(__name__)

SAME_DATA = ("corpus", "labels", "images", "split")
"""Hashes that a control must share with its run, or their difference is not the control's."""

State = Literal["compared", "absent", "unfinished", "other data"]
Differences = Mapping[str, Interval | None]


class ControlError(ValueError):
    """A control that does not exist, or a run that has none."""


class Control(NamedTuple):
    """suffix: of the control's run; label: in tables; question: what the difference answers."""

    suffix: str
    label: str
    question: str


CONTROLS: Mapping[str, Control] = {
    "image_only": Control(
        "image-only", "image-only", "what training with reports adds to the same labels"
    ),
    "shuffled_pairs": Control(
        "shuffled", "shuffled pairs", "what the words of the own report add: the gain to claim"
    ),
}


@dataclass(frozen=True)
class ControlComparison:
    """A control beside its run.

    differences: run minus control on the same test images, by reference, then metric. metrics:
    the control's own, likewise. Both are empty unless state is "compared".
    """

    name: str
    state: State
    differences: Mapping[str, Differences]
    metrics: Mapping[str, Differences]

    @property
    def label(self) -> str:
        """The control's name in tables."""
        return CONTROLS[self.name].label

    def command(self, run: str) -> str:
        """Give the command that trains this control of the run in folder `run`."""
        return f"kerley train {run}/settings.yaml --control {self.name}"


def check_controls(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of controls, each once; raises ControlError for one that means nothing."""
    for name in names:
        if name not in CONTROLS:
            raise ControlError(f"control {name!r}: expected one of {', '.join(CONTROLS)}")
    return tuple(dict.fromkeys(names))


def control_task(
    task: JointTaskSettings | GradingTaskSettings, name: str
) -> JointTaskSettings | GradingTaskSettings:
    """Derive the task of a control: same images, labels and batches; raises ControlError."""
    check_controls([name])
    if not isinstance(task, JointTaskSettings):
        raise ControlError(f"control {name}: task.kind must be joint, found {task.kind}")
    if task.shuffle_reports:
        raise ControlError(f"control {name}: task.shuffle_reports: this run is a control itself")
    if name == "shuffled_pairs":
        return task.model_copy(update={"shuffle_reports": True})
    return GradingTaskSettings(
        kind="grading",
        tower=task.tower,
        batches=task.batches,
        augment=task.augment,
        losses=task.losses.image_side(),
        report_to_image=task.report_to_image,
    )


def derive_control(run: RunSettings, name: str) -> RunSettings:
    """Derive the run of a control, `<run>-image-only` or `<run>-shuffled`, in the same folder.

    Data, seed, optimizer, steps and evaluation are the run's.
    """
    task = control_task(run.task, name)
    return run.model_copy(update={"name": f"{run.name}-{CONTROLS[name].suffix}", "task": task})


def compare_control(
    folder: RunFolder, settings: RunSettings, name: str, grades: Mapping[str, pd.Series]
) -> ControlComparison:
    """Find a control beside its run, by its settings whatever its name, and compare the two.

    grades: by reference ("report", "reference"), the grade of each study id where it is known.
    """
    candidates = _find_siblings(folder, derive_control(settings, name))
    states: list[State] = []
    for sibling in candidates:
        state = _judge(folder, sibling)
        if state == "compared":
            return _compare(folder, sibling, settings, name, grades)
        states.append(state)
    for state in ("unfinished", "other data"):
        if state in states:
            return ControlComparison(name, state, {}, {})
    return ControlComparison(name, "absent", {}, {})


def _find_siblings(folder: RunFolder, control: RunSettings) -> list[RunFolder]:
    wanted = _unnamed_values(control)
    found = []
    for file in sorted(folder.path.resolve().parent.glob("*/settings.yaml")):
        sibling = RunFolder(file.parent)
        try:
            values = _unnamed_values(sibling.read_settings())
        except SettingsError as error:
            logger.info("not a run of this version, so no control: %s", error)
            continue
        if values == wanted:
            found.append(sibling)
    return found


def _unnamed_values(settings: RunSettings) -> dict[str, Any]:
    return {name: value for name, value in training_values(settings).items() if name != "name"}


def _judge(run: RunFolder, control: RunFolder) -> State:
    if not (control.predictions.is_file() and control.card.is_file()):
        return "unfinished"
    ours, theirs = read_identity(run), read_identity(control)
    is_same = all(ours.get(name) == theirs.get(name) for name in SAME_DATA)
    return "compared" if is_same else "other data"


def read_identity(folder: RunFolder) -> dict[str, Any]:
    """Read the hashes of what a run was made from, as its newest whole checkpoint holds them."""
    for checkpoint in list_steps(folder.checkpoints):
        try:
            identity: dict[str, Any] = read_state(checkpoint)["identity"]
        except DamageError as error:
            logger.warning("damaged checkpoint, the one before counts: %s", error)
            continue
        return identity
    return {}


def _compare(
    folder: RunFolder,
    control: RunFolder,
    settings: RunSettings,
    name: str,
    grades: Mapping[str, pd.Series],
) -> ControlComparison:
    ours, theirs = (_read_test(place) for place in (folder, control))
    if not ours.index.equals(theirs.index):
        return ControlComparison(name, "other data", {}, {})
    asked, differences, metrics = settings.evaluation, {}, {}
    for reference, known in grades.items():
        levels = ours.index.get_level_values("study_id").map(known.to_dict())
        rows = levels.notna()
        if not rows.any():
            continue
        truth = levels[rows].to_numpy(np.int64)
        p, q = (_graded(frame, reference)[rows] for frame in (ours, theirs))
        patients = ours["patient_id"][rows].tolist()
        options = {"seed": settings.seed, "resamples": asked.resamples}
        differences[reference] = paired_differences(p, q, truth, patients, **options)
        metrics[reference] = severity_intervals(q, truth, patients, **options)
    return ControlComparison(name, "compared", differences, metrics)


def _read_test(folder: RunFolder) -> pd.DataFrame:
    frame = read_predictions(folder.predictions)
    return frame[frame["split"] == "test"].set_index(["study_id", "image"])


def _graded(frame: pd.DataFrame, reference: str) -> np.ndarray:
    columns = report_columns(frame)[1] if reference == "report" else CALIBRATED
    return frame[list(columns)].to_numpy()
