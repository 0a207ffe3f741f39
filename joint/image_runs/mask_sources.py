"""Where the mask of each image of a run comes from: a table of CheXmask, or files of its corpus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_cards.chexmask.reader import read_chexmask
from joint.image_runs.prepare import PreparedImages
from joint.image_runs.settings import ImageDataSettings
from vision.segmentation.chexmask_masks import TableMask
from vision.segmentation.mask_files import (
    INSIDE,
    MaskFiles,
    MaskSettings,
    MaskSource,
    frame_mask,
)
from vision.xray_image import ImageError

MASK_VALUES = {"phantom_masks": MaskSettings(inside="nonzero")}
"""How the masks of a corpus are read where its source does not say."""

LUNG_MASKED = frozenset({"covid_qu_ex", "radiography", "montgomery", "shenzhen", "phantom_masks"})
"""Corpora whose mask files show lungs; what others outline is not known."""

Rows = NDArray[np.int64]
DrawLungs = Callable[[Rows, NDArray[np.uint8]], NDArray[np.bool_]]
"""From rows and their framed images, uint8 [n, size, size], to the lungs: bool of that shape."""


def find_masks(settings: ImageDataSettings, images: pd.DataFrame) -> list[MaskSource | None]:
    """Find the mask of each row of `PreparedImages.images`; None where there is none.

    Raises CorpusError for a table of CheXmask that cannot be read.
    """
    # Two folders may be of one corpus (`image_masks`), and their masks of different values.
    sources = {
        (source.corpus, str(source.root if source.root.is_dir() else source.root.parent)): source
        for source in settings.external + settings.sources
    }
    tables = {
        place: read_chexmask(source.chexmask, least_dice=source.least_dice)
        for place, source in sources.items()
        if source.chexmask is not None
    }
    found: list[MaskSource | None] = []
    columns = images[["corpus", "root", "path", "mask_paths"]]
    for corpus, root, image, paths in columns.itertuples(index=False):
        place = corpus, root
        source = sources[place]
        if place in tables:
            known = image in tables[place]
            drawn = TableMask(tables[place], Path(image), source.least_dice)
            found.append(drawn if known else None)
        elif paths:
            read_as = source.masks or MASK_VALUES.get(corpus, MaskSettings())
            found.append(MaskFiles(tuple(map(Path, paths)), read_as))
        else:
            found.append(None)
    return found


def draw_own_lungs(
    settings: ImageDataSettings, prepared: PreparedImages, rows: Rows, otherwise: DrawLungs | None
) -> DrawLungs | None:
    """Give what draws the lungs of `rows` (asked for by their place there) from their own masks.

    Where an image has none, or one that cannot be read, `otherwise` draws them, and without it
    its mask is empty. Gives `otherwise` where no image of `rows` has a mask of lungs.
    """
    images = prepared.images.iloc[rows]
    tables = {source.corpus for source in settings.sources if source.chexmask is not None}
    shows_lungs = images["corpus"].isin(LUNG_MASKED | tables).to_numpy()
    masks = [
        mask if is_lung else None
        for mask, is_lung in zip(find_masks(settings, images), shows_lungs, strict=True)
    ]
    if not any(masks):
        return otherwise
    cached = images["cache_row"].to_numpy(np.int64)

    def draw(asked: Rows, pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
        lungs = np.zeros(pixels.shape, bool)
        lacking = []
        for number, row in enumerate(asked.tolist()):
            framed = _frame(prepared, int(cached[row]), masks[row])
            if framed is None:
                lacking.append(number)
            else:
                lungs[number] = framed
        if otherwise is not None and lacking:
            lungs[lacking] = otherwise(asked[lacking], pixels[lacking])
        return lungs

    return draw


def _frame(prepared: PreparedImages, row: int, mask: MaskSource | None) -> NDArray[np.bool_] | None:
    """Frame a mask as the cache framed its image; None for none, and for an unreadable one."""
    if mask is None:
        return None
    cache = prepared.cache
    seen = cache.provenance_of(row)
    try:
        drawn = mask.read((seen.height, seen.width))
    except ImageError:
        return None
    return np.asarray(frame_mask(drawn, cache.placement_of(row), cache.settings.size) == INSIDE)
