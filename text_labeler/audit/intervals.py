"""Bounds for one stratum, and the tables of how many reads a bound needs."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import betaln, gammaln

CONFIDENCE = 0.95
PROVABLE_RATES = (0.1, 0.05, 0.03, 0.02, 0.01, 0.005)


class Bounds(NamedTuple):
    """The two ends of an interval."""

    lower: float
    upper: float


def wilson(hits: int, reads: int, confidence: float = CONFIDENCE) -> Bounds:
    """Return Wilson's interval (1927) of a share; without reads it is 0 to 1."""
    if not reads:
        return Bounds(0.0, 1.0)
    z = float(stats.norm.ppf((1 + confidence) / 2))
    share = hits / reads
    shrunk = 1 + z * z / reads
    centre = (share + z * z / (2 * reads)) / shrunk
    half = z * math.sqrt(share * (1 - share) / reads + (z / (2 * reads)) ** 2) / shrunk
    return Bounds(max(0.0, centre - half), min(1.0, centre + half))


def bound_errors(errors: int, reads: int, population: int, confidence: float = CONFIDENCE) -> int:
    """Return the one-sided upper bound of the errors in a population (exact, hypergeometric).

    It is the largest number of errors with which so few would be found in `reads` drawn without
    replacement, more often than 1 − `confidence`.
    """
    low, high = errors, population - (reads - errors)
    while low < high:
        middle = (low + high + 1) // 2
        if stats.hypergeom.cdf(errors, population, middle, reads) > 1 - confidence:
            low = middle
        else:
            high = middle - 1
    return low


def count_clean_reads(
    rate: float, population: int | None = None, confidence: float = CONFIDENCE
) -> int:
    """Return how many reads without one error prove an error rate of at most `rate`.

    population: how many studies there are in all; None for a population without end.
    """
    if population is None:
        return math.ceil(math.log(1 - confidence) / math.log(1 - rate))
    low, high = 1, population
    while low < high:
        middle = (low + high) // 2
        if bound_errors(0, middle, population, confidence) <= rate * population:
            high = middle
        else:
            low = middle + 1
    return low


def count_reads_for_width(share: float, half_width: float) -> int:
    """Return the reads that give Wilson's interval this half-width when `share` of them hit.

    The hits are rounded to a whole number; five reads are the fewest.
    """
    reads = 5
    while True:
        lower, upper = wilson(round(share * reads), reads)
        if (upper - lower) / 2 <= half_width:
            return reads
        reads += 1


def weigh_evidence(
    hits: int, reads: int, population: int, prior: tuple[float, float] = (1.0, 1.0)
) -> tuple[int, NDArray[np.float64]]:
    """Return how strongly reads speak against each possible number of hits in a population.

    The logarithm of prior over posterior (Waudby-Smith and Ramdas 2020, sampling without
    replacement), for the numbers from the first element of the result on; all others are
    impossible. At the true number its exponential is a supermartingale that starts at 1 while
    reads come in, whatever the prior Beta(a, b). It is convex.
    """
    a, b = prior
    numbers = np.arange(hits, population - (reads - hits) + 1)
    unread = numbers - hits
    cancelled = betaln(a + hits, b + reads - hits) - betaln(a, b)
    return hits, (
        _log_choose(population, numbers)
        - _log_choose(population - reads, unread)
        + float(cancelled)
    )


def bound_always(
    hits: int,
    reads: int,
    population: int,
    confidence: float = CONFIDENCE,
    prior: tuple[float, float] = (1.0, 1.0),
) -> tuple[int, int]:
    """Return bounds of the hits in a population that hold however often one looks."""
    start, against = weigh_evidence(hits, reads, population, prior)
    kept = np.flatnonzero(against < -math.log(1 - confidence))
    return start + int(kept[0]), start + int(kept[-1])


def _log_choose(total: int, part: NDArray[np.intp]) -> NDArray[np.float64]:
    return np.asarray(gammaln(total + 1) - gammaln(part + 1) - gammaln(total - part + 1))
