"""Read mask files of any kind, fit them to their image, and frame them as the image is framed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from configs.settings import Settings
from vision.framing import Placement
from vision.image_files import read_bytes
from vision.raster_images import DECODE_ERRORS, open_raster
from vision.raster_safety import refuse_structure
from vision.xray_image import ImageError

Mask = NDArray[np.uint8]

OUTSIDE, INSIDE, UNKNOWN = 0, 1, 255
"""What a pixel of a mask says of the structure."""

SMOOTH_VALUES = 16
"""A file of more grey values than this is a mask with smoothed edges, or one kept as JPEG."""
EDGE_SHARE = 0.1


class MaskSource(Protocol):
    """Where the mask of one image comes from."""

    def read(self, shape: tuple[int, int]) -> Mask:
        """Give the mask of an image of `shape` [height, width]; raises ImageError."""

    def describe(self) -> list[Any]:
        """Give what the mask depends on, as JSON; it changes when the mask may."""


class MaskSettings(Settings):
    """What the grey values of a corpus's mask files mean.

    inside: the values of the structure; `nonzero` for all but 0; `upper_half` for those above half
    of the file's largest; null for files of two values, of which the larger is meant, or with
    smoothed edges between two. unknown: values that say nothing of a pixel.
    """

    inside: tuple[int, ...] | Literal["nonzero", "upper_half"] | None = None
    unknown: tuple[int, ...] = Field(default=())


@dataclass(frozen=True)
class MaskFiles:
    """The mask files of an image, and how their values are read: a MaskSource."""

    paths: tuple[Path, ...]
    settings: MaskSettings

    def read(self, shape: tuple[int, int]) -> Mask:
        """Read and join the files (`read_mask`)."""
        return read_mask(self.paths, shape, self.settings)

    def describe(self) -> list[Any]:
        """Give paths, sizes and times of the files, and the settings."""
        files = [describe_file(path) for path in self.paths]
        return [files, self.settings.model_dump(mode="json")]


def describe_file(path: Path) -> list[Any]:
    """Give path, size and time of a file, −1 for one that is missing."""
    try:
        status = path.stat()
    except OSError:
        return [str(path), -1, -1]
    return [str(path), status.st_size, status.st_mtime_ns]


def read_mask(paths: Sequence[Path], shape: tuple[int, int], settings: MaskSettings) -> Mask:
    """Read the mask of an image of `shape` [height, width] from one or several files.

    Gives OUTSIDE, INSIDE and UNKNOWN. Several files (Montgomery's left and right lung) are joined:
    inside of any is inside. A file of another size is resized to the image by its nearest values,
    never the image to the mask. Raises ImageError naming the file.
    """
    joined = np.zeros(shape, np.uint8)
    for path in paths:
        mask = fit_mask(interpret(path, read_values(path), settings), shape)
        joined[(mask == UNKNOWN) & (joined != INSIDE)] = UNKNOWN
        joined[mask == INSIDE] = INSIDE
    return joined


def read_values(path: Path) -> NDArray[np.integer]:
    """Read the stored values [h, w] of a mask file of 1, 8 or 16 bits, with a palette, or RGB.

    Of colours the largest channel counts; transparency is left out. Raises ImageError.
    """
    data = read_bytes(path)
    # No limit of bytes per pixel as for X-rays: a mask is packed into next to none.
    refuse_structure(path, data)
    with open_raster(path, data, io.BytesIO(data)) as image:
        try:
            values = np.asarray(image)
        except DECODE_ERRORS as error:
            raise ImageError(path, f"truncated or corrupt ({error})") from error
    if values.ndim == 3:
        channels = values.shape[2] - (values.shape[2] in {2, 4})
        values = values[..., :channels].max(axis=2)
    if values.dtype == np.bool_:
        values = values.astype(np.uint8)
    if values.ndim != 2 or not np.issubdtype(values.dtype, np.integer):
        raise ImageError(path, f"a mask of {values.dtype} {values.shape}; expected whole numbers")
    return values


def interpret(path: Path, values: NDArray[np.integer], settings: MaskSettings) -> Mask:
    """Turn stored values [h, w] into OUTSIDE, INSIDE and UNKNOWN.

    Raises ImageError for a file of several values when the settings don't say what they mean.
    """
    if settings.inside == "nonzero":
        inside = values > 0
    elif isinstance(settings.inside, tuple):
        inside = np.isin(values, settings.inside)
    else:
        known = values[~np.isin(values, settings.unknown)] if settings.unknown else values
        if settings.inside is None:
            _refuse_several(path, known)
        inside = values > int(known.max(initial=0)) / 2
    mask = inside.astype(np.uint8)
    if settings.unknown:
        mask[np.isin(values, settings.unknown)] = UNKNOWN
    return mask


def frame_mask(mask: Mask, placement: Placement, size: int) -> Mask:
    """Put a mask [h, w] where its image lies in a square of `size`; padding is OUTSIDE.

    A framed pixel is inside, or unknown, where most of the pixels that it covers are: the edge
    keeps its place, where the nearest value alone would move it by up to half a pixel.
    """
    box = (placement.width, placement.height)
    shares = [
        np.asarray(
            Image.fromarray((mask == value).astype(np.float32)).resize(box, Image.Resampling.BOX)
        )
        for value in (INSIDE, UNKNOWN)
    ]
    framed = np.zeros((size, size), np.uint8)
    rows = slice(placement.top, placement.top + placement.height)
    columns = slice(placement.left, placement.left + placement.width)
    picture = framed[rows, columns]
    picture[shares[0] >= 0.5] = INSIDE
    picture[(shares[1] > 0) & (shares[1] >= shares[0])] = UNKNOWN
    return framed


def fit_mask(mask: Mask, shape: tuple[int, int]) -> Mask:
    """Resize a mask to `shape` [height, width] by its nearest values."""
    if mask.shape == shape:
        return mask
    resized = Image.fromarray(mask).resize((shape[1], shape[0]), Image.Resampling.NEAREST)
    return np.asarray(resized)


def _refuse_several(path: Path, values: NDArray[np.integer]) -> None:
    found = np.unique(values)
    top = int(found.max(initial=0))
    between = found[(found > EDGE_SHARE * top) & (found < (1 - EDGE_SHARE) * top)]
    if len(between) and len(found) <= SMOOTH_VALUES:
        raise ImageError(
            path,
            f"a mask of the values {', '.join(map(str, found))}; say which are inside and which "
            "unknown (masks.inside, masks.unknown)",
        )
