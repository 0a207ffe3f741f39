"""Find images that are nearly the same, mirrored and inverted ones too, in large collections.

The hash is the perceptual hash of Zauner (2010) with 256 bits: the signs of the 16 x 16 lowest
coefficients of the cosine transform of the image at 64 x 64. Signs, and not comparisons with
their median, since mirroring then flips exactly the odd columns and inverting flips all of them:
one hash holds all four variants, and with e and o the products of even and odd columns of two
hashes of ±1, the smallest distance of any variants is (bits - |e| - |o|) / 2. Pairs that are
close by their hashes are then laid over each other (`alignment.py`): chests are alike.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from data_cards.alignment import THUMBNAIL_SIDE, Thumbnails, measure_likeness

HASH_SIDE = 16
BITS = HASH_SIDE * HASH_SIDE - 1
"""The mean of the image is no sign, so 255 of the 256 carry one."""
FARTHEST = BITS // 2
"""Of four variants, one is never farther than this."""

NEAR_DISTANCE = 64
"""Images whose hashes differ in at most this many bits are laid over each other; of pairs of
different real chests it is one in ten thousand (docs/trust_report.md)."""
NEAR_LIKENESS = 0.92
"""Correlation of two images laid over each other from which on they are near duplicates: other
patients' drawn chests, which are more alike than real ones, come up to 0.904."""
CLOSE_DISTANCE, CLOSE_MARGIN = 32, 0.04
"""Hashes this close are evidence of their own, so that a little less likeness will do."""

MOST_CANDIDATES = 100_000
"""Of more pairs only the closest are laid over each other: a millisecond each."""

DECODE_ERRORS = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error),
    Image.DecompressionBombError,
)
"""What Pillow raises for damaged files: its PNG reader a SyntaxError for a broken chunk."""
FLAT_RANGE = 8
"""An image of fewer grey levels shows nothing that could be recognised."""
BLOCK = 2048
READING_THREADS = 4

Grey = NDArray[np.uint8]
Numbers = NDArray[np.int64]


class PrintError(ValueError):
    """An array that is no grey image."""


class ImagePrints(NamedTuple):
    """What images are recognised by: hashes int8 [n, 256] of ±1, thumbnails uint8 [n, 64, 64].

    An image without contrast, or that could not be read, has a hash of 0: it resembles nothing.
    """

    hashes: NDArray[np.int8]
    thumbnails: Thumbnails


@dataclass(frozen=True)
class NearDuplicates:
    """Pairs of rows (first < second) that are nearly the same image, and the groups they form.

    distance: bits that differ; likeness: correlation when laid over each other. groups: the rows
    that hang together, the largest group first. histogram: of all pairs of images, how many lie
    at each distance from 0 to 127; calibrate on it when images are of another kind.
    """

    first: Numbers
    second: Numbers
    distance: Numbers
    likeness: NDArray[np.float64]
    groups: tuple[tuple[int, ...], ...]
    histogram: Numbers


def take_prints(images: Iterable[Grey]) -> ImagePrints:
    """Take the prints of grey images, uint8 [height, width] each, of any size."""
    return _stack([_take_print(pixels) for pixels in images])


def read_prints(paths: Sequence[Path]) -> tuple[ImagePrints, list[Path]]:
    """Decode PNG and JPEG files and take their prints; also give the files that cannot be read."""
    with ThreadPoolExecutor(READING_THREADS) as threads:
        found = threads.map(_try_print, paths)
        bar = tqdm(found, total=len(paths), desc="print images", unit="image", disable=None)
        prints = list(bar)
    unreadable = [path for path, found in zip(paths, prints, strict=True) if found is None]
    return _stack([_blank() if found is None else found for found in prints]), unreadable


def read_grey(path: Path) -> Grey:
    """Decode a PNG or JPEG to 8-bit grey, not larger than needed; raises one of DECODE_ERRORS."""
    with Image.open(path) as image:
        image.draft("L", (THUMBNAIL_SIDE * 4, THUMBNAIL_SIDE * 4))
        if not image.mode.startswith(("I", "F")):
            return np.asarray(image.convert("L"))
        deep = np.asarray(image, np.float32)
    span = max(float(deep.max() - deep.min()), 1.0)
    grey: Grey = ((deep - deep.min()) * (255 / span)).astype(np.uint8)
    return grey


def find_near_duplicates(
    prints: ImagePrints, *, distance: int = NEAR_DISTANCE, likeness: float = NEAR_LIKENESS
) -> NearDuplicates:
    """Hold every image against every other and give the pairs that are nearly the same.

    The rows are images, wherever they come from: put corpora behind each other to compare them.
    Two matrix products per block of pairs, and memory for one block at a time.
    """
    first, second, apart, histogram = compare_hashes(prints.hashes, distance)
    if len(apart) > MOST_CANDIDATES:
        closest = np.sort(np.argsort(apart, kind="stable")[:MOST_CANDIDATES])
        first, second, apart = first[closest], second[closest], apart[closest]
    alike = measure_likeness(prints.thumbnails, first, second)
    keep = alike >= likeness - CLOSE_MARGIN * (apart <= CLOSE_DISTANCE)
    first, second = first[keep], second[keep]
    return NearDuplicates(
        first,
        second,
        apart[keep],
        alike[keep],
        group_pairs(first, second, len(prints.hashes)),
        histogram,
    )


