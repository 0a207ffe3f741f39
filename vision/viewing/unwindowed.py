"""Reads any X-ray file as its stored values, with the window and the curve that its file asks for.

A grader sees grey after one window (`vision.images.read_image`); who reads an X-ray on a screen
turns the window himself, so that nothing may be cut off before.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image

from vision.dicom_images import DICOM_ERRORS, is_dicom, open_stored, quiet_pydicom
from vision.dicom_window import (
    PERCENTILES,
    find_line,
    find_padding,
    find_window,
    keep_stored_bits,
    look_up_entries,
    rescale,
)
from vision.image_files import read_bytes
from vision.raster_images import open_grey
from vision.stored_places import StoredPlaces
from vision.xray_image import ImageError

MAX_PIXEL = (1 << 16) - 1


@dataclass(frozen=True)
class UnwindowedImage:
    """One X-ray: uint16 `pixels` [rows, columns], whose values are slope × pixel + intercept.

    window: centre and width, in values. curve: the VOI LUT function LINEAR, LINEAR_EXACT or
    SIGMOID (DICOM PS3.3 C.11.2.1.2). inverted: MONOCHROME1, the least values are white. padding:
    first and last of the pixels that are no image; they are black.
    """

    pixels: NDArray[np.uint16]
    slope: float
    intercept: float
    window: tuple[float, float]
    curve: str = "LINEAR_EXACT"
    inverted: bool = False
    padding: tuple[int, int] | None = None


def read_unwindowed(path: Path) -> UnwindowedImage:
    """Read a DICOM, PNG, JPEG, TIFF, BMP or WebP file, upright; as safe as `read_image`.

    The window is the file's; where it has none: of 8 bits all values, of 16 bits the 0.5th to
    99.5th percentile of the pixels. Raises ImageError as `vision.images.read_image` does, but
    takes 16-bit PNG and TIFF files whose white level nobody knows.
    """
    data = read_bytes(path)
    if not is_dicom(data):
        file = open_grey(path, data)
        pixels = file.grey.astype(np.uint16)
        window = (127.5, 255.0) if file.bits == 8 else _find_percentiles(pixels, None)
        return UnwindowedImage(pixels, 1.0, 0.0, window)
    with quiet_pydicom():
        try:
            return _read_dicom(path, data)
        except ImageError:
            raise
        except DICOM_ERRORS as error:
            reason = f"truncated or malformed DICOM ({type(error).__name__})"
            raise ImageError(path, reason) from error


def _read_dicom(path: Path, data: bytes) -> UnwindowedImage:
    dataset, stored, _ = open_stored(path, data)
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    if stored.ndim == 3 and stored.shape[2] == 3 and stored.dtype == np.uint8:
        grey = np.asarray(Image.fromarray(stored).convert("L")).astype(np.uint16)
        return UnwindowedImage(grey, 1.0, 0.0, (127.5, 255.0))
    if stored.ndim != 2:
        raise ImageError(path, "the DICOM pixels are neither monochrome nor 8-bit colour")
    stored = keep_stored_bits(dataset, stored)
    if dataset.get("ModalityLUTSequence") or dataset.get("VOILUTSequence"):
        return _look_up(dataset, stored, inverted)
    low = int(stored.min())
    pixels = (stored.astype(np.int32) - low).astype(np.uint16)
    slope, intercept = find_line(dataset)
    intercept += slope * low
    padding = _shift(find_padding(dataset), low)
    found = find_window(dataset)
    if found is not None:
        center, width, curve = found
        curve = curve if curve in ("LINEAR_EXACT", "SIGMOID") else "LINEAR"
        window = (center, width)
    else:
        center, width = _find_percentiles(pixels, padding)
        window = (slope * center + intercept, abs(slope) * width)
        curve = "LINEAR_EXACT"
    return UnwindowedImage(pixels, slope, intercept, window, curve, inverted, padding)


def _look_up(dataset: pydicom.Dataset, stored: NDArray[Any], inverted: bool) -> UnwindowedImage:
    """Take the entries of the file's tables as pixels: of a VOI LUT their whole range is shown."""
    places = StoredPlaces(stored)
    values = rescale(dataset, places.values)
    table = dataset.get("VOILUTSequence")
    bits = 16
    if table:
        values, bits = look_up_entries(table[0], values)
    found = None if table else find_window(dataset)
    padding = find_padding(dataset)
    if padding is not None:
        is_padding = (places.values >= padding[0]) & (places.values <= padding[1])
        values = np.where(is_padding, values.max() if inverted else values.min(), values)
    pixels = places.look_up(values).astype(np.uint16)
    if found is not None:
        return UnwindowedImage(pixels, 1.0, 0.0, found[:2], found[2], inverted)
    highest = float((1 << bits) - 1)
    window = (highest / 2, highest) if table else _find_percentiles(pixels, None)
    return UnwindowedImage(pixels, 1.0, 0.0, window, inverted=inverted)


def _shift(padding: tuple[int, int] | None, low: int) -> tuple[int, int] | None:
    if padding is None:
        return None
    first, last = (min(max(bound - low, -1), MAX_PIXEL + 1) for bound in padding)
    first, last = max(first, 0), min(last, MAX_PIXEL)
    return (first, last) if first <= last else None


def _find_percentiles(
    pixels: NDArray[np.uint16], padding: tuple[int, int] | None
) -> tuple[float, float]:
    """Return centre and width of the window from the 0.5th to the 99.5th percentile."""
    shown = pixels.ravel()
    if padding is not None:
        kept = shown[(shown < padding[0]) | (shown > padding[1])]
        shown = kept if len(kept) else shown
    low, high = (float(value) for value in np.percentile(shown, PERCENTILES))
    return (low + high) / 2, max(high - low, 1.0)
