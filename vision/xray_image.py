"""What reading an X-ray gives: grey pixels, where they came from, and the one error it raises."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from configs.settings import Settings

MAX_PIXELS = 50_000_000
MAX_SIDE = 16_000
MAX_FILE_BYTES = 256 << 20
"""Nothing over these limits is decoded. The largest radiographs have about 18 megapixels."""

WindowSource = Literal[
    "full range",
    "white level",
    "DICOM window",
    "DICOM VOI LUT",
    "percentile",
    "minimum to maximum",
]
Equalization = Literal["none", "mimic_jpg"]
Laterality = Literal["L", "R", "B", "U"]


COLOUR_NOTE = "a colour image: only its luminance is used"
NOT_A_RADIOGRAPH_NOTE = "the DICOM modality is "
"""Warnings that the gate looks for; the second goes on with the modality."""


class ImageError(ValueError):
    """A file that cannot be read as an X-ray: `path`, and the `reason` without patient data."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[type[ImageError], tuple[Path, str]]:
        return ImageError, (self.path, self.reason)


class Provenance(Settings):
    """How pixels came to be; holds no patient data.

    `sha256` is of the file's bytes. `height` and `width` are those of the whole image as it is
    seen: upright, and before any reduced decoding. `window` is the interval of stored (DICOM:
    rescaled) values that became [0, 1]; null for a VOI LUT. `inverted` says that MONOCHROME1
    was turned. `equalization` names the histogram equalisation that followed. `view` is a DICOM
    view position (PA, AP, LL, RL, ...); `laterality` is the side that DICOM says was imaged
    (left, right, both, unpaired). `child` says that a DICOM patient is under 18,
    `other_body_part` that not the chest was examined; null where the header does not tell.
    """

    sha256: str
    file_format: str
    height: int
    width: int
    window: tuple[float, float] | None
    window_source: WindowSource
    inverted: bool = False
    equalization: Equalization = "none"
    pixel_spacing_mm: tuple[float, float] | None = None
    view: str | None = None
    laterality: Laterality | None = None
    child: bool | None = None
    other_body_part: bool | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class XrayImage:
    """One grey X-ray: `pixels` float32 [height, width] in [0, 1], bright = dense (bone white)."""

    pixels: NDArray[np.float32]
    provenance: Provenance


def refuse_large(path: Path, width: int, height: int) -> None:
    """Raise ImageError when a header asks for more than MAX_PIXELS or MAX_SIDE, or nothing."""
    if width < 1 or height < 1:
        raise ImageError(path, f"the header says {width}×{height} pixels")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise ImageError(
            path,
            f"the header says {width}×{height} pixels; "
            f"the limit is {MAX_PIXELS // 1_000_000} megapixels and {MAX_SIDE} a side",
        )
