"""Decodes masks that are written as runs of pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from data_cards.study import CorpusError

MOST_PIXELS = 1 << 28
"""A chest X-ray has a sixteenth of that; a larger size in a table is damage, or an attack."""


def decode_runs(text: str, height: int, width: int) -> NDArray[np.bool_]:
    """Decode `start length start length …` to a mask [height, width].

    Pixels are counted from 1, row by row from the top left, as CheXmask's published encoder does
    (Gaggion et al. 2024). Empty text is an empty mask. Raises CorpusError where there is half a
    pair, a word that is no whole number, or a run that is empty, overlaps or leaves the image.
    """
    if height < 1 or width < 1 or height * width > MOST_PIXELS:
        raise CorpusError(f"a mask of {height} by {width} pixels; expected the size of an image")
    try:
        numbers = np.array(text.split(), dtype=np.int64)
    except (ValueError, OverflowError):
        raise CorpusError("runs of a mask that are no whole numbers") from None
    if len(numbers) % 2:
        raise CorpusError(f"runs of a mask: {len(numbers)} numbers; expected pairs")
    starts, lengths = numbers[::2] - 1, numbers[1::2]
    ends = starts + lengths
    if (lengths < 1).any() or (starts[1:] < ends[:-1]).any():
        raise CorpusError("runs of a mask that are empty or overlap")
    if len(starts) and (starts[0] < 0 or ends[-1] > height * width):
        raise CorpusError(f"runs of a mask that leave its {height} by {width} pixels")
    # A step up where a run starts and down behind its end; runs that touch cancel out.
    steps = np.zeros(height * width + 1, np.int8)
    np.add.at(steps, starts, 1)
    np.add.at(steps, ends, -1)
    return np.cumsum(steps[:-1], dtype=np.int8).astype(np.bool_).reshape(height, width)
