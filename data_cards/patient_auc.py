"""How well scores tell classes apart: AUC one against the rest, with intervals over patients."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

COVERAGE = 0.95
MOST_UNDEFINED = 0.1
"""A value that more of the resamples leave undefined has no interval, and is not given."""
WEIGHTS_AT_ONCE = 1 << 21

Floats = NDArray[np.float64]


class AucInterval(NamedTuple):
    """A macro AUC with its 95 % percentile interval, on `images` of `patients`; AUC by class."""

    value: float
    low: float
    high: float
    images: int
    patients: int
    by_class: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def measure_auc(
    scores: Floats,
    labels: NDArray[np.int64],
    patients: Sequence[Hashable],
    *,
    strata: Sequence[Hashable] | None = None,
    seed: int,
    resamples: int = 1000,
) -> AucInterval | None:
    """Give the mean over classes of the AUC of each against the rest.

    scores: [n, k]; labels: class numbers [n]. strata: only images of the same stratum are held
    against each other, so that what tells strata apart counts for nothing. Patients are drawn
    with replacement (Field and Welsh 2007). Of two classes the second alone is scored. None
    where a class has no image, or too few patients for an interval.
    """
    groups = _number(["" for _ in labels] if strata is None else strata)
    codes = _number(patients)
    count = int(codes.max(initial=-1)) + 1
    classes = range(scores.shape[1]) if scores.shape[1] > 2 else range(1, 2)
    point = _auc_by_class(scores, labels, groups, np.ones((1, len(labels))), classes)[0]
    if not count or np.isnan(point).any():
        return None
    generator = np.random.default_rng(seed)
    drawn = []
    at_once = max(1, WEIGHTS_AT_ONCE // len(labels))
    for start in range(0, resamples, at_once):
        size = min(at_once, resamples - start)
        weights = generator.multinomial(count, np.full(count, 1 / count), size=size)[:, codes]
        found = _auc_by_class(scores, labels, groups, weights.astype(np.float64), classes)
        drawn.append(found.mean(axis=1))
    values = np.concatenate(drawn)
    if np.isnan(values).mean() > MOST_UNDEFINED:
        return None
    tail = (1 - COVERAGE) / 2
    low, high = np.nanquantile(values, (tail, 1 - tail))
    return AucInterval(
        float(point.mean()), float(low), float(high), len(labels), count, tuple(point.tolist())
    )


def _auc_by_class(
    scores: Floats,
    labels: NDArray[np.int64],
    strata: NDArray[np.int64],
    weights: Floats,
    classes: range,
) -> Floats:
    """Give [b, classes]: pairs won of the pairs within strata, NaN where there is no pair."""
    found = []
    for number in classes:
        won, pairs = np.zeros(len(weights)), np.zeros(len(weights))
        for stratum in np.unique(strata):
            rows = np.flatnonzero(strata == stratum)
            more, of = _count_pairs(scores[rows, number], labels[rows] == number, weights[:, rows])
            won, pairs = won + more, pairs + of
        empty = np.full(len(weights), np.nan)
        found.append(np.divide(won, pairs, out=empty, where=pairs > 0))
    return np.stack(found, axis=1)


def _count_pairs(
    scores: Floats, positive: NDArray[np.bool_], weights: Floats
) -> tuple[Floats, Floats]:
    """Count the pairs that the positive one wins, ties half, and all pairs, by weight."""
    _, place = np.unique(scores, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.flatnonzero(np.diff(place[order], prepend=-1))
    above = np.add.reduceat(weights[:, order] * positive[order], starts, axis=1)
    below = np.add.reduceat(weights[:, order] * ~positive[order], starts, axis=1)
    beaten = np.cumsum(below, axis=1) - 0.5 * below
    return (above * beaten).sum(axis=1), above.sum(axis=1) * below.sum(axis=1)


def _number(names: Sequence[Hashable]) -> NDArray[np.int64]:
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], np.int64)
