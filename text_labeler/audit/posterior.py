"""How many studies of a finite population have something, given a sample of each stratum.

Each stratum has an independent Jeffreys prior; its unread rest is Beta-binomial. Sums over strata
are convolutions, so every quantile is computed and none is drawn: the same reads give the same
numbers. A uniform prior must not be used: half a study more in each stratum is dozens of missed
ones in a stratum of thousands, and recall is then covered in 4 of 5 audits only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve
from scipy.special import betaln, gammaln

JEFFREYS = 0.5
NEGLIGIBLE = 1e-12
"""Mass that is cut from each end of a distribution."""

_SHORT = 64
_BISECTIONS = 48

Array = NDArray[np.float64]


class Tally(NamedTuple):
    """A stratum: its studies, how many were read, and how many of those hit."""

    population: int
    reads: int
    hits: int


@dataclass(frozen=True)
class Count:
    """The distribution of a number of studies: masses of `start`, `start` + 1, …"""

    start: int
    masses: Array

    @property
    def is_known(self) -> bool:
        """Whether there is only one number that it can be."""
        return len(self.masses) == 1

    def find_quantile(self, level: float) -> int:
        """Return the smallest number with at least `level` of the mass at or below it."""
        place = int(np.searchsorted(np.cumsum(self.masses), level))
        return self.start + min(place, len(self.masses) - 1)


@lru_cache(maxsize=4096)
def infer_count(tally: Tally) -> Count:
    """Return the posterior of the hits in a stratum; a fully read one has no doubt left."""
    population, reads, hits = tally
    unread = population - reads
    if not unread:
        return Count(hits, np.ones(1))
    a, b = hits + JEFFREYS, reads - hits + JEFFREYS
    number = np.arange(unread + 1)
    logs = gammaln(unread + 1) - gammaln(number + 1) - gammaln(unread - number + 1)
    logs += betaln(number + a, unread - number + b) - betaln(a, b)
    return _trim(hits, np.exp(logs))


def add_counts(counts: Iterable[Count]) -> Count:
    """Return the distribution of the sum of independent counts."""
    total = Count(0, np.ones(1))
    for count in sorted(counts, key=lambda one: len(one.masses)):
        short = min(len(total.masses), len(count.masses)) < _SHORT
        convolve = np.convolve if short else fftconvolve
        masses = np.clip(convolve(total.masses, count.masses), 0, None)
        total = _trim(total.start + count.start, masses)
    return total


def subtract_from(whole: int, count: Count) -> Count:
    """Return the distribution of `whole` less the count."""
    last = count.start + len(count.masses) - 1
    return Count(whole - last, count.masses[::-1])


def find_share_quantile(part: Count, rest: Count, level: float) -> float:
    """Return a quantile of part / (part + rest) of two independent counts; 0 / 0 counts as 0."""
    if part.is_known and rest.is_known:
        whole = part.start + rest.start
        return part.start / whole if whole else 0.0
    numbers = part.start + np.arange(len(part.masses))
    # The mass at or above each number that `rest` can be, and 0 beyond.
    above = np.append(np.cumsum(rest.masses[::-1])[::-1], 0.0)
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        share = (low + high) / 2
        # part / (part + rest) <= share where rest >= part (1 - share) / share
        needed = np.ceil(numbers * ((1 - share) / share) - 1e-9) - rest.start
        places = np.clip(needed, 0, len(above) - 1).astype(np.intp)
        if part.masses @ above[places] < level:
            low = share
        else:
            high = share
    return high


def _trim(start: int, masses: Array) -> Count:
    total = masses.sum()
    below = np.cumsum(masses)
    first = int(np.searchsorted(below, NEGLIGIBLE * total, side="right"))
    last = int(np.searchsorted(below, total * (1 - NEGLIGIBLE)))
    last = min(max(first, last), len(masses) - 1)
    kept = masses[first : last + 1]
    return Count(start + first, kept / kept.sum())
