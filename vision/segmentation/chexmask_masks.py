"""Lung masks of CheXmask's tables, for images of the corpora that they were drawn on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_cards.chexmask.reader import CheXmask
from data_cards.study import CorpusError
from vision.segmentation.mask_files import Mask, describe_file, fit_mask
from vision.xray_image import ImageError


@dataclass(frozen=True)
class TableMask:
    """The row of one image in a table: a MaskSource. least_dice: what the table was read with."""

    table: CheXmask
    image: Path
    least_dice: float

    def read(self, shape: tuple[int, int]) -> Mask:
        """Decode both lungs and resize them to the image."""
        try:
            lungs = self.table.read_lungs(str(self.image))
        except CorpusError as error:
            raise ImageError(self.image, f"its mask: {error}") from error
        if lungs is None:
            raise ImageError(self.image, "no mask of it in CheXmask's table that is good enough")
        return fit_mask(lungs.astype("uint8"), shape)

    def describe(self) -> list[Any]:
        """Give the table by size and time, and the image."""
        return [describe_file(self.table.table), str(self.image), self.least_dice]
