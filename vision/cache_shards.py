"""How framed images lie in the shards of a cache: raw bytes or JPEG, one row after the other."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vision.framing import CacheSettings

if TYPE_CHECKING:
    import pandas as pd

JPEG_QUALITY = 95
"""45 dB to the raw image, at a quarter of its size."""
ENDINGS = {"raw": "u8", "jpeg": "jpegs"}


class CacheError(ValueError):
    """An image cache that can't be built or read; the message names the folder or file."""


def name_shard(number: int, settings: CacheSettings) -> str:
    """File name of a shard inside its generation."""
    return f"{number:06d}.{ENDINGS[settings.storage]}"


def encode_row(image: NDArray[np.uint8], settings: CacheSettings) -> bytes:
    """Turn a framed image uint8 [size, size] into the bytes that are stored."""
    if settings.storage == "raw":
        return image.tobytes()
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


class Shards:
    """The stored rows of one generation, each shard mapped into memory when it is first needed.

    A row's checksum is tested the first time it is read.
    """

    def __init__(
        self, folder: Path, settings: CacheSettings, rows_each: int, index: pd.DataFrame
    ) -> None:
        self.settings = settings
        self.rows_each = rows_each
        self._folder = folder
        self._maps: dict[int, NDArray[np.uint8]] = {}
        # Skipped rows stay empty in the index; −1 marks them here.
        columns = index[["offset", "length", "crc32"]].astype("Int64").fillna(-1)
        self._starts, lengths, self._checksums = columns.to_numpy(np.int64).T.copy()
        self._ends = self._starts + lengths
        self._seen = np.zeros(len(index), dtype=bool)

    def __len__(self) -> int:
        return len(self._seen)

    @property
    def count(self) -> int:
        """How many shards there are."""
        return -(-len(self._seen) // self.rows_each)

    def file_of(self, shard: int) -> Path:
        """The file that holds the rows from `shard * rows_each` on."""
        return self._folder / name_shard(shard, self.settings)

    def copy_row(self, row: int, target: NDArray[np.uint8]) -> None:
        """Copy a row into `target` uint8 [size, size]; CacheError when it has changed."""
        stored = self._take(row)
        if self.settings.storage == "raw":
            target[:] = stored.reshape(target.shape)
            return
        with Image.open(io.BytesIO(stored.data), formats=("JPEG",)) as image:
            target[:] = np.asarray(image)

    def check_row(self, row: int) -> None:
        """Raise CacheError when the bytes of a row are not those that were written."""
        self._take(row)

    def check_size(self, shard: int) -> None:
        """Raise CacheError when a shard is missing, cut or longer than its rows."""
        file = self.file_of(shard)
        rows = slice(shard * self.rows_each, (shard + 1) * self.rows_each)
        expected = max(0, int(self._ends[rows].max()))
        found = file.stat().st_size if file.is_file() else 0
        if found != expected or not file.is_file():
            raise CacheError(f"{file}: {found} bytes, expected {expected}; delete and build again")

    def _take(self, row: int) -> NDArray[np.uint8]:
        shard = row // self.rows_each
        mapped = self._maps.get(shard)
        if mapped is None:
            mapped = self._maps[shard] = self._map(shard)
        stored = mapped[self._starts[row] : self._ends[row]]
        if not self._seen[row]:
            if zlib.crc32(stored.data) != self._checksums[row]:
                raise CacheError(
                    f"{self.file_of(shard)}, row {row}: not the pixels that were written; "
                    "delete the cache folder and build again"
                )
            self._seen[row] = True
        return stored

    def _map(self, shard: int) -> NDArray[np.uint8]:
        # A file cut after it was mapped would end the process at its next read.
        self.check_size(shard)
        return np.asarray(np.memmap(self.file_of(shard), np.uint8, "r"))
