"""Values and paired differences over seeds, with intervals that draw patients and seeds anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vision.intervals import Interval, bootstrap
from vision.metrics import weighted_severity_metrics
from vision.weighted_metrics import FloatArray

Floats = NDArray[np.float64]

SHOWN = ("auc_0v123", "auc_01v23", "auc_012v3", "macro_f1", "quadratic_kappa", "ece", "over_call")


class Contrast(NamedTuple):
    """The difference first − second of two groups of runs with the same seeds."""

    first: str
    second: str

    @property
    def name(self) -> str:
        """How it is called in the result: `full − shuffled`."""
        return f"{self.first} − {self.second}"


@dataclass(frozen=True)
class Judged:
    """One group's runs: an arm in a scenario, one run per seed.

    probabilities: per seed, [images, 4]. images: which of the test images count; all by default.
    """

    probabilities: Mapping[int, Floats]
    images: NDArray[np.bool_] | None = None


def estimate(
    groups: Mapping[str, Judged],
    contrasts: Sequence[Contrast],
    levels: NDArray[np.int64],
    patients: Sequence[str],
    *,
    seed: int,
    resamples: int,
) -> dict[str, dict[str, Interval | None]]:
    """Give SHOWN metrics of each group and contrast, as means over seeds with 95 % intervals.

    levels, patients: of all test images. Each resample draws whole patients and, apart from
    them, as many seeds as there are, both with replacement and the same for all groups; an
    interval so holds the choice of test patients and the training seed (labels drawn, noise,
    initial weights). With few seeds their part is too small by about (n − 1) / n.
    """
    seeds = sorted({number for group in groups.values() for number in group.probabilities})

    def statistic(weights: FloatArray) -> dict[str, FloatArray]:
        shares = _draw_seeds(weights, seeds, seed)
        values = {name: _measure(group, levels, weights, shares) for name, group in groups.items()}
        for contrast in contrasts:
            first, second = values[contrast.first], values[contrast.second]
            values[contrast.name] = {metric: first[metric] - second[metric] for metric in SHOWN}
        return {
            f"{name}|{metric}": value
            for name, metrics in values.items()
            for metric, value in metrics.items()
        }

    flat = bootstrap(statistic, patients, images=len(levels), seed=seed, resamples=resamples)
    nested: dict[str, dict[str, Interval | None]] = {}
    for key, interval in flat.items():
        name, metric = key.rsplit("|", 1)
        nested.setdefault(name, {})[metric] = interval
    return nested


def seed_values(group: Judged, levels: NDArray[np.int64], metric: str) -> dict[int, float]:
    """Give a metric of each seed's run."""
    everything = np.ones((1, len(levels)))
    shares = {seed: np.ones(1) for seed in group.probabilities}
    return {
        seed: float(
            _measure(Judged({seed: probabilities}, group.images), levels, everything, shares)[
                metric
            ][0]
        )
        for seed, probabilities in group.probabilities.items()
    }


def _draw_seeds(weights: FloatArray, seeds: Sequence[int], seed: int) -> dict[int, FloatArray]:
    """Give how often each resample has each seed; once each where no patient is drawn anew."""
    if len(weights) == 1 and (weights == 1).all():
        return {number: np.ones(1) for number in seeds}
    # The weights name the block of resamples: every block then draws other seeds.
    key = int(weights[:, 0] @ np.arange(1, len(weights) + 1))
    generator = np.random.default_rng((seed, key))
    counts = generator.multinomial(len(seeds), [1 / len(seeds)] * len(seeds), size=len(weights))
    return {number: counts[:, place].astype(float) for place, number in enumerate(seeds)}


def _measure(
    group: Judged,
    levels: NDArray[np.int64],
    weights: FloatArray,
    shares: Mapping[int, FloatArray],
) -> dict[str, FloatArray]:
    kept = slice(None) if group.images is None else np.flatnonzero(group.images)
    sums = {metric: np.zeros(len(weights)) for metric in SHOWN}
    count = np.zeros(len(weights))
    for number, probabilities in group.probabilities.items():
        values = weighted_severity_metrics(probabilities[kept], levels[kept], weights[:, kept])
        count += shares[number]
        for metric in SHOWN:
            sums[metric] += shares[number] * values[metric]
    # A resample may have drawn none of the few seeds that a curve has.
    return {
        metric: np.divide(total, count, out=np.full(len(weights), np.nan), where=count > 0)
        for metric, total in sums.items()
    }
