"""X-rays as the viewer wants them: stored values of 16 bits, and how their file shows them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

CACHE_BYTES = 256 << 20
"""Pictures kept decoded: the one that is read, its lateral, and those of the next items."""


class Picture(Protocol):
    """One X-ray before any window.

    A pixel's value is slope × pixel + intercept; the window is in values. inverted: MONOCHROME1,
    whose least values are white. padding: pixels (not values) that are no image, both included.
    """

    @property
    def pixels(self) -> NDArray[np.uint16]:
        """Stored pixels [rows, columns]."""

    @property
    def slope(self) -> float:
        """What a step of one pixel value is worth."""

    @property
    def intercept(self) -> float:
        """The value of a pixel of 0."""

    @property
    def window(self) -> tuple[float, float]:
        """Centre and width, in values."""

    @property
    def curve(self) -> str:
        """LINEAR, LINEAR_EXACT or SIGMOID (DICOM PS3.3 C.11.2.1.2)."""

    @property
    def inverted(self) -> bool:
        """Whether the least values are shown white."""

    @property
    def padding(self) -> tuple[int, int] | None:
        """First and last of the pixel values that are no image."""


ReadPicture = Callable[[Path], Picture]


class Pictures:
    """Reads pictures, and keeps the last of them decoded; safe for threads."""

    def __init__(self, read: ReadPicture, *, cache_bytes: int = CACHE_BYTES) -> None:
        self._read = read
        self._left = cache_bytes
        self._kept: OrderedDict[Path, Picture] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, path: Path) -> Picture:
        """Return a picture; raises what the reader raises for a file that is none."""
        with self._lock:
            if path in self._kept:
                self._kept.move_to_end(path)
                return self._kept[path]
        picture = self._read(path)
        with self._lock:
            if path not in self._kept:
                self._kept[path] = picture
                self._left -= picture.pixels.nbytes
            while self._left < 0 and len(self._kept) > 1:
                self._left += self._kept.popitem(last=False)[1].pixels.nbytes
        return picture


def describe_picture(picture: Picture) -> dict[str, object]:
    """Return what the viewer must know of a picture, as JSON: nothing that names a patient."""
    rows, columns = picture.pixels.shape
    return {
        "rows": rows,
        "columns": columns,
        "slope": picture.slope,
        "intercept": picture.intercept,
        "center": picture.window[0],
        "width": picture.window[1],
        "curve": picture.curve,
        "inverted": picture.inverted,
        "padding": picture.padding,
        "least": int(picture.pixels.min()),
        "greatest": int(picture.pixels.max()),
    }


def shrink(pixels: NDArray[np.uint16], side: int) -> NDArray[np.uint16]:
    """Return pixels of which no side is longer than `side`: means of whole blocks, as stored."""
    step = -(-max(pixels.shape) // side)
    rows, columns = (max(1, length // step) for length in pixels.shape)
    if step == 1:
        return pixels
    total = np.zeros((rows, columns), dtype=np.uint32)
    for row in range(min(step, pixels.shape[0])):
        for column in range(min(step, pixels.shape[1])):
            total += pixels[row::step, column::step][:rows, :columns]
    blocks = min(step, pixels.shape[0]) * min(step, pixels.shape[1])
    means: NDArray[np.uint16] = (total // blocks).astype(np.uint16)
    return means
