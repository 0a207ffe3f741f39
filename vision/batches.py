"""Which rows make up each global batch of an epoch: a function of seed and epoch alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from configs.settings import Settings

Rows = NDArray[np.int64]


class BatchSettings(Settings):
    """How global batches are made up; no number here depends on how many processes run.

    size: rows in a global batch, over all processes. labelled_share: the part of each batch
    that has a severity label; null deals all rows alike, each once per epoch.
    """

    size: int = Field(64, ge=1)
    labelled_share: float | None = Field(None, gt=0, lt=1)


def plan_batches(
    labelled: Rows, unlabelled: Rows, settings: BatchSettings, *, seed: int, epoch: int
) -> list[Rows]:
    """Deal the rows of one epoch into global batches.

    Without `labelled_share` (or without rows of one kind) every row comes once and the last
    batch may be smaller. With it each batch holds that share of labelled rows, whole batches
    only, and the epoch ends when every row was seen at least once; the kind that runs out
    first starts over in a new order, going on where the epoch before stopped.
    """
    if settings.labelled_share is None or not len(labelled) or not len(unlabelled):
        rows = np.concatenate([labelled, unlabelled])
        order = np.random.default_rng((seed, epoch)).permutation(len(rows))
        return [rows[order[i : i + settings.size]] for i in range(0, len(rows), settings.size)]
    wanted = min(max(round(settings.size * settings.labelled_share), 1), settings.size - 1)
    sizes = (min(wanted, len(labelled)), settings.size - min(wanted, len(labelled)))
    pools = (labelled, unlabelled)
    count = max(-(-len(pool) // size) for pool, size in zip(pools, sizes, strict=True))
    dealt = [
        _deal(pool, epoch * count * size, count * size, (seed, kind)).reshape(count, size)
        for kind, (pool, size) in enumerate(zip(pools, sizes, strict=True))
    ]
    return list(np.concatenate(dealt, axis=1))


def _deal(pool: Rows, start: int, count: int, seed: tuple[int, int]) -> Rows:
    """Give places `start` to `start + count` of an endless row of reshuffled passes."""
    first, last = start // len(pool), (start + count - 1) // len(pool)
    passes = [
        pool[np.random.default_rng((*seed, number)).permutation(len(pool))]
        for number in range(first, last + 1)
    ]
    offset = start - first * len(pool)
    return np.concatenate(passes)[offset : offset + count]
