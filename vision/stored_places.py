"""Whole-number pixels as places in a table of their values: counted, and looked up, in strips.

A strip fits the processor's cache; NumPy's own indexing would copy the whole image to int64.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STRIP_ROWS = 64


class StoredPlaces:
    """Pixels [height, width] of at most 16 bits; `values` run from the least to the greatest."""

    def __init__(self, stored: NDArray[np.integer]) -> None:
        lowest, highest = int(stored.min()), int(stored.max())
        self.values = np.arange(lowest, highest + 1, dtype=np.int64)
        # Unsigned numbers wrap around, so that a signed image of the full range fits as well.
        unsigned = np.dtype(f"u{stored.dtype.itemsize}")
        offset = np.array(lowest, dtype=stored.dtype).view(unsigned)
        self._places: NDArray[np.unsignedinteger] = stored.view(unsigned) - offset

    def count(self) -> NDArray[np.int64]:
        """Give how many pixels have each of the values."""
        counts = np.zeros(len(self.values), dtype=np.int64)
        for start in range(0, len(self._places), STRIP_ROWS):
            strip = self._places[start : start + STRIP_ROWS]
            counts += np.bincount(strip.ravel(), minlength=len(counts))
        return counts

    def look_up(self, table: NDArray[np.floating]) -> NDArray[np.float32]:
        """Give each pixel what `table` [values] says of its value, as float32 [height, width]."""
        pixels = np.empty(self._places.shape, dtype=np.float32)
        entries = table.astype(np.float32)
        for start in range(0, len(pixels), STRIP_ROWS):
            rows = slice(start, start + STRIP_ROWS)
            # All places are within the table; "clip" is what lets NumPy write into `out` directly.
            np.take(entries, self._places[rows], out=pixels[rows], mode="clip")
        return pixels
