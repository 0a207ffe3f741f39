"""The masks of an image cache: each framed as its image is, kept together, read by memory map."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from configs.files import hash_file, hash_json, write_atomically, write_json
from vision.cache import ImageCache
from vision.segmentation.mask_files import MaskSource, frame_mask
from vision.segmentation.network import SegmentationError
from vision.xray_image import ImageError

logger = logging.getLogger(__name__)

MASK_CACHE_VERSION = 2
"""Raised with every change that gives other masks, or says other things of them."""
MASKS_NAME = "masks.npy"
RECORD_NAME = "masks.json"


class MaskCache:
    """Framed masks, one per row of a data set: OUTSIDE, INSIDE or UNKNOWN.

    `skipped`: (row, file, reason) of each mask that could not be read; its row reads as all
    OUTSIDE and must not be used. content_hash: SHA-256 of the masks' file, as it was written.
    """

    def __init__(self, folder: Path) -> None:
        record = json.loads((folder / RECORD_NAME).read_text(encoding="utf-8"))
        self.folder = folder
        self.content_hash = str(record["sha256"])
        self._masks = np.load(folder / MASKS_NAME, mmap_mode="r", allow_pickle=False)
        self.skipped = [(int(row), Path(path), str(why)) for row, path, why in record["skipped"]]

    def __len__(self) -> int:
        return len(self._masks)

    @property
    def readable(self) -> NDArray[np.bool_]:
        """Say of each row whether its mask could be read."""
        found = np.ones(len(self), dtype=bool)
        found[[row for row, _, _ in self.skipped]] = False
        return found

    def hash_rows(self, rows: NDArray[np.int64]) -> str:
        """Give the SHA-256 over the masks of some rows, in order."""
        digest = hashlib.sha256()
        for row in rows.tolist():
            digest.update(self._masks[row].tobytes())
        return digest.hexdigest()

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Copy masks into one uint8 array [n, size, size]."""
        masks: NDArray[np.uint8] = self._masks[rows]
        return masks


def build_mask_cache(
    cache: ImageCache,
    cache_rows: NDArray[np.int64],
    sources: Sequence[MaskSource],
    folder: Path,
) -> MaskCache:
    """Frame the mask of each image as the cache framed the image, into a folder below `folder`.

    sources: where the mask of each row comes from. What stands there already for the same images
    and sources (files by size and time) is used again. A mask that cannot be read is listed and
    told of. Raises SegmentationError where none can be.
    """
    key = [
        MASK_CACHE_VERSION,
        cache.content_hash,
        cache_rows.tolist(),
        [source.describe() for source in sources],
    ]
    target = folder / hash_json(key)[:16]
    if not (target / RECORD_NAME).is_file():
        _build(cache, cache_rows, sources, target)
    masks = MaskCache(target)
    if len(masks.skipped) == len(masks):
        _, path, reason = masks.skipped[0]
        raise SegmentationError(f"{path}: {reason}; none of the {len(masks)} masks can be read")
    if masks.skipped:
        logger.warning("mask cache: %d of %d masks skipped", len(masks.skipped), len(masks))
    return masks


def _build(
    cache: ImageCache,
    cache_rows: NDArray[np.int64],
    sources: Sequence[MaskSource],
    target: Path,
) -> None:
    size = cache.settings.size
    skipped: list[tuple[int, str, str]] = []
    with write_atomically(target / MASKS_NAME) as temporary:
        shape = (len(sources), size, size)
        masks = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        for row, source in enumerate(tqdm(sources, unit="mask", desc="mask cache")):
            cached = int(cache_rows[row])
            seen = cache.provenance_of(cached)
            try:
                mask = source.read((seen.height, seen.width))
            except ImageError as error:
                skipped.append((row, str(error.path), error.reason))
                continue
            masks[row] = frame_mask(mask, cache.placement_of(cached), size)
        masks.flush()
    # Written last: a folder without it is one that was not finished.
    sha256 = hash_file(target / MASKS_NAME)
    write_json(target / RECORD_NAME, {"skipped": skipped, "sha256": sha256})
