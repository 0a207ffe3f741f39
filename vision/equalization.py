"""Histogram equalisation as MIMIC-CXR-JPG did it, so that a model trained there may see a DICOM.

Johnson et al. 2019, "MIMIC-CXR-JPG, a large publicly available database of labeled chest
radiographs" (arXiv 1901.07042), methods: stored values from minimum to maximum onto 8 bits
without any window, MONOCHROME1 inverted, then OpenCV's equalizeHist over the whole image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEVELS = 256


def equalize_like_mimic(counts: NDArray[np.int64], *, inverted: bool) -> NDArray[np.uint8]:
    """Give the 8-bit grey of each stored value from how often it occurs.

    `counts` [n] belong to consecutive values; the first and the last are the image's minimum
    and maximum. Equalisation is a function of the value alone, so it needs no pixels.
    """
    highest = max(1, len(counts) - 1)
    grey = np.arange(len(counts), dtype=np.int64) * (LEVELS - 1) // highest
    if inverted:
        grey = LEVELS - 1 - grey
    histogram = np.bincount(grey, weights=counts, minlength=LEVELS).astype(np.int64)
    return equalization_table(histogram)[grey]


def equalization_table(histogram: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Give what OpenCV's equalizeHist makes of each of the 256 grey levels.

    table(g) = round(255 · (pixels up to g − pixels of the darkest level) / (all − darkest)), in
    float32 and half to even as OpenCV computes it; an image of one level keeps it.
    """
    darkest = int(np.flatnonzero(histogram)[0])
    others = int(histogram.sum() - histogram[darkest])
    if others == 0:
        return np.full(LEVELS, darkest, dtype=np.uint8)
    reached = np.cumsum(histogram) - histogram[darkest]
    scale = np.float32(LEVELS - 1) / np.float32(others)
    table = np.rint(np.maximum(reached, 0).astype(np.float32) * scale)
    levels: NDArray[np.uint8] = np.minimum(table, LEVELS - 1).astype(np.uint8)
    return levels
