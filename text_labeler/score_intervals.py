"""How sure scores are: 95 % intervals for findings, levels, and the difference of two labelers.

One method for all of them: the Bayesian bootstrap over patients (Rubin 1981, Ann. Stat. 9:130)
with Jeffreys' prior. In each draw a patient's studies weigh a number from Exp(1), and every count
that a ratio is made of gets half a study more, itself drawn from Gamma(1/2). Where each patient
has one study, hits are then Gamma(hits + 1/2), so precision and recall are exactly their
Beta(hits + 1/2, errors + 1/2) posteriors, and F1 has the posterior of Goutte and Gaussier 2005
(ECIR, LNCS 3408:345, with λ = 1/2). Findings share a patient's weight, so what one report does to
several findings is in the intervals of micro and macro. Thanks to the prior no interval
collapses when all is right or all is wrong, as a bootstrap that draws counts does.

The prior pulls every rare finding inwards, and their mean with them, so the interval of a macro
score is not read from draws: it is put together from those of its findings around the value
itself, with the draws' correlations (MOVER: Zou and Donner 2008, Stat. Med. 27:1693).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
LEVEL = 0.95
JEFFREYS = 0.5

_WEIGHTS_AT_ONCE = 4_000_000

Array = NDArray[np.float64]


class Estimate(NamedTuple):
    """A number with the ends of its 95 % interval; all NaN where it is not defined."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Difference:
    """A score of some labels less that of others on the same studies."""

    name: str
    support: int
    first: float
    second: float
    difference: Estimate


def draw_totals(
    tallies: NDArray[np.int32], draws: int, randomness: np.random.Generator
) -> Iterator[Array]:
    """Give weighted sums over patients, [draws, columns] in several parts, of tallies
    [patients, columns]; a patient weighs Exp(1) in each draw."""
    table = tallies.astype(float)
    at_once = max(1, _WEIGHTS_AT_ONCE // max(1, len(table)))
    for start in range(0, draws, at_once):
        size = (min(at_once, draws - start), len(table))
        yield randomness.standard_exponential(size) @ table


def draw_paired_priors(
    shape: tuple[int, ...], randomness: np.random.Generator
) -> list[tuple[Array, Array]]:
    """Return for each of two labelers what its prior adds to right and to wrong.

    Both right, the first alone, the second alone, both wrong: each of the four gets
    Gamma(1/4), so that either labeler's prior is Jeffreys' and the two are compared as pairs.
    """
    both, first, second, neither = randomness.gamma(JEFFREYS / 2, size=(4, *shape))
    return [(both + first, second + neither), (both + second, first + neither)]


def make_estimate(value: float, drawn: Array) -> Estimate:
    """Return a value with the quantiles of its draws as its interval; NaN for a NaN value."""
    if np.isnan(value):
        return Estimate(float("nan"), float("nan"), float("nan"))
    edge = (1 - LEVEL) / 2
    lower, upper = np.quantile(drawn, [edge, 1 - edge])
    # The prior draws a 1 (or a 0) inwards: the value itself always belongs to its interval.
    return Estimate(float(value), float(min(lower, value)), float(max(upper, value)))


def average(values: Array, drawn: Array) -> Estimate:
    """Average several values, each with its draws: [n] and [draws, n]; NaN when there are none.

    A value that is not defined counts as 0, as F1 is 0 for what is never given.
    """
    if not len(values):
        return Estimate(float("nan"), float("nan"), float("nan"))
    known = np.nan_to_num(values)
    each = [make_estimate(float(value), drawn[:, k]) for k, value in enumerate(known)]
    lower, upper = np.array([one[1:] for one in each]).T
    centred = drawn - drawn.mean(0)
    spread = centred.std(0)
    scaled = centred / np.where(spread > 0, spread, 1)
    correlations = scaled.T @ scaled / len(drawn)
    below, above = (
        math.sqrt(max(0.0, reach @ correlations @ reach)) / len(known)
        for reach in (known - lower, upper - known)
    )
    mean = float(known.mean())
    return Estimate(mean, mean - below, mean + above)


def subtract(
    rows: Sequence[tuple[str, int]], values: Sequence[Array], drawn: Sequence[Array]
) -> Iterator[Difference]:
    """Give the differences of two labelers: names with support, and for each labeler values [n]
    and draws [draws, n]."""
    for place, (name, support) in enumerate(rows):
        first, second = float(values[0][place]), float(values[1][place])
        difference = make_estimate(first - second, drawn[0][:, place] - drawn[1][:, place])
        yield Difference(name, support, first, second, difference)


def ratio(part: Array, whole: Array) -> Array:
    """Return part / whole, NaN for a whole of 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(whole > 0, part / whole, np.nan))
