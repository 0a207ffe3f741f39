"""How sure a metric is: bootstrap intervals that draw whole patients, for one model or two.

Images of one patient are alike, so patients are drawn with replacement, never images (the
cluster bootstrap; Field and Welsh 2007, J. R. Stat. Soc. B 69:369). Drawing is counting: a
resample is one whole-number weight per patient, so nothing is copied and every metric is a
weighted one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from vision.finding_metrics import check_findings, weighted_finding_metrics
from vision.metrics import MetricsError, check_severity, weighted_severity_metrics
from vision.weighted_metrics import FloatArray

COVERAGE = 0.95
MOST_UNDEFINED = 0.1
"""A metric that more than this share of the resamples leaves undefined has no interval."""

RESAMPLE_BLOCK_VALUES = 1 << 22
"""Weights held at a time (32 MiB): resamples are worked off in blocks of this many values."""


class Interval(NamedTuple):
    """A value with its 95 % percentile interval, on `n` images of `clusters` patients."""

    value: float
    low: float
    high: float
    n: int
    clusters: int


def severity_intervals(
    probabilities: ArrayLike,
    levels: ArrayLike,
    patients: Sequence[Hashable],
    *,
    seed: int,
    resamples: int = 1000,
) -> dict[str, Interval | None]:
    """Give every metric of `severity_metrics` with its patient-clustered interval.

    probabilities: [n, 4]; levels: [n]; patients: n ids. None stands for a metric that the
    sample, or more than a tenth of the resamples, does not define: too few patients have one
    of its grades. The calibration errors are biased upwards by resampling, so their value may
    lie near the lower end.
    """
    p, y = check_severity(probabilities, levels)
    return bootstrap(
        lambda weights: weighted_severity_metrics(p, y, weights),
        patients,
        images=len(y),
        seed=seed,
        resamples=resamples,
    )


def paired_differences(
    first: ArrayLike,
    second: ArrayLike,
    levels: ArrayLike,
    patients: Sequence[Hashable],
    *,
    seed: int,
    resamples: int = 1000,
) -> dict[str, Interval | None]:
    """Give first − second of every severity metric, both models on the same drawn patients.

    first, second: [n, 4], the same images in the same order. An interval without zero in it
    is a difference that the choice of test patients does not explain. It says nothing about
    another training seed.
    """
    p, y = check_severity(first, levels)
    q, _ = check_severity(second, levels)

    def difference(weights: FloatArray) -> dict[str, FloatArray]:
        ours = weighted_severity_metrics(p, y, weights)
        theirs = weighted_severity_metrics(q, y, weights)
        return {name: ours[name] - theirs[name] for name in ours}

    return bootstrap(difference, patients, images=len(y), seed=seed, resamples=resamples)


def finding_intervals(
    probabilities: ArrayLike,
    labels: ArrayLike,
    names: Sequence[str],
    patients: Sequence[Hashable],
    *,
    seed: int,
    resamples: int = 1000,
) -> dict[str, dict[str, Interval | None]]:
    """Give the metrics of each finding with their intervals, on its labelled images alone.

    probabilities: [n, k]; labels: [n, k] of 1, 0 or NaN; names: k; patients: n ids. None as in
    `severity_intervals`.
    """
    p, t = check_findings(probabilities, labels, names)
    intervals = {}
    for column, name in enumerate(names):
        rows = np.flatnonzero(~np.isnan(t[:, column]))
        scores, positive = p[rows, column], t[rows, column] > 0
        intervals[name] = bootstrap(
            partial(weighted_finding_metrics, scores, positive),
            [patients[row] for row in rows.tolist()],
            images=len(rows),
            seed=seed,
            resamples=resamples,
        )
    return intervals


def paired_finding_differences(
    first: ArrayLike,
    second: ArrayLike,
    labels: ArrayLike,
    patients: Sequence[Hashable],
    *,
    seed: int,
    resamples: int = 1000,
) -> dict[str, Interval | None]:
    """Give first − second of every metric of one finding on the same drawn patients.

    first, second: probabilities [n]; labels: [n] of 1, 0 or NaN (left out).
    """
    p, t = check_findings(np.asarray(first)[:, None], np.asarray(labels)[:, None], ["first"])
    q, _ = check_findings(np.asarray(second)[:, None], t, ["second"])
    rows = np.flatnonzero(~np.isnan(t[:, 0]))
    positive = t[rows, 0] > 0

    def difference(weights: FloatArray) -> dict[str, FloatArray]:
        ours = weighted_finding_metrics(p[rows, 0], positive, weights)
        theirs = weighted_finding_metrics(q[rows, 0], positive, weights)
        return {name: ours[name] - theirs[name] for name in ours}

    known = [patients[row] for row in rows.tolist()]
    return bootstrap(difference, known, images=len(rows), seed=seed, resamples=resamples)


def bootstrap(
    statistic: Callable[[FloatArray], dict[str, FloatArray]],
    patients: Sequence[Hashable],
    *,
    images: int,
    seed: int,
    resamples: int,
) -> dict[str, Interval | None]:
    """Give each value of a weighted statistic with its patient-clustered interval.

    statistic: from weights [b, images] to values [b] by name, NaN where undefined. Raises
    MetricsError unless there is one patient id per image.
    """
    if len(patients) != images:
        raise MetricsError(f"{images} images but {len(patients)} patient ids")
    codes = number_patients(patients)
    clusters = int(codes.max(initial=-1)) + 1
    point = statistic(np.ones((1, images)))
    drawn: dict[str, list[FloatArray]] = {name: [] for name in point}
    for weights in _draw_weights(codes, clusters, seed=seed, resamples=resamples):
        for name, values in statistic(weights).items():
            drawn[name].append(values)
    return {name: _interval(float(point[name][0]), drawn[name], images, clusters) for name in point}


def draw_one_per_patient(patients: Sequence[Hashable], *, seed: int) -> np.ndarray:
    """Draw the row of one image of each patient; rows rise.

    Guarantees that hold for independent images (conformal sets, risk limits) need it: images
    of one patient are not independent, those of different patients are (Dunn et al. 2023).
    """
    order = np.random.default_rng(seed).permutation(len(patients))
    _, first = np.unique(number_patients(patients)[order], return_index=True)
    return np.sort(order[first])


def number_patients(patients: Sequence[Hashable]) -> np.ndarray:
    """Number the patients 0, 1, … in the order in which they first occur; one number per image."""
    numbers = {patient: number for number, patient in enumerate(dict.fromkeys(patients))}
    return np.array([numbers[patient] for patient in patients], dtype=np.int64)


def _draw_weights(
    codes: np.ndarray, clusters: int, *, seed: int, resamples: int
) -> Iterator[FloatArray]:
    if not clusters:
        return
    generator = np.random.default_rng(seed)
    block = max(1, RESAMPLE_BLOCK_VALUES // len(codes))
    shares = np.full(clusters, 1 / clusters)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        counts = generator.multinomial(clusters, shares, size=size).astype(np.float64)
        yield counts[:, codes]


def _interval(value: float, drawn: list[FloatArray], images: int, clusters: int) -> Interval | None:
    values = np.concatenate(drawn) if drawn else np.empty(0)
    undefined = np.isnan(values)
    if np.isnan(value) or not len(values) or undefined.mean() > MOST_UNDEFINED:
        return None
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(values[~undefined], (tail, 1 - tail))
    return Interval(value, float(low), float(high), images, clusters)
