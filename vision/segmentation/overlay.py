"""A mask drawn over its X-ray: a tint and an outline that leave the lung readable."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation

from vision.segmentation.metrics import find_outline

COLOUR = (0, 158, 115)
TINT = 0.18
LINE_SHARE = 1 / 400
"""The outline's width as a share of the longer side."""


def draw_overlay(pixels: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Draw a mask over pixels [h, w] in [0, 1]; gives colours [h, w, 3].

    A mask of another size is resized to the pixels.
    """
    height, width = pixels.shape
    if mask.shape != pixels.shape:
        small = Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST)
        mask = np.asarray(small, dtype=bool)
    line = find_outline(mask)
    thickness = round(max(height, width) * LINE_SHARE) - 1
    if thickness > 0:
        line = binary_dilation(line, iterations=thickness) & mask
    grey = np.clip(pixels, 0.0, 1.0)[..., np.newaxis]
    colour = np.array(COLOUR, np.float32) / 255
    tint = np.where(mask, TINT, 0.0)[..., np.newaxis]
    drawn = np.where(line[..., np.newaxis], colour, grey * (1 - tint) + colour * tint)
    return np.asarray(np.rint(drawn * 255), np.uint8)
