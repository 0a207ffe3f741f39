"""Frame an X-ray of any shape into a fixed square of uint8, so that training and grading agree."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from configs.files import hash_json
from configs.settings import Settings
from vision.images import Provenance, XrayImage, read_image
from vision.xray_image import Equalization

FRAMING_VERSION = 2
"""Raised with every change that gives other pixels; caches and graders of another are refused."""
DECODE_MARGIN = 4 / 3
"""A reduced JPEG decode of a full-size film keeps at least this times the final side. On a real
film the result lies 52 to 53 dB from that of a full decode, at 2 it is 52 to 55 dB and a quarter
slower."""


class CacheSettings(Settings):
    """How images are decoded: `size` is the side of the square in pixels.

    `white_level` is the value that means white in 16-bit PNG and TIFF files (65535 for
    PadChest); without it such files are listed as skipped. `apply_histogram_equalization`
    "mimic_jpg" gives DICOMs and plain files the look of MIMIC-CXR-JPG (Johnson et al. 2019).
    `storage` is how an image cache keeps framed images: raw bytes, or grey JPEG of quality 95,
    a quarter of the size, for a slow disk.
    """

    size: int = Field(256, ge=16, le=2048)
    white_level: int | None = Field(None, ge=1, le=65535)
    apply_histogram_equalization: Equalization = "none"
    storage: Literal["raw", "jpeg"] = "raw"

    @property
    def preprocessing_hash(self) -> str:
        """SHA-256 of everything that decides the pixels of a given file."""
        return hash_json({"framing_version": FRAMING_VERSION, "settings": self.model_dump()})


class Placement(NamedTuple):
    """Where the picture lies in its square, in pixels; the rest is black padding."""

    top: int
    left: int
    height: int
    width: int


class FramedImage(NamedTuple):
    """`pixels` uint8 [size, size], where the picture lies in it, and how it was read."""

    pixels: NDArray[np.uint8]
    placement: Placement
    provenance: Provenance


def read_framed(path: Path, settings: CacheSettings) -> FramedImage:
    """Read one file and frame it; raises ImageError like `read_image`."""
    return frame_image(read_for_framing(path, settings), settings)


def read_for_framing(path: Path, settings: CacheSettings) -> XrayImage:
    """Read one file at no more than the resolution that framing needs."""
    return read_image(
        path,
        at_least=math.ceil(DECODE_MARGIN * settings.size),
        white_level=settings.white_level,
        equalization=settings.apply_histogram_equalization,
    )


def frame_image(image: XrayImage, settings: CacheSettings) -> FramedImage:
    """Resize the longer side to `settings.size`, anti-aliased, and pad the shorter with black."""
    full = (image.provenance.height, image.provenance.width)
    placement = place(full, settings.size)
    shape = (placement.width, placement.height)
    # Pillow's bicubic widens its kernel when it shrinks, so that fine lines don't alias.
    resized = Image.fromarray(image.pixels).resize(
        shape, Image.Resampling.BICUBIC, box=_covered_box(image.pixels.shape, full)
    )
    framed = np.zeros((settings.size, settings.size), dtype=np.uint8)
    rows = slice(placement.top, placement.top + placement.height)
    columns = slice(placement.left, placement.left + placement.width)
    framed[rows, columns] = np.rint(np.clip(np.asarray(resized), 0.0, 1.0) * 255)
    return FramedImage(framed, placement, image.provenance)


def _covered_box(
    decoded: tuple[int, ...], full: tuple[int, int]
) -> tuple[float, float, float, float]:
    """The part of a decode that the full image covers.

    A decode reduced by 2, 4 or 8 rounds odd sides up; without this the picture would shift by
    up to a pixel (25 dB instead of 55 dB to the full decode, on real films).
    """
    height, width = (
        min(part, side / max(1, round(side / part)))
        for part, side in zip(decoded, full, strict=True)
    )
    return 0.0, 0.0, width, height


def place(shape: tuple[int, ...], size: int) -> Placement:
    """Say where an image [height, width] lies in a square of `size`, centred, aspect kept."""
    scale = size / max(shape)
    height, width = (max(1, round(side * scale)) for side in shape)
    return Placement((size - height) // 2, (size - width) // 2, height, width)


def unframe(
    framed: NDArray[np.float32], placement: Placement, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Cut the picture out of a framed float map and resize it to `shape` [height, width]."""
    rows = slice(placement.top, placement.top + placement.height)
    columns = slice(placement.left, placement.left + placement.width)
    cut = Image.fromarray(np.ascontiguousarray(framed[rows, columns], dtype=np.float32))
    return np.asarray(cut.resize((shape[1], shape[0]), Image.Resampling.BILINEAR))
