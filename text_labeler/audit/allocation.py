"""How reads are dealt out to strata: Neyman's allocation for several measures at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from text_labeler.audit.conflicts import SEVERITY
from text_labeler.audit.promises import Measure
from text_labeler.audit.records import AuditError
from text_labeler.audit.strata import Cell, UncertainAs, is_positive, list_strata

FLOOR = 30
"""Reads in each stratum at least, so that no stratum is judged by a guess."""

EXPECTED_POSITIVE = {
    "pos_certain": 0.95,
    "pos_hedged": 0.05,
    "neg_negated": 0.005,
    "word_without_call": 0.03,
    "no_mention": 0.001,
    "labelers_disagree": 0.5,
}
"""Share of studies that have the finding, by stratum: a good labeler's, before anybody has read.

Of hedged ones it is the share where a reader says present; most will say uncertain as well.
"""

HEDGED_AS_POSITIVE = 0.9
"""The same of hedged ones, where uncertain counts as positive."""

EXPECTED_WRONG_GRADE = {
    **{f"grade_{level}": 0.1 for level in range(4)},
    "not_mentioned": 0.01,
    "labelers_disagree": 0.5,
}
"""Share of studies whose severity is wrong, by stratum, before anybody has read one."""


@dataclass(frozen=True)
class ExpectedStratum:
    """A stratum as it is guessed before reading.

    share: of its studies that have the finding (of severity: whose grade is wrong). positives:
    studies that the labeler calls positive (of severity: all). held: studies that other audits
    drew, which can't be drawn.
    """

    name: str
    population: int
    positives: int
    share: float
    held: int = 0

    @property
    def room(self) -> int:
        """Studies that can be drawn."""
        return self.population - self.held


def expect_strata(
    cells: Sequence[Cell],
    uncertain_as: UncertainAs,
    expected: Mapping[str, float],
    held: Mapping[str, int] | None = None,
) -> list[ExpectedStratum]:
    """Put the cells of one finding together by stratum; `expected` overrules the usual shares.

    held: studies of each stratum that other audits drew.

    Raises AuditError for a share outside of 0 to 1 and for a stratum that there is none of.
    """
    finding = cells[0].finding
    shares = dict(EXPECTED_WRONG_GRADE if finding == SEVERITY else EXPECTED_POSITIVE)
    if uncertain_as == "positive":
        shares["pos_hedged"] = HEDGED_AS_POSITIVE
    for name, share in expected.items():
        if name not in {*EXPECTED_POSITIVE, *EXPECTED_WRONG_GRADE} or not 0 <= share <= 1:
            known = ", ".join({**EXPECTED_POSITIVE, **EXPECTED_WRONG_GRADE})
            raise AuditError(f"{name}={share:g}: expected STRATUM=SHARE (0 to 1), of {known}")
        if name in shares:
            shares[name] = share
    strata = []
    for name in list_strata(finding):
        own = [cell for cell in cells if cell.stratum == name]
        if own:
            positives = sum(
                cell.population
                for cell in own
                if finding == SEVERITY or is_positive(cell.call, uncertain_as)
            )
            population = sum(cell.population for cell in own)
            taken = (held or {}).get(name, 0)
            strata.append(ExpectedStratum(name, population, positives, shares[name], taken))
    return strata


def allocate(
    strata: Sequence[ExpectedStratum], measures: Sequence[Measure], reads: int
) -> list[int]:
    """Deal `reads` out to strata by Neyman's rule, FLOOR each at least, never more than their room.

    For each measure a stratum's weight is its size times the standard deviation of a unit times
    the measure's slope; the weights of several measures are put together as a root of squares.
    Where `reads` is too small for the floor, the floor is an equal share.
    """
    sizes = np.array([stratum.room for stratum in strata])
    floor = min(FLOOR, reads // len(strata))
    given = np.minimum(sizes, floor)
    weights = _weigh(strata, measures)
    # A stratum that is read wholly gives its rest to the others.
    while (left := reads - int(given.sum())) > 0 and (given < sizes).any():
        open_weights = np.where(given < sizes, weights, 0)
        wanted = _round_to(left, open_weights / open_weights.sum())
        given = np.minimum(sizes, given + np.maximum(0, wanted))
    return [int(number) for number in given]


def share_reads(total: int, findings: int) -> tuple[int, ...]:
    """Share first reads out evenly to findings; raises AuditError when one would get none."""
    if total < findings:
        raise AuditError(f"{total} reads: expected one at least for each of {findings} findings")
    return tuple(total // findings + (place < total % findings) for place in range(findings))


def _weigh(strata: Sequence[ExpectedStratum], measures: Sequence[Measure]) -> NDArray[np.float64]:
    sizes = np.array([stratum.population for stratum in strata], dtype=float)
    shares = np.clip([stratum.share for stratum in strata], 0.001, 0.999)
    called = np.array([stratum.positives for stratum in strata]) / np.maximum(sizes, 1)
    spread = sizes * np.sqrt(shares * (1 - shares))
    found = float((sizes * shares * called).sum())
    missed = float((sizes * shares * (1 - called)).sum())
    slopes = {
        "precision": called,
        # d recall / dTP = FN/(TP+FN)², d recall / dFN = TP/(TP+FN)²
        "recall": called * missed + (1 - called) * found,
    }
    total = np.zeros(len(strata))
    for measure in measures or ("error_rate",):
        weights = spread * slopes.get(measure, np.ones(len(strata)))
        if weights.sum() > 0:
            total += (weights / weights.sum()) ** 2
    # Nothing is left wholly to the floor: a weight of 0 is a measure's, not a stratum's.
    return np.asarray(np.sqrt(total) + 1e-6 * sizes / sizes.sum())


def _round_to(total: int, shares: NDArray[np.float64]) -> NDArray[np.intp]:
    """Round shares of a total to whole numbers that sum to it (largest remainder)."""
    exact = shares * total
    rounded = np.floor(exact).astype(np.intp)
    rest = total - int(rounded.sum())
    rounded[np.argsort(rounded - exact, kind="stable")[:rest]] += 1
    return rounded
