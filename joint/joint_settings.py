"""The settings of the joint task: two towers, what is taught, and how strongly."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from configs.settings import Settings
from joint.text_encoder import ScratchTextSettings, TextEncoderSettings
from vision.batches import BatchSettings
from vision.tower import TowerSettings
from vision.transforms import AugmentSettings


class InfoNceSettings(Settings):
    """Soft-target InfoNCE; temperature is where the learned one starts (0.07: CLIP)."""

    kind: Literal["infonce"] = "infonce"
    weight: float = Field(1.0, ge=0)
    temperature: float = Field(0.07, gt=0)


class DistillationSettings(Settings):
    """Text→image distillation; it grows linearly over the first `ramp_steps` steps."""

    weight: float = Field(1.0, ge=0)
    ramp_steps: int = Field(100, ge=0)


class JointLossSettings(Settings):
    """How strongly each loss counts.

    severity, findings: the image head on mined labels. text_severity: the text head on the
    labels of its own report.
    """

    severity: float = Field(1.0, ge=0)
    findings: float = Field(0.5, ge=0)
    text_severity: float = Field(1.0, ge=0)
    contrastive: InfoNceSettings = InfoNceSettings()
    distillation: DistillationSettings = DistillationSettings()


class JointTaskSettings(Settings):
    """Images and reports in one run, labelled and unlabelled pairs in every batch.

    embedding_width: where images and reports meet. shuffle_reports: the control that gives
    every training image the report of another study (see `joint/pairs.py`).
    """

    kind: Literal["joint"]
    tower: TowerSettings
    text: TextEncoderSettings = ScratchTextSettings()
    embedding_width: int = Field(128, ge=1)
    batches: BatchSettings = BatchSettings()
    augment: AugmentSettings = AugmentSettings()
    losses: JointLossSettings = JointLossSettings()
    shuffle_reports: bool = False
