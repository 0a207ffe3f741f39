"""The masks of an image cache: each framed as its image is, kept together, read by memory map."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from configs.files import hash_json, write_atomically, write_json
from vision.cache import ImageCache
from vision.segmentation.mask_files import MaskSettings, frame_mask, read_mask
from vision.segmentation.network import SegmentationError
from vision.xray_image import ImageError

logger = logging.getLogger(__name__)

MASK_CACHE_VERSION = 1
"""Raised with every change that gives other masks."""
MASKS_NAME = "masks.npy"
RECORD_NAME = "masks.json"

MaskPaths = tuple[Path, ...]


class MaskCache:
    """Framed masks, one per row of a data set: OUTSIDE, INSIDE or UNKNOWN.

    `skipped`: (row, file, reason) of each mask that could not be read; its row reads as all
    OUTSIDE and must not be used.
    """

    def __init__(self, folder: Path) -> None:
        record = json.loads((folder / RECORD_NAME).read_text(encoding="utf-8"))
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
    paths: Sequence[MaskPaths],
    settings: Sequence[MaskSettings],
    folder: Path,
) -> MaskCache:
    """Frame the mask of each image as the cache framed the image, into a folder below `folder`.

    paths: the mask files of each row, several where they are to be joined; settings: how they are
    read, one for each row. What stands there already for the same images, files (by size and
    time) and settings is used again. A mask that cannot be read is listed and told of. Raises
    SegmentationError where none can be.
    """
    key = [
        MASK_CACHE_VERSION,
        cache.content_hash,
        cache_rows.tolist(),
        [[_describe(path) for path in files] for files in paths],
        [each.model_dump(mode="json") for each in settings],
    ]
    target = folder / hash_json(key)[:16]
    if not (target / RECORD_NAME).is_file():
        _build(cache, cache_rows, paths, settings, target)
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
    paths: Sequence[MaskPaths],
    settings: Sequence[MaskSettings],
    target: Path,
) -> None:
    size = cache.settings.size
    skipped: list[tuple[int, str, str]] = []
    with write_atomically(target / MASKS_NAME) as temporary:
        shape = (len(paths), size, size)
        masks = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
        for row, files in enumerate(tqdm(paths, unit="mask", desc="mask cache")):
            cached = int(cache_rows[row])
            seen = cache.provenance_of(cached)
            try:
                mask = read_mask(files, (seen.height, seen.width), settings[row])
            except ImageError as error:
                skipped.append((row, str(error.path), error.reason))
                continue
            masks[row] = frame_mask(mask, cache.placement_of(cached), size)
        masks.flush()
    # Written last: a folder without it is one that was not finished.
    write_json(target / RECORD_NAME, {"skipped": skipped})


def _describe(path: Path) -> list[Any]:
    try:
        status = path.stat()
    except OSError:
        return [str(path), -1, -1]
    return [str(path), status.st_size, status.st_mtime_ns]
