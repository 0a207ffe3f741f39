"""The settings of a run on images alone: corpora, a task, and how it is trained and evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from configs.settings import Settings, SettingsError
from data_cards.chexmask.reader import LEAST_DICE
from data_cards.corpora import find_corpus
from joint.tracking.settings import TrackingSettings
from joint.training.settings import TrainingSettings
from vision.cache import CacheSettings
from vision.classification.task import ClassificationTaskSettings
from vision.gate import GateSettings
from vision.segmentation.mask_files import MaskSettings
from vision.segmentation.task import SegmentationTaskSettings


class CorpusSource(Settings):
    """One corpus and the folder (or file) that holds it.

    masks: what the values of its mask files mean, where that is not plain. chexmask: the table of
    CheXmask with the lung masks of this corpus's images, in the place of mask files;
    least_dice: the estimated Dice below which its masks are left out.
    """

    corpus: str
    root: Path
    masks: MaskSettings | None = None
    chexmask: Path | None = None
    least_dice: float = Field(LEAST_DICE, ge=0, le=1)

    @field_validator("corpus")
    @classmethod
    def _check_corpus(cls, corpus: str) -> str:
        find_corpus(corpus)
        return corpus


class ImageDataSettings(Settings):
    """Which images, and where what is made of them stands.

    sources: corpora that are trained on together; of a single one `corpus` and `root` may be
    given in their place, or beside them to replace its own (`data.root=DIR`). external: corpora
    of which every image only tests. work: the folder for image caches; runs share it.
    validate_share, test_share: parts of the studies where a corpus has no official split (by
    patient, with split_seed).
    """

    sources: tuple[CorpusSource, ...] = Field(min_length=1)
    external: tuple[CorpusSource, ...] = ()
    work: Path = Path("runs/work")
    cache: CacheSettings = CacheSettings()
    validate_share: float = Field(0.15, gt=0, lt=1)
    test_share: float = Field(0.2, gt=0, lt=1)
    split_seed: int = 0
    workers: int = Field(1, ge=1)


class ImageEvaluationSettings(Settings):
    """How a trained model is measured.

    resamples: of the bootstrap that draws patients. trust: write the trust report
    (`joint/trust/`). lungs: folder of a saved lung segmenter, which says there where lungs are if
    an image's corpus does not; without it a generous zone stands for them. gate: what the saved
    model refuses to judge; null lets all through.
    """

    resamples: int = Field(1000, ge=10)
    trust: bool = True
    lungs: Path | None = None
    gate: GateSettings | None = GateSettings()


ImageTaskSettings = Annotated[
    ClassificationTaskSettings | SegmentationTaskSettings, Field(discriminator="kind")
]
"""The union of the image tasks, told apart by `kind`."""


class ImageRunSettings(TrainingSettings):
    """Everything one run on images alone needs."""

    UNTRAINED: ClassVar[dict[str, Any]] = TrainingSettings.UNTRAINED | {
        "data": {
            "sources": {"__all__": {"root": True, "chexmask": True}},
            "external": True,
            "work": True,
            "workers": True,
        },
        "task": {
            "encoder": {"weights": {"path": True}},
            "network": {"encoder_weights": {"path": True}},
            "start": True,
        },
    }

    data: ImageDataSettings
    task: ImageTaskSettings
    evaluation: ImageEvaluationSettings = ImageEvaluationSettings()

    @field_validator("tracking")
    @classmethod
    def _check_upload(cls, tracking: TrackingSettings) -> TrackingSettings:
        if tracking.upload:
            raise ValueError("upload: of a run on images alone only numbers leave")
        return tracking

    @property
    def classification(self) -> ClassificationTaskSettings:
        """The task of a run that tells classes apart."""
        if not isinstance(self.task, ClassificationTaskSettings):
            raise SettingsError(f"task.kind {self.task.kind}: expected classification")
        return self.task

    @property
    def segmentation(self) -> SegmentationTaskSettings:
        """The task of a run that outlines a structure."""
        if not isinstance(self.task, SegmentationTaskSettings):
            raise SettingsError(f"task.kind {self.task.kind}: expected segmentation")
        return self.task

    @classmethod
    def write_out(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Turn `data.corpus` and `data.root` into the one source that they are of.

        Raises SettingsError where several sources are named.
        """
        data = values.get("data")
        if not isinstance(data, dict) or not {"corpus", "root"} & data.keys():
            return values
        single = {name: data[name] for name in ("corpus", "root") if name in data}
        sources = data.get("sources") or [{}]
        if len(sources) != 1 or not isinstance(sources[0], dict):
            raise SettingsError(
                f"data.{' and data.'.join(single)} beside {len(sources)} sources; name each in"
                " data.sources=[{corpus: NAME, root: DIR}, …]"
            )
        others = {name: value for name, value in data.items() if name not in single}
        return values | {"data": others | {"sources": [sources[0] | single]}}
