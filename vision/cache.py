"""The image cache: every image decoded once, framed, and read back by memory map.

A cache folder holds `manifest.json` and one generation folder with `index.parquet` (one line per
row: source, hashes, placement, provenance, or why it was skipped) and `shards/`: a fixed number
of rows each, raw uint8 [size, size] or JPEG one after the other. A generation never changes once
the manifest points to it. Source paths are stored absolute: a cache stays on the machine that
made it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from configs.files import hash_file, hash_json
from data_cards.lineage import Parent
from vision.cache_build import (
    Generation,
    absolute,
    build_generation,
    list_sources,
    lock_folder,
    name_generation,
    remove_others,
)
from vision.cache_manifest import (
    CACHE_SCHEMA,
    CacheManifest,
    read_cache_manifest,
    write_cache_manifest,
)
from vision.cache_shards import CacheError, Shards
from vision.framing import CacheSettings, Placement
from vision.xray_image import Provenance

__all__ = ["CacheError", "CacheSettings", "ImageCache", "build_cache"]

logger = logging.getLogger(__name__)


class ImageCache:
    """Framed images of one build; open it with `ImageCache.open` or `build_cache`.

    `settings` are those it was built with; `skipped` lists (path, reason) of what could not be
    read; `content_hash` is the SHA-256 over the decode settings and, in order, the hashes of
    source bytes and pixels: the same for any number of workers. `index` is the table of
    `INDEX_TYPES`, `shards` the stored rows.
    """

    def __init__(self, folder: Path, manifest: CacheManifest, index: pd.DataFrame) -> None:
        self.folder = folder
        self.settings = manifest.settings
        self.manifest = manifest
        self.content_hash = manifest.content_hash
        readable = index["reason"].isna()
        self.skipped = [
            (Path(path), str(reason))
            for path, reason in index.loc[~readable, ["path", "reason"]].itertuples(index=False)
        ]
        self.index = index
        self._readable = readable.to_numpy()
        self._rows = dict(zip(index["path"][readable], index["row"][readable], strict=True))
        self.shards = Shards(
            folder / manifest.generation / "shards",
            manifest.settings,
            manifest.rows_per_shard,
            index,
        )

    @classmethod
    def open(cls, folder: Path) -> ImageCache:
        """Open a finished cache; raises CacheError when it is missing, unfinished or damaged.

        The index and the sizes of all shards are checked here, pixels when they are read.
        """
        cache = cls.open_index(folder)
        for shard in range(cache.shards.count):
            cache.shards.check_size(shard)
        return cache

    @classmethod
    def open_index(cls, folder: Path) -> ImageCache:
        """Open a cache of which shards may be missing or damaged, to find which."""
        manifest = read_cache_manifest(folder)
        file = folder / manifest.generation / "index.parquet"
        if not file.is_file() or hash_file(file) != manifest.index_sha256:
            raise CacheError(f"{file}: missing or changed; delete the cache folder and build again")
        return cls(folder, manifest, pd.read_parquet(file))

    def __len__(self) -> int:
        return len(self._rows)

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return ImageCache.open, (self.folder,)

    def row_of(self, path: Path | str) -> int | None:
        """Row of a source image; None when it was skipped or never listed."""
        row = self._rows.get(absolute(path))
        return None if row is None else int(row)

    def has_row(self, row: int) -> bool:
        """Say whether a row holds an image, and not only why it was skipped."""
        return bool(self._readable[row])

    def placement_of(self, row: int) -> Placement:
        """Where the picture of a row lies in its square, to map masks and boxes."""
        line = self.index.iloc[row]
        return Placement(*(int(line[name]) for name in Placement._fields))

    def provenance_of(self, row: int) -> Provenance:
        """How the image of a row was read."""
        return Provenance.model_validate_json(str(self.index["provenance"].iloc[row]))

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Copy images into one uint8 array [n, size, size].

        A row's checksum is tested the first time it is read. Raises CacheError naming the
        source when it was skipped, or the shard when its bytes have changed; IndexError for an
        unknown row.
        """
        rows = np.asarray(rows, dtype=np.int64)
        if rows.size and (rows.min() < 0 or rows.max() >= len(self.shards)):
            raise IndexError(
                f"rows {rows.min()} to {rows.max()} of a cache with {len(self.shards)} rows"
            )
        skipped = rows[~self._readable[rows]]
        if len(skipped):
            source = self.index["path"].iloc[skipped[0]]
            raise CacheError(f"{source}: has no pixels in the cache, it was skipped when built")
        images = np.empty((len(rows), self.settings.size, self.settings.size), dtype=np.uint8)
        for place, row in enumerate(rows.tolist()):
            self.shards.copy_row(row, images[place])
        return images


def build_cache(
    paths: Sequence[Path],
    folder: Path,
    settings: CacheSettings,
    *,
    workers: int = 1,
    parents: Sequence[Parent] = (),
    announce: Callable[[str], object] = logger.info,
) -> ImageCache:
    """Decode and frame `paths` into a cache at `folder`, in their order; duplicates count once.

    What a former or interrupted build has done is taken over: a file of unchanged size and
    time unread, one of unchanged bytes undecoded. A file that can't be read is listed in
    `skipped` and tried again when it changes. `announce` is told the disk that the build needs
    before it starts. `parents`, kept in the manifest, are what listed the files. With several
    `workers` (processes) the caller's main module must be importable. Raises CacheError when
    there is too little disk, before it starts, and when no image at all can be read.
    """
    sources = list_sources(paths)
    if not sources:
        raise CacheError(f"{folder}: no images are listed for the cache")
    name = name_generation(sources, settings)
    with lock_folder(folder):
        generation = Generation(folder / name, settings, sources)
        index = build_generation(generation, workers=workers, announce=announce)
        _refuse_nothing(index)
        manifest = CacheManifest(
            schema_version=CACHE_SCHEMA,
            settings=settings,
            preprocessing_hash=settings.preprocessing_hash,
            generation=name,
            rows=len(index),
            rows_per_shard=generation.rows_per_shard,
            index_sha256=hash_file(folder / name / "index.parquet"),
            content_hash=hash_content(index, settings),
            parents=tuple(parents),
        )
        write_cache_manifest(folder, manifest)
        remove_others(folder, name)
        cache = ImageCache.open(folder)
    if cache.skipped:
        logger.warning("image cache: %d of %d files skipped", len(cache.skipped), len(index))
    return cache


def hash_content(index: pd.DataFrame, settings: CacheSettings) -> str:
    """SHA-256 over the decode settings and, in order, the hashes of source bytes and rows."""
    readable = index[index["reason"].isna()]
    hashes = [readable["sha256"].tolist(), readable["crc32"].astype(int).tolist()]
    return hash_json([settings.preprocessing_hash, hashes])


def _refuse_nothing(index: pd.DataFrame) -> None:
    reasons = index["reason"].dropna()
    if len(reasons) == len(index):
        first = index["path"].iloc[0]
        raise CacheError(
            f"{first}: {reasons.iloc[0]}; none of the {len(index)} listed images can be read"
        )
