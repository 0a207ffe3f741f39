"""Which rows make up each global batch of an epoch: a function of seed and epoch alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from configs.settings import Settings

Rows = NDArray[np.int64]

WINDOW_STREAM = 0x3A7
"""Keeps the order of batches within a window apart from other draws of the same seed."""


class BatchSettings(Settings):
    """How global batches are made up; no number here depends on how many processes run.

    size: rows in a global batch, over all processes. labelled_share: the part of each batch
    that has a severity label; null deals all rows alike, each once per epoch, and 1 deals no row
    without one. image_only_share:
    the part that has labels and no report; null counts those among the others, as their labels
    say. length_window: of so many batches each gets reports of like length, so that little is
    padded; 1 leaves the order as it was drawn.
    """

    size: int = Field(64, ge=1)
    labelled_share: float | None = Field(None, gt=0, le=1)
    image_only_share: float | None = Field(None, gt=0, lt=1)
    length_window: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _check_shares(self) -> BatchSettings:
        labelled, image_only = self.labelled_share, self.image_only_share
        if image_only is not None and (labelled is None or labelled + image_only >= 1):
            raise ValueError(
                f"image_only_share {image_only}: expected a labelled_share beside it, and less"
                f" than 1 in sum, found {labelled}"
            )
        kinds = 1 + (labelled not in {None, 1}) + (image_only is not None)
        if self.size < kinds:
            raise ValueError(f"size {self.size}: too small for rows of {kinds} kinds in a batch")
        return self


class Sources(NamedTuple):
    """The rows that an epoch deals: with a severity label, with labels alone, and the others."""

    labelled: Rows
    image_only: Rows
    others: Rows


def plan_batches(
    sources: Sources,
    settings: BatchSettings,
    *,
    seed: int,
    epoch: int,
    lengths: NDArray[np.int64] | None = None,
) -> list[Rows]:
    """Deal the rows of one epoch into global batches.

    Without `labelled_share` (or with rows of one kind alone) every row comes once and the last
    batch may be smaller. With it each batch holds the declared shares, whole batches only, and
    the epoch ends when every row was seen at least once; a kind that runs out starts over in a
    new order, going on where the epoch before stopped; none is repeated to fill a batch, which is
    smaller where there are few rows. lengths: of the report of each row of the corpus, 0 without
    one; `length_window` needs them.
    """
    kinds = _share_out(sources, settings)
    count = max(-(-len(pool) // size) for pool, size in kinds)
    dealt = []
    for kind, (pool, size) in enumerate(kinds):
        if len(kinds) == 1:
            rows = pool[np.random.default_rng((seed, epoch)).permutation(len(pool))]
        else:
            rows = _deal(pool, epoch * count * size, count * size, (seed, kind))
        if lengths is not None and settings.length_window > 1:
            rows = _sort_windows(rows, lengths, size, settings.length_window)
        dealt.append([rows[i * size : (i + 1) * size] for i in range(count)])
    batches = [np.concatenate(parts) for parts in zip(*dealt, strict=True)]
    if lengths is None or settings.length_window == 1:
        return batches
    return _mix_windows(batches, settings.length_window, (seed, epoch, WINDOW_STREAM))


def _share_out(sources: Sources, settings: BatchSettings) -> list[tuple[Rows, int]]:
    """Give each kind of row and how many of it a batch has; the last kind fills it, once over."""
    shares = (settings.labelled_share, settings.image_only_share, None)
    if settings.labelled_share == 1:
        return [(sources.labelled, settings.size)]
    kept = [(pool, share or 0) for pool, share in zip(sources, shares, strict=True) if len(pool)]
    if settings.labelled_share is None or len(kept) < 2:
        return [(np.concatenate(sources), settings.size)]
    kinds: list[tuple[Rows, int]] = []
    room = settings.size
    for after, (pool, share) in zip(range(len(kept) - 1, 0, -1), kept, strict=False):
        # Few rows are not repeated within a batch, and each kind after this one needs a place.
        wanted = min(max(round(settings.size * share), 1), len(pool), room - after)
        kinds.append((pool, wanted))
        room -= wanted
    last = kept[-1][0]
    return [*kinds, (last, min(room, len(last)))]


def _sort_windows(rows: Rows, lengths: NDArray[np.int64], size: int, window: int) -> Rows:
    """Sort the rows of each `window` batches by the length of their report.

    The order among equals stays. A row that a window holds more than once, since there are few
    of its kind, comes in batches beside each other, and not several times in one.
    """
    parts = [rows[i : i + size * window] for i in range(0, len(rows), size * window)]
    return np.concatenate([_sort_window(part, lengths[part], size) for part in parts])


def _sort_window(rows: Rows, lengths: NDArray[np.int64], size: int) -> Rows:
    copies = int(np.unique(rows, return_counts=True)[1].max())
    if copies == 1:
        return rows[np.argsort(lengths, kind="stable")]
    # Copies lie side by side: dealt in turn to as many batches they fall on one each.
    ordered = rows[np.lexsort((rows, lengths))].reshape(-1, size)
    blocks = np.array_split(ordered, max(1, len(ordered) // copies))
    return np.concatenate([block.reshape(size, -1).T.ravel() for block in blocks])


def _mix_windows(batches: list[Rows], window: int, seed: tuple[int, ...]) -> list[Rows]:
    """Mix the batches of each window, so that training does not go from short to long reports."""
    generator = np.random.default_rng(seed)
    mixed = []
    for start in range(0, len(batches), window):
        part = batches[start : start + window]
        mixed += [part[i] for i in generator.permutation(len(part))]
    return mixed


def _deal(pool: Rows, start: int, count: int, seed: tuple[int, int]) -> Rows:
    """Give places `start` to `start + count` of an endless row of reshuffled passes."""
    first, last = start // len(pool), (start + count - 1) // len(pool)
    passes = [
        pool[np.random.default_rng((*seed, number)).permutation(len(pool))]
        for number in range(first, last + 1)
    ]
    offset = start - first * len(pool)
    return np.concatenate(passes)[offset : offset + count]