def compare_hashes(
    hashes: NDArray[np.int8], distance: int
) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Give the pairs at most `distance` bits apart (first, second, bits), and the histogram."""
    found = [(np.zeros(0, np.int64),) * 3]
    histogram = np.zeros(FARTHEST + 1, np.int64)
    for start, other, apart, is_pair in _compare_blocks(hashes):
        histogram += np.bincount(apart[is_pair], minlength=FARTHEST + 1)
        rows, columns = np.nonzero((apart <= distance) & is_pair)
        found.append((rows + start, columns + other, apart[rows, columns].astype(np.int64)))
    first, second, bits = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return first, second, bits, histogram


def group_pairs(first: Numbers, second: Numbers, images: int) -> tuple[tuple[int, ...], ...]:
    """Join pairs into groups of rows that hang together, the largest first."""
    links = coo_array((np.ones(len(first), bool), (first, second)), (images, images))
    _, groups = connected_components(links, directed=False)
    order = np.argsort(groups, kind="stable")
    ends = np.flatnonzero(np.diff(groups[order])) + 1
    parts = [tuple(part.tolist()) for part in np.split(order, ends) if len(part) > 1]
    return tuple(sorted(parts, key=len, reverse=True))


def describe_distances(histogram: Numbers, *, width: int = 8) -> str:
    """Put the histogram of distances into lines of `width` bits each, with a bar."""
    starts = range(0, len(histogram), width)
    counts = [int(histogram[start : start + width].sum()) for start in starts]
    most = np.log1p(max(counts, default=0)) or 1
    lines = []
    for start, count in zip(starts, counts, strict=True):
        bar = "#" * round(40 * np.log1p(count) / most)
        lines.append(f"{start:>4} to {start + width - 1:>3}{count:>16,}  {bar}")
    return "\n".join(lines)


def _take_print(pixels: Grey) -> tuple[NDArray[np.int8], Grey]:
    if pixels.ndim != 2 or pixels.dtype != np.uint8 or not pixels.size:
        raise PrintError(f"{pixels.dtype} {pixels.shape} is no grey image; expected uint8 [h, w]")
    shown = _strip_border(pixels)
    if int(shown.max()) - int(shown.min()) < FLAT_RANGE:
        return _blank()
    side = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    small = np.asarray(Image.fromarray(shown).resize(side, Image.Resampling.BOX))
    waves = dctn(small.astype(np.float32), norm="ortho")[:HASH_SIDE, :HASH_SIDE]
    signs = np.where(waves >= 0, 1, -1).astype(np.int8)
    signs[0, 0] = 0
    return signs.ravel(), small


def _try_print(path: Path) -> tuple[NDArray[np.int8], Grey] | None:
    try:
        return _take_print(read_grey(path))
    except DECODE_ERRORS:
        return None


def _blank() -> tuple[NDArray[np.int8], Grey]:
    sides = (THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    return np.zeros(HASH_SIDE * HASH_SIDE, np.int8), np.zeros(sides, np.uint8)


def _stack(prints: Sequence[tuple[NDArray[np.int8], Grey]]) -> ImagePrints:
    hashes = np.zeros((len(prints), HASH_SIDE * HASH_SIDE), np.int8)
    thumbnails = np.zeros((len(prints), THUMBNAIL_SIDE, THUMBNAIL_SIDE), np.uint8)
    for row, (signs, small) in enumerate(prints):
        hashes[row], thumbnails[row] = signs, small
    return ImagePrints(hashes, thumbnails)


def _strip_border(pixels: Grey) -> Grey:
    """Leave out rows and columns of one grey level at the edges: padding is no picture."""
    tall, wide = (np.ptp(pixels, axis=axis) >= FLAT_RANGE for axis in (1, 0))
    if not tall.any() or not wide.any():
        return pixels
    rows, columns = np.flatnonzero(tall), np.flatnonzero(wide)
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _compare_blocks(
    hashes: NDArray[np.int8],
) -> Iterator[tuple[int, int, NDArray[np.int16], NDArray[np.bool_]]]:
    """Give, block by block, where it starts, the distances, and which of them are pairs."""
    # ±1 in single precision: products are whole numbers below 2²⁴, so they are exact.
    columns = np.arange(hashes.shape[1]) % HASH_SIDE % 2
    even, odd = (hashes[:, columns == side].astype(np.float32) for side in (0, 1))
    seen: NDArray[np.bool_] = np.asarray(hashes.any(axis=1))
    for start in range(0, len(hashes), BLOCK):
        rows = slice(start, start + BLOCK)
        for other in range(start, len(hashes), BLOCK):
            beside = slice(other, other + BLOCK)
            likeness = np.abs(even[rows] @ even[beside].T)
            likeness += np.abs(odd[rows] @ odd[beside].T)
            apart = np.clip((BITS - likeness) / 2, 0, FARTHEST).astype(np.int16)
            is_pair = seen[rows, None] & seen[None, beside]
            if start == other:
                is_pair &= np.triu(np.ones_like(is_pair), 1)
            yield start, other, apart, is_pair
