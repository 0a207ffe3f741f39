"""What a plan may be expected to show: simulated audits of the labels as they are guessed to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from text_labeler.audit.allocation import ExpectedStratum, allocate
from text_labeler.audit.conflicts import SEVERITY
from text_labeler.audit.measures import EDGE, CalledTally, infer_measure
from text_labeler.audit.more_reads import find_fewest, is_kept
from text_labeler.audit.posterior import Tally
from text_labeler.audit.promises import Measure, Promise

AUDITS = 40
LIKELY = 0.8
"""A budget suffices when it proves the promise in this share of simulated audits."""


@dataclass(frozen=True)
class Forecast:
    """The middle interval of one measure over simulated audits, and how often a promise is kept.

    All are None where the measure is not defined; kept also where nothing is promised of it.
    """

    measure: str
    value: float | None
    lower: float | None
    upper: float | None
    kept: float | None

    @property
    def width(self) -> float | None:
        """Upper less lower end."""
        return None if self.upper is None or self.lower is None else self.upper - self.lower


def forecast_plan(
    finding: str,
    strata: Sequence[ExpectedStratum],
    reads: Sequence[int],
    promises: Sequence[Promise],
    seed: int,
) -> list[Forecast]:
    """Simulate AUDITS audits with so many reads per stratum; a measure that is promised comes with
    the share of audits that prove it. `over_call` is taken for the error rate, its upper bound."""
    audits = simulate_audits(finding, strata, reads, seed)
    promised: dict[str, Promise] = {one.measure: one for one in promises}
    usual = ("accuracy", "error_rate") if finding == SEVERITY else ("precision", "recall")
    found = []
    for measure in dict.fromkeys((*usual, *promised)):
        ends = []
        for cells in audits:
            quantile = infer_measure(cells, measure)
            if quantile is not None:
                ends.append([quantile(level) for level in (0.5, EDGE, 1 - EDGE)])
        kept = None
        if measure in promised and ends:
            kept = float(np.mean([is_kept(cells, promised[measure]) for cells in audits]))
        value, lower, upper = np.median(ends, axis=0).tolist() if ends else (None, None, None)
        found.append(Forecast(measure, value, lower, upper, kept))
    return found


def find_sufficient(
    finding: str, strata: Sequence[ExpectedStratum], promises: Sequence[Promise], seed: int
) -> int | None:
    """Return about how many reads are likely to prove all promises; None where not even all do."""
    measures: list[Measure] = [promise.measure for promise in promises]

    def is_enough(reads: int) -> bool:
        audits = simulate_audits(finding, strata, allocate(strata, measures, reads), seed)
        kept = [all(is_kept(cells, promise) for promise in promises) for cells in audits]
        return float(np.mean(kept)) >= LIKELY

    return find_fewest(sum(stratum.room for stratum in strata), is_enough)


def simulate_audits(
    finding: str, strata: Sequence[ExpectedStratum], reads: Sequence[int], seed: int
) -> list[list[CalledTally]]:
    """Draw what AUDITS audits find in a population that has the expected shares exactly."""
    randomness = np.random.default_rng(seed)
    audits: list[list[CalledTally]] = [[] for _ in range(AUDITS)]
    for stratum, number in zip(strata, reads, strict=True):
        called = 0 if finding == SEVERITY else stratum.positives
        sizes = {True: called, False: stratum.population - called}
        of_called = randomness.hypergeometric(called, stratum.population - called, number, AUDITS)
        for is_called, size in sizes.items():
            hits = round(size * stratum.share)
            drawn = of_called if is_called else number - of_called
            found = randomness.hypergeometric(hits, size - hits, drawn)
            if size:
                for cells, n, k in zip(audits, drawn.tolist(), found.tolist(), strict=True):
                    cells.append(CalledTally(is_called, Tally(size, n, k)))
    return audits
