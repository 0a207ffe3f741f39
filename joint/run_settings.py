"""The settings of a run: one YAML says everything that `kerley train` does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from configs.settings import Settings, SettingsError
from data_cards.corpora import find_corpus
from joint.joint_settings import JointTaskSettings
from joint.resuming.start_weights import StartSettings
from joint.training.settings import IMAGE_TASKS, TrainingSettings
from vision.cache import CacheSettings
from vision.grading_task import GradingTaskSettings
from vision.uncertain_labels import SoftSettings, UncertainSettings


class MinedLabels(Settings):
    """Labels mined here from the corpus's own reports, with this profile of the labeler."""

    kind: Literal["mine"] = "mine"
    profile: str = "chexpert"


class TableLabels(Settings):
    """A label table that stands already (Parquet, see `data_cards/label_table.py`)."""

    kind: Literal["table"]
    path: Path


LabelSettings = Annotated[MinedLabels | TableLabels, Field(discriminator="kind")]


class DataSettings(Settings):
    """Which studies, which labels, and where what is made of them stands.

    work: the folder for mined label tables and image caches; runs share it. validate_share,
    test_share: parts of the studies where the corpus has no official split (by patient, with
    split_seed). uncertain: what a label of −1 teaches (`vision/uncertain_labels.py`).
    """

    corpus: str
    root: Path
    work: Path = Path("runs/work")
    labels: LabelSettings = MinedLabels()
    cache: CacheSettings = CacheSettings()
    validate_share: float = Field(0.15, gt=0, lt=1)
    test_share: float = Field(0.2, gt=0, lt=1)
    split_seed: int = 0
    uncertain: UncertainSettings = SoftSettings()
    workers: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _check_corpus(self) -> DataSettings:
        find_corpus(self.corpus)
        return self


class EvaluationSettings(Settings):
    """What a trained model is held against, on the image alone.

    reference: a CSV or Parquet file with `study_id` and `severity`: what the image shows, next
    to which the report's grade is always used as well. calibrate_on: what the calibration is
    fitted to, on validation studies: the report's soft labels or the reference. anchors: how
    many studies of the reference to use for that (null: all). largest_risk: the share of wrong
    grades above which the grader abstains (null: it grades whatever its confidence). lungs: the
    folder of a lung segmenter, whose masks the trust report blacks out (null: a generous zone).
    """

    reference: Path | None = None
    calibrate_on: Literal["report", "reference"] = "report"
    anchors: int | None = Field(None, ge=1)
    largest_risk: float | None = Field(None, gt=0, lt=1)
    resamples: int = Field(1000, ge=10)
    lungs: Path | None = None

    @model_validator(mode="after")
    def _check_reference(self) -> EvaluationSettings:
        if self.calibrate_on == "reference" and self.reference is None:
            raise ValueError("calibrate_on: reference needs a file in evaluation.reference")
        return self


class RunSettings(TrainingSettings):
    """Everything one run of a severity task needs.

    start: another run, whose weights this one begins with.
    """

    UNTRAINED: ClassVar[dict[str, Any]] = TrainingSettings.UNTRAINED | {
        "start": {"run": True},
        "data": {"root": True, "work": True, "workers": True, "labels": {"path": True}},
        "task": {
            "tower": {"encoder": {"weights": {"path": True}}},
            "report_to_image": {"path": True},
        },
    }

    data: DataSettings
    task: Annotated[JointTaskSettings | GradingTaskSettings, Field(discriminator="kind")]
    start: StartSettings | None = None
    evaluation: EvaluationSettings = EvaluationSettings()

    @classmethod
    def write_out(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Refuse a run on images alone by one message, and not by all that it has otherwise."""
        task = values.get("task")
        kind = task.get("kind") if isinstance(task, dict) else None
        if kind in IMAGE_TASKS:
            raise SettingsError(
                f"{values.get('name')}: a run of task.kind {kind}: `kerley train` trains and"
                " evaluates it (README.md, card.json); plans, sweeps and what is made of graders"
                " take runs of severity"
            )
        return values
