"""Intervals that hold for an auditor who looks after every read and stops when he likes.

The strata's supermartingales (`intervals.weigh_evidence`) are independent, so their product is one,
and by Ville's inequality it stays under 1/0.05 at the true numbers of all strata at once in 95 of
100 audits. All combinations of numbers under it are the set; every measure is bounded over that
one set, so that all of them hold together, at all times. This is narrower than Bonferroni's, which
gives each stratum its own 5 % divided by their number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from text_labeler.audit.intervals import CONFIDENCE, Bounds, weigh_evidence
from text_labeler.audit.posterior import JEFFREYS, Tally

LIMIT = -math.log(1 - CONFIDENCE)

Array = NDArray[np.float64]


class JointEvidence:
    """What the reads of some strata say against each sum of their hits.

    start: the smallest possible sum. against: for it and those above it, the weakest evidence
    (logarithm) of all ways to make that sum up.
    """

    def __init__(self, tallies: Sequence[Tally]) -> None:
        self.start = 0
        lowest, steps = 0.0, [np.zeros(0)]
        for population, reads, hits in tallies:
            start, against = weigh_evidence(hits, reads, population, (JEFFREYS, JEFFREYS))
            self.start += start
            lowest += float(against[0])
            # Cut nothing off: each stratum's evidence is convex, so that its steps are sorted.
            steps.append(np.diff(against))
        # The least sum of convex sequences takes their steps in order of size.
        self.against: Array = lowest + np.concatenate(
            ([0.0], np.cumsum(np.sort(np.concatenate(steps))))
        )

    @property
    def weakest(self) -> float:
        """The evidence against the sum that it speaks against least."""
        return float(self.against.min())

    def bound(self, limit: float) -> tuple[int, int] | None:
        """Return the least and the greatest sum with evidence under `limit`; None for no such."""
        kept = np.flatnonzero(self.against < limit)
        return (self.start + int(kept[0]), self.start + int(kept[-1])) if len(kept) else None


def bound_sum(tallies: Sequence[Tally], others: Sequence[Tally] = ()) -> Bounds:
    """Bound the hits of `tallies`, in one set with what `others` (the other strata) show."""
    spent = JointEvidence(others).weakest
    found = JointEvidence(tallies).bound(LIMIT - spent)
    return Bounds(*found) if found else Bounds(0, sum(tally.population for tally in tallies))


def bound_share(part: Sequence[Tally], rest: Sequence[Tally]) -> Bounds:
    """Bound hits of `part` / hits of `part` and `rest`, as recall is; 0 / 0 counts as 0."""
    parts, rests = JointEvidence(part), JointEvidence(rest)
    kept = np.flatnonzero(parts.against < LIMIT - rests.weakest)
    if not len(kept):
        return Bounds(0.0, 1.0)
    numbers = parts.start + kept
    limits = LIMIT - parts.against[kept]
    # The evidence on the rest falls to its lowest at `best` and rises from there.
    best = int(rests.against.argmin())
    below, above = rests.against[best::-1], rests.against[best:]
    fewest = rests.start + best + 1 - np.searchsorted(below, limits)
    most = rests.start + best - 1 + np.searchsorted(above, limits)
    lowest = numbers / np.maximum(numbers + most, 1)
    highest = numbers / np.maximum(numbers + fewest, 1)
    return Bounds(float(lowest.min()), float(highest.max()))
