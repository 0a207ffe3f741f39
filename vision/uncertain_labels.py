"""What an uncertain label (−1) teaches: named policies from codes and probabilities to targets.

Irvin et al. 2019 (CheXpert) name U-Ignore, U-Zeros and U-Ones; Pham et al. 2019
(arXiv 1911.06475) smooth the last two ("label smoothing regularisation", LSR).
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from configs.settings import Settings
from data_cards.findings import LabelCode

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]


class Targets(NamedTuple):
    """values: [studies, …]; known: bool, where a value may be taught."""

    values: FloatArray
    known: BoolArray


class SoftSettings(Settings):
    """The labeler's probability, for every code that has one; −1 without one is not known."""

    kind: Literal["soft"] = "soft"


class IgnoreSettings(Settings):
    """U-Ignore: −1 is not known and has no gradient (Irvin et al. 2019)."""

    kind: Literal["u_ignore"] = "u_ignore"


class ZerosSettings(Settings):
    """U-Zeros: −1 is absent (Irvin et al. 2019)."""

    kind: Literal["u_zeros"] = "u_zeros"


class OnesSettings(Settings):
    """U-Ones: −1 is present (Irvin et al. 2019)."""

    kind: Literal["u_ones"] = "u_ones"


class SmoothedSettings(Settings):
    """A target drawn evenly between `low` and `high` for each −1 (Pham et al. 2019)."""

    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _check_order(self) -> SmoothedSettings:
        if self.low > self.high:
            raise ValueError(f"low {self.low} lies above high {self.high}")
        return self


class SmoothedZerosSettings(SmoothedSettings):
    """U-Zeros+LSR: −1 is rather absent; the paper's range."""

    kind: Literal["u_zeros_lsr"] = "u_zeros_lsr"
    low: float = Field(0.0, ge=0, le=1)
    high: float = Field(0.3, ge=0, le=1)


class SmoothedOnesSettings(SmoothedSettings):
    """U-Ones+LSR: −1 is rather present; the paper's range."""

    kind: Literal["u_ones_lsr"] = "u_ones_lsr"
    low: float = Field(0.55, ge=0, le=1)
    high: float = Field(0.85, ge=0, le=1)


UncertainSettings = Annotated[
    SoftSettings
    | IgnoreSettings
    | ZerosSettings
    | OnesSettings
    | SmoothedZerosSettings
    | SmoothedOnesSettings,
    Field(discriminator="kind"),
]
"""The union of the policies, told apart by `kind`."""


def teach_codes(
    codes: FloatArray,
    probabilities: FloatArray,
    policy: UncertainSettings,
    generator: np.random.Generator,
) -> Targets:
    """Turn label codes into targets in [0, 1] and where they are known.

    codes: 1, 0, −1, or NaN where the finding is not mentioned (never known). probabilities: of
    the same shape, NaN where there is none; only `soft` reads them. Draws for every code, so
    that a target depends on its place alone. Unknown targets are 0.
    """
    is_uncertain = codes == LabelCode.UNCERTAIN
    values = codes.astype(np.float32)
    match policy:
        case SoftSettings():
            usable = np.isfinite(probabilities) & np.isfinite(codes)
            values = np.where(is_uncertain, np.nan, values)
            values = np.where(usable, probabilities, values)
        case IgnoreSettings():
            values = np.where(is_uncertain, np.nan, values)
        case ZerosSettings():
            values = np.where(is_uncertain, 0.0, values)
        case OnesSettings():
            values = np.where(is_uncertain, 1.0, values)
        case SmoothedSettings(low=low, high=high):
            drawn = generator.uniform(low, high, codes.shape)
            values = np.where(is_uncertain, drawn, values)
    known = np.isfinite(values)
    return Targets(np.where(known, values, 0.0).astype(np.float32), known)
