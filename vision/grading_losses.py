"""Which losses teach the image head from labels, how strongly, and in which form."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from torch import Tensor

from configs.settings import Settings
from vision.losses import (
    MaskedSum,
    soft_cross_entropy_loss,
    soft_cumulative_loss,
    squared_emd_loss,
)
from vision.noise_robust_losses import (
    GceSettings,
    LabelSmoothingSettings,
    NoiseSettings,
    NoNoiseSettings,
    generalised_cross_entropy_loss,
    smooth_targets,
)

SEVERITY_LOSSES = {
    "cumulative": soft_cumulative_loss,
    "cross_entropy": soft_cross_entropy_loss,
    "emd": squared_emd_loss,
}


class SeverityLossSettings(Settings):
    """The form of the loss on severity; docs/losses.md says which to choose."""

    kind: Literal["cumulative", "cross_entropy", "emd"] = "cumulative"


class GradingLossSettings(Settings):
    """How strongly each loss counts, and what is done about labels that are wrong.

    severity_loss: the loss on severity. noise: see `vision/noise_robust_losses.py`.
    """

    severity: float = Field(1.0, ge=0)
    findings: float = Field(0.5, ge=0)
    severity_loss: SeverityLossSettings = SeverityLossSettings()
    noise: NoiseSettings = NoNoiseSettings()

    @model_validator(mode="after")
    def _check_noise(self) -> GradingLossSettings:
        if isinstance(self.noise, GceSettings) and self.severity_loss.kind != "cross_entropy":
            raise ValueError(
                "noise: gce is a form of cross-entropy: expected severity_loss: {kind:"
                f" cross_entropy}} beside it, found {self.severity_loss.kind}"
            )
        return self


def severity_loss(
    settings: GradingLossSettings, logits: Tensor, targets: Tensor, known: Tensor
) -> MaskedSum:
    """Give the loss on severity that the settings choose, for logits [n, 3], targets [n, 4]."""
    noise = settings.noise
    if isinstance(noise, GceSettings):
        exponent = noise.exponent
        return generalised_cross_entropy_loss(logits, targets, known, exponent=exponent)
    if isinstance(noise, LabelSmoothingSettings):
        targets = smooth_targets(targets, noise.amount)
    return SEVERITY_LOSSES[settings.severity_loss.kind](logits, targets, known)
