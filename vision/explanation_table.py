"""Heatmaps beside baselines that look at nothing: means, differences and who is better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vision.intervals import Interval, bootstrap

HEATMAP = "heatmap"
DELETION, INSERTION = "deletion", "insertion"
LOWER_IS_BETTER = frozenset({DELETION})
Values = Mapping[str, NDArray[np.float64]]
"""One value per image, NaN where it has none, by the map or the baseline it is of."""


class Comparison(NamedTuple):
    """A check of the heatmaps beside one baseline, on the same images.

    `difference` is heatmap − baseline on the images that have both. `wins` is the share of
    images on which the heatmap is better, ties half.
    """

    check: str
    baseline: str
    heatmap: Interval | None
    against: Interval | None
    difference: Interval | None
    wins: float | None

    @property
    def verdict(self) -> str:
        """Say better, worse or "no different": is zero in the difference's interval?"""
        if self.difference is None:
            return "undefined"
        low, high = self.difference.low, self.difference.high
        if low <= 0 <= high:
            return "no different"
        return "better" if (low > 0) != (self.check in LOWER_IS_BETTER) else "worse"


def compare(
    checks: Mapping[str, Values], patients: Sequence[str], *, seed: int, resamples: int
) -> tuple[Comparison, ...]:
    """Put the values of `heatmap` beside those of every other source, check by check."""
    rows = []
    for check, sources in checks.items():
        heatmap = sources[HEATMAP]
        baselines = {name: values for name, values in sources.items() if name != HEATMAP}
        means = mean_intervals(sources, patients, seed=seed, resamples=resamples)
        gaps = {name: heatmap - values for name, values in baselines.items()}
        differences = mean_intervals(gaps, patients, seed=seed, resamples=resamples)
        for name, gap in gaps.items():
            wins = _count_wins(-gap if check in LOWER_IS_BETTER else gap)
            rows.append(
                Comparison(check, name, means[HEATMAP], means[name], differences[name], wins)
            )
    return tuple(rows)


def mean_intervals(
    values: Values, patients: Sequence[str], *, seed: int, resamples: int
) -> dict[str, Interval | None]:
    """Give the mean over the images that have a value, with its patient-clustered interval."""

    def means(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        return {name: _weighted_mean(weights, value) for name, value in values.items()}

    return bootstrap(means, patients, images=len(patients), seed=seed, resamples=resamples)


def _weighted_mean(
    weights: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    known = ~np.isnan(values)
    total = weights[:, known].sum(axis=1)
    mean = np.full(len(weights), np.nan)
    np.divide(weights[:, known] @ values[known], total, out=mean, where=total > 0)
    return mean


def _count_wins(gap: NDArray[np.float64]) -> float | None:
    known = gap[~np.isnan(gap)]
    return float((known > 0).mean() + (known == 0).mean() / 2) if known.size else None
