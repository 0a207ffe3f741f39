"""Settings of the phantom corpus: everything that decides its bytes."""

from __future__ import annotations

from pydantic import Field

from configs.settings import Settings

REAL_PERCEPTION_BIAS = 0.25
REAL_PERCEPTION_SIGMA = 0.9
"""Noise channel R at which report and image agree on about half of the studies, as the labels of
Horng, Liao et al. (2021) do on MIMIC-CXR's consensus images."""


class PhantomSettings(Settings):
    """What decides every byte of a phantom corpus.

    A corpus of more studies begins with exactly the studies of a smaller one. Text settings
    (`severity_stated` and below) never change an image.
    """

    studies: int = Field(1000, ge=1, le=2_000_000)
    size: int = Field(128, ge=64, le=512, description="image height and width in pixels")
    seed: int = Field(0, ge=0, lt=2**32)
    severity_stated: float = Field(
        0.5, ge=0, le=1, description="chance that a report says the severity of edema"
    )
    perception_bias: float = Field(
        0.1, ge=-2, le=2, description="channel R: over-calling of the reporter, in probits"
    )
    perception_sigma: float = Field(
        0.35, ge=0, le=3, description="channel R: scatter of the reporter, in probits"
    )
    slip_rate: float = Field(
        0.03, ge=0, le=1, description="chance per finding of an omission or an invention"
    )
    typo_rate: float = Field(0.004, ge=0, le=0.2, description="chance per word of a typing error")
    masks: bool = Field(True, description="write lung and sign masks")
