"""The settings of the joint task: two towers, what is taught, and how strongly."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from configs.settings import Settings
from joint.losses.contrastive import InfoNceSettings, SiglipSettings
from joint.losses.ranking import RankingSettings
from joint.text_encoder import ScratchTextSettings, TextEncoderSettings
from vision.batches import BatchSettings
from vision.grading_losses import GradingLossSettings
from vision.report_to_image import CorrectionSettings, NoCorrection
from vision.tower import TowerSettings
from vision.transforms import AugmentSettings

ContrastiveSettings = Annotated[
    InfoNceSettings | SiglipSettings | RankingSettings, Field(discriminator="kind")
]


class DistillationSettings(Settings):
    """Text→image distillation; it grows linearly over the first `ramp_steps` steps."""

    weight: float = Field(1.0, ge=0)
    ramp_steps: int = Field(100, ge=0)


class JointLossSettings(GradingLossSettings):
    """How strongly each loss counts, those of the image head (`vision/grading_losses.py`) first.

    text_severity: the text head on the labels of its own report, in the form that severity_loss
    names; noise is of the image's labels alone.
    """

    text_severity: float = Field(1.0, ge=0)
    contrastive: ContrastiveSettings = InfoNceSettings()
    distillation: DistillationSettings = DistillationSettings()

    def image_side(self) -> GradingLossSettings:
        """Give the settings of the image head's losses: all that an image-only task has."""
        names = GradingLossSettings.model_fields
        return GradingLossSettings(**{name: getattr(self, name) for name in names})


class JointTaskSettings(Settings):
    """Images and reports in one run, labelled and unlabelled pairs in every batch.

    embedding_width: where images and reports meet; null: in the encoders' own embeddings, which
    have to be of one width. sections: "joined" reads a report's findings
    and impression as one text; "drawn" reads at each step all of it, or one of its sections, and
    teaches grades by the whole alone. report_to_image: as in the image-only task; the text head
    reads reports and is never corrected. shuffle_reports: the control that gives every training
    image the report of another study (see `joint/pairs.py`).
    """

    kind: Literal["joint"]
    tower: TowerSettings
    text: TextEncoderSettings = ScratchTextSettings()
    embedding_width: int | None = Field(128, ge=1)
    batches: BatchSettings = BatchSettings()
    augment: AugmentSettings = AugmentSettings()
    losses: JointLossSettings = JointLossSettings()
    report_to_image: CorrectionSettings = NoCorrection()
    sections: Literal["joined", "drawn"] = "joined"
    shuffle_reports: bool = False
