"""Lung masks for the trust report by a segmenter that was trained here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from joint.trust.inputs import Masks, Pixels, Rows
from vision.segmentation.lung_masks import LungMasks


def open_lungs(folder: Path | None) -> Callable[[Rows, Pixels], Masks] | None:
    """Give what draws lungs with a trained segmenter; None without one.

    Raises ModelFolderError for a folder that holds none, SegmentationError for other structures.
    """
    if folder is None:
        return None
    lungs = LungMasks.load(folder)
    return lambda _, pixels: lungs(pixels)
