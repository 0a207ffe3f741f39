"""The image cache: every image decoded once, framed, and read back by memory map.

A cache folder holds `manifest.json` and one generation folder with `pixels.u8` (uint8
[rows, size, size]) and `index.parquet` (one line per row: source, hashes, placement,
provenance, or why it was skipped). A generation never changes once the manifest points to it.
Source paths are stored absolute: a cache stays on the machine that made it.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ValidationError

from configs.files import hash_file, hash_json, write_json
from configs.settings import Settings
from vision.cache_block import CacheError
from vision.cache_build import (
    Generation,
    absolute,
    build_generation,
    list_sources,
    lock_folder,
    name_generation,
    remove_others,
)
from vision.framing import CacheSettings, Placement
from vision.xray_image import Provenance

__all__ = ["CacheError", "CacheSettings", "ImageCache", "build_cache"]

logger = logging.getLogger(__name__)

CACHE_SCHEMA = 1
MANIFEST_NAME = "manifest.json"


class CacheManifest(Settings):
    """What `manifest.json` holds: which generation is the finished one, and its hashes."""

    schema_version: int
    settings: CacheSettings
    preprocessing_hash: str
    generation: str
    rows: int
    index_sha256: str
    content_hash: str


class ImageCache:
    """Framed images of one build; open it with `ImageCache.open` or `build_cache`.

    `settings` are those it was built with; `skipped` lists (path, reason) of what could not be
    read; `content_hash` is the SHA-256 over the decode settings and, in order, the hashes of
    source bytes and pixels: the same for any number of workers.
    """

    def __init__(self, folder: Path, manifest: CacheManifest, index: pd.DataFrame) -> None:
        self.folder = folder
        self.settings = manifest.settings
        self.content_hash = manifest.content_hash
        readable = index["reason"].isna()
        self.skipped = [
            (Path(path), str(reason))
            for path, reason in index.loc[~readable, ["path", "reason"]].itertuples(index=False)
        ]
        self._index = index
        self._rows = dict(zip(index["path"][readable], index["row"][readable], strict=True))
        # Skipped rows stay empty in the file; −1 marks them here.
        self._checksums = index["crc32"].astype("Int64").fillna(-1).to_numpy(np.int64)
        self._seen = np.zeros(manifest.rows, dtype=bool)
        self._file = folder / manifest.generation / "pixels.u8"
        shape = (manifest.rows, manifest.settings.size, manifest.settings.size)
        _check_size(self._file, int(np.prod(shape)))
        self._pixels: NDArray[np.uint8] = np.asarray(np.memmap(self._file, np.uint8, "r", 0, shape))

    @classmethod
    def open(cls, folder: Path) -> ImageCache:
        """Open a finished cache; raises CacheError when it is missing, unfinished or damaged."""
        manifest = _read_manifest(folder)
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

    def placement_of(self, row: int) -> Placement:
        """Where the picture of a row lies in its square, to map masks and boxes."""
        line = self._index.iloc[row]
        return Placement(*(int(line[name]) for name in Placement._fields))

    def provenance_of(self, row: int) -> Provenance:
        """How the image of a row was read."""
        return Provenance.model_validate_json(str(self._index["provenance"].iloc[row]))

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Copy images into one uint8 array [n, size, size].

        A row's checksum is tested the first time it is read. Raises CacheError naming the
        source when it was skipped or its pixels have changed; IndexError for an unknown row.
        """
        rows = np.asarray(rows, dtype=np.int64)
        if rows.size and (rows.min() < 0 or rows.max() >= len(self._seen)):
            raise IndexError(
                f"rows {rows.min()} to {rows.max()} of a cache with {len(self._seen)} rows"
            )
        images: NDArray[np.uint8] = self._pixels[rows]
        for position in np.flatnonzero(~self._seen[rows]):
            self._check_row(int(rows[position]), images[position])
        return images

    def verify(self) -> None:
        """Read every row again; raises CacheError for the first whose pixels have changed."""
        self._seen[:] = False
        for row in self._rows.values():
            self.read(np.array([row]))

    def _check_row(self, row: int, image: NDArray[np.uint8]) -> None:
        source = self._index["path"].iloc[row]
        if self._checksums[row] < 0:
            raise CacheError(f"{source}: has no pixels in the cache, it was skipped when built")
        if zlib.crc32(image.data) != self._checksums[row]:
            raise CacheError(
                f"{self._file}, row {row}: not the pixels that were written for {source}; "
                "delete the cache folder and build again"
            )
        self._seen[row] = True


def build_cache(
    paths: Sequence[Path], folder: Path, settings: CacheSettings, *, workers: int = 1
) -> ImageCache:
    """Decode and frame `paths` into a cache at `folder`, in their order; duplicates count once.

    What a former or interrupted build has done is taken over: a file of unchanged size and
    time unread, one of unchanged bytes undecoded. A file that can't be read is listed in
    `skipped` and tried again when it changes. With several `workers` (processes) the caller's
    main module must be importable. Raises CacheError when there is too little disk, before it
    starts, and when no image at all can be read.
    """
    sources = list_sources(paths)
    if not sources:
        raise CacheError(f"{folder}: no images are listed for the cache")
    name = name_generation(sources, settings)
    with lock_folder(folder):
        index = build_generation(Generation(folder / name, settings, sources), workers=workers)
        _refuse_nothing(index)
        manifest = CacheManifest(
            schema_version=CACHE_SCHEMA,
            settings=settings,
            preprocessing_hash=settings.preprocessing_hash,
            generation=name,
            rows=len(index),
            index_sha256=hash_file(folder / name / "index.parquet"),
            content_hash=_hash_content(index, settings),
        )
        write_json(folder / MANIFEST_NAME, manifest.model_dump(mode="json"))
        remove_others(folder, name)
        cache = ImageCache.open(folder)
    if cache.skipped:
        logger.warning("image cache: %d of %d files skipped", len(cache.skipped), len(index))
    return cache


def _hash_content(index: pd.DataFrame, settings: CacheSettings) -> str:
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


def _read_manifest(folder: Path) -> CacheManifest:
    file = folder / MANIFEST_NAME
    try:
        manifest = CacheManifest.model_validate_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CacheError(f"{file}: no image cache here, or its build has not finished") from None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise CacheError(f"{file}: not the manifest of an image cache: {error}") from error
    expected = (CACHE_SCHEMA, manifest.settings.preprocessing_hash)
    if (manifest.schema_version, manifest.preprocessing_hash) != expected:
        raise CacheError(f"{file}: made by another version of Kerley; build the cache again")
    return manifest


def _check_size(file: Path, expected: int) -> None:
    found = file.stat().st_size if file.is_file() else 0
    if found != expected:
        raise CacheError(f"{file}: {found} bytes, expected {expected}; delete and build again")
