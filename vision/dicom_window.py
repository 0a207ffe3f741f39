"""Stored DICOM values to grey in [0, 1]: modality LUT or rescale, VOI LUT or window, inversion.

All of it is a function of the stored value alone, so it is worked out once per value and looked
up per pixel: exact, and fast on full-size images.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pydicom
from numpy.typing import NDArray

from vision.equalization import equalize_like_mimic
from vision.stored_places import StoredPlaces
from vision.xray_image import WindowSource

Values = NDArray[np.float64]
PERCENTILES = (0.5, 99.5)
"""The window where a file has none: in most radiographs it cuts burnt-in marks and dead pixels."""


class Toning(NamedTuple):
    """Grey `pixels` [height, width] in [0, 1], bright = dense, and the window that made them."""

    pixels: NDArray[np.float32]
    window: tuple[float, float] | None
    window_source: WindowSource
    inverted: bool


def tone(dataset: pydicom.Dataset, stored: NDArray[Any], notes: list[str]) -> Toning:
    """Window stored monochrome values as the file asks for (DICOM PS3.3 C.11.1, C.11.2).

    Without a usable window the 0.5th to 99.5th percentile of the pixels is used; `notes` gets
    a line about it. Pixel padding becomes black and does not count.
    """
    stored = keep_stored_bits(dataset, stored)
    places = StoredPlaces(stored)
    values = places.values
    padding = _is_padding(dataset, values)
    rescaled = rescale(dataset, values)
    grey, window, source = _apply_window(dataset, rescaled, notes)
    if window is None and source == "percentile":
        grey, window = _apply_percentiles(rescaled, np.where(padding, 0, places.count()))
    inverted = dataset.PhotometricInterpretation == "MONOCHROME1"
    if inverted:
        grey = 1.0 - grey
    grey[padding] = 0.0
    return Toning(places.look_up(grey), window, source, inverted)


def tone_like_mimic(stored: NDArray[Any], *, inverted: bool) -> Toning:
    """Take stored values as MIMIC-CXR-JPG did: no rescale, window or padding, equalised."""
    places = StoredPlaces(stored)
    grey = equalize_like_mimic(places.count(), inverted=inverted) / 255
    window = (float(places.values[0]), float(places.values[-1]))
    return Toning(places.look_up(grey), window, "minimum to maximum", inverted)


def keep_stored_bits(dataset: pydicom.Dataset, stored: NDArray[Any]) -> NDArray[Any]:
    """Drop what lies above BitsStored, where old files keep overlays."""
    bits = int(dataset.BitsStored)
    if stored.dtype.kind == "u" and 0 < bits < stored.dtype.itemsize * 8:
        kept: NDArray[Any] = stored & stored.dtype.type((1 << bits) - 1)
        return kept
    return stored


def find_padding(dataset: pydicom.Dataset) -> tuple[int, int] | None:
    """Return the least and greatest stored value that are no image; None where none are named."""
    first = dataset.get("PixelPaddingValue")
    if first is None:
        return None
    last = dataset.get("PixelPaddingRangeLimit")
    low, high = sorted((int(first), int(first if last is None else last)))
    return low, high


def _is_padding(dataset: pydicom.Dataset, values: NDArray[np.int64]) -> NDArray[np.bool_]:
    bounds = find_padding(dataset)
    if bounds is None:
        return np.zeros(len(values), dtype=bool)
    padding: NDArray[np.bool_] = (values >= bounds[0]) & (values <= bounds[1])
    return np.zeros_like(padding) if padding.all() else padding


def rescale(dataset: pydicom.Dataset, values: NDArray[np.int64]) -> Values:
    """Apply the modality LUT, or Rescale Slope and Intercept, to stored values."""
    table = dataset.get("ModalityLUTSequence")
    if table:
        return look_up_entries(table[0], values.astype(np.float64))[0]
    slope, intercept = find_line(dataset)
    return np.asarray(values * slope + intercept, dtype=np.float64)


def find_line(dataset: pydicom.Dataset) -> tuple[float, float]:
    """Return Rescale Slope and Intercept; 1 and 0 where the file has no usable ones."""
    slope, intercept = dataset.get("RescaleSlope"), dataset.get("RescaleIntercept")
    if slope is None or intercept is None or float(slope) == 0:
        return 1.0, 0.0
    return float(slope), float(intercept)


def look_up_entries(item: pydicom.Dataset, values: Values) -> tuple[Values, int]:
    """Apply a LUT item (PS3.3 C.11.1.1); returns the entries and their nominal bits."""
    entries, first, bits = (int(part) for part in item.LUTDescriptor)
    data = item.LUTData
    if isinstance(data, bytes):
        data = np.frombuffer(data, "<u2" if len(data) > (entries or 1 << 16) + 1 else "u1")
    table = np.asarray(data, dtype=np.float64)[: entries or 1 << 16]
    index = np.clip(np.rint(values) - first, 0, len(table) - 1).astype(np.int64)
    return table[index], bits


def _apply_window(
    dataset: pydicom.Dataset, values: Values, notes: list[str]
) -> tuple[Values, tuple[float, float] | None, WindowSource]:
    table = dataset.get("VOILUTSequence")
    if table:
        entries, bits = look_up_entries(table[0], values)
        return np.clip(entries / ((1 << bits) - 1), 0.0, 1.0), None, "DICOM VOI LUT"
    found = find_window(dataset)
    if found is not None:
        center, width, function = found
        window = (center - width / 2, center + width / 2)
        return _window(values, center, width, function), window, "DICOM window"
    notes.append("no window in the DICOM: the 0.5th to 99.5th percentile is used")
    return values, None, "percentile"


def find_window(dataset: pydicom.Dataset) -> tuple[float, float, str] | None:
    """Return centre and width in rescaled values, and the VOI LUT function; None of no window."""
    center, width = _first(dataset.get("WindowCenter")), _first(dataset.get("WindowWidth"))
    if center is None or width is None or width < 1:
        return None
    return center, width, str(dataset.get("VOILUTFunction") or "LINEAR")


def _apply_percentiles(
    values: Values, counts: NDArray[np.int64]
) -> tuple[Values, tuple[float, float]]:
    low, high = _percentiles(values, counts)
    return np.clip((values - low) / max(high - low, 1e-9), 0.0, 1.0), (low, high)


def _window(values: Values, center: float, width: float, function: str) -> Values:
    """The three VOI LUT functions of PS3.3 C.11.2.1.2 and C.11.2.1.3, onto [0, 1]."""
    if function == "SIGMOID":
        exponent: Values = np.clip(-4.0 * (values - center) / width, -700, 700)
        return np.asarray(1.0 / (1.0 + np.exp(exponent)), dtype=np.float64)
    if function == "LINEAR_EXACT":
        return np.clip((values - center) / width + 0.5, 0.0, 1.0)
    if width == 1:
        return (values > center - 0.5).astype(np.float64)
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0.0, 1.0)


def _percentiles(values: Values, counts: NDArray[np.int64]) -> tuple[float, float]:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(counts[order]) / counts.sum()
    low, high = (values[order][np.searchsorted(reached, p / 100)] for p in PERCENTILES)
    return float(low), float(high)


def _first(value: Any) -> float | None:
    """The first number of a DICOM decimal string with one or several values."""
    if value is None or value == "":
        return None
    number = float(value[0] if hasattr(value, "__getitem__") else value)
    return number if math.isfinite(number) else None
