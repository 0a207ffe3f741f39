"""Lung masks of cached images by a saved segmenter, for controls that hide or keep the lungs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vision.segmentation.network import SegmentationError
from vision.segmentation.segmenter import Segmenter

P = TypeVar("P", np.uint8, np.float32)


@dataclass(frozen=True)
class LungMasks:
    """Draws lungs on framed images of any size; open it with `LungMasks.load`."""

    segmenter: Segmenter

    @classmethod
    def load(cls, folder: Path, *, threads: int | None = None) -> LungMasks:
        """Read a segmenter's folder; raises SegmentationError, also for one of no lungs."""
        segmenter = Segmenter.load(folder, threads=threads)
        if segmenter.structure != "lung":
            raise SegmentationError(f"{folder}: its masks show {segmenter.structure}, not lungs")
        return cls(segmenter)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Give the lung mask, bool [n, size, size], of framed images, uint8 of the same shape.

        Images of another side than the segmenter's are resized for it, and its probabilities back.
        """
        own, side = self.segmenter.input.size, images.shape[-1]
        inputs = images if own == side else resize(images, own)
        probabilities = self.segmenter.probabilities(inputs)
        if own != side:
            probabilities = resize(probabilities, side)
        return probabilities >= self.segmenter.threshold


def resize(images: NDArray[P], side: int) -> NDArray[P]:
    """Resize images [n, h, w] of uint8 or float32 to [n, side, side], anti-aliased."""
    resized: NDArray[P] = np.empty((len(images), side, side), images.dtype)
    for row, image in enumerate(images):
        picture = Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR)
        resized[row] = np.asarray(picture)
    return resized
