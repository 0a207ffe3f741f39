"""Precision, recall and the other measures of a labeler, from tallies of its strata."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from configs.settings import Settings
from data_cards.findings import SEVERITY_LEVELS
from text_labeler.audit.anytime import bound_share, bound_sum
from text_labeler.audit.intervals import CONFIDENCE, Bounds
from text_labeler.audit.posterior import (
    Tally,
    add_counts,
    find_share_quantile,
    infer_count,
)

EDGE = (1 - CONFIDENCE) / 2


class Interval(Settings):
    """A share of this very population, in what 95 % of audits would find it.

    value: the posterior's median. lower and upper: two-sided, for reads whose number was fixed
    before; a promise is judged by the one of them that it is about. always_lower and
    always_upper: hold for all measures together, however often one looked while reading.
    """

    value: float
    lower: float
    upper: float
    always_lower: float
    always_upper: float

    def invert(self) -> Interval:
        """Return the interval of 1 less the share."""
        return Interval(
            value=1 - self.value,
            lower=1 - self.upper,
            upper=1 - self.lower,
            always_lower=1 - self.always_upper,
            always_upper=1 - self.always_lower,
        )


class CalledTally(NamedTuple):
    """Studies that the labeler calls alike. hits of `tally`: studies that have the finding."""

    is_called: bool
    tally: Tally

    @property
    def errors(self) -> Tally:
        """The same studies, with those as hits on which the labeler is wrong."""
        return _turn(self.tally) if self.is_called else self.tally


Quantile = Callable[[float], float]

Measured = dict[str, Interval | None]
"""Intervals by measure; None for a measure that is not defined (no study is called, say)."""

Cells = Sequence[tuple[str, int | None, int]]
"""Stratum, call and population of each cell."""


def measure_finding(cells: Sequence[CalledTally]) -> Measured:
    """Return precision, recall, prevalence, error rate and accuracy of a finding."""
    called = [cell.tally for cell in cells if cell.is_called]
    silent = [cell.tally for cell in cells if not cell.is_called]
    errors = measure_share([cell.errors for cell in cells])
    return {
        "precision": measure_share(called, silent),
        "recall": measure_recall(called, silent),
        "prevalence": measure_share([*called, *silent]),
        "error_rate": errors,
        "accuracy": errors and errors.invert(),
    }


def measure_share(part: Sequence[Tally], others: Sequence[Tally] = ()) -> Interval | None:
    """Estimate which share of the studies of `part` hit; `others` are the other strata."""
    quantile = _infer_share(part)
    if quantile is None:
        return None
    population = sum(tally.population for tally in part)
    always = Bounds(*(end / population for end in bound_sum(part, others)))
    return _make_interval(quantile, always)


def measure_recall(called: Sequence[Tally], silent: Sequence[Tally]) -> Interval | None:
    """Estimate which share of all hits lie in `called`; None where it is known there are none."""
    quantile = _infer_recall(called, silent)
    return quantile and _make_interval(quantile, bound_share(called, silent))


def infer_measure(cells: Sequence[CalledTally], measure: str) -> Quantile | None:
    """Return level → quantile of a measure that can be promised, without the slower rest."""
    called = [cell.tally for cell in cells if cell.is_called]
    silent = [cell.tally for cell in cells if not cell.is_called]
    if measure == "recall":
        return _infer_recall(called, silent)
    if measure == "precision":
        return _infer_share(called)
    errors = _infer_share([cell.errors for cell in cells])
    if errors is None or measure != "accuracy":
        return errors
    return lambda level: 1 - errors(1 - level)


def _infer_share(part: Sequence[Tally]) -> Quantile | None:
    population = sum(tally.population for tally in part)
    if not population:
        return None
    count = add_counts(map(infer_count, part))
    return lambda level: count.find_quantile(level) / population


def _infer_recall(called: Sequence[Tally], silent: Sequence[Tally]) -> Quantile | None:
    # Where nothing is called and nothing was found, the prior alone would say 0.
    if not called and not any(tally.hits for tally in silent):
        return None
    found, missed = (add_counts(map(infer_count, part)) for part in (called, silent))
    if found.is_known and missed.is_known and not found.start + missed.start:
        return None
    return lambda level: find_share_quantile(found, missed, level)


def measure_severity(cells: Cells, reads: Sequence[tuple[str, int | None, int | None]]) -> Measured:
    """Return the measures of edema severity; reads are stratum, call and the grade that was read.

    error_rate: the grade is not the one read (none said is a grade of its own). over_call and
    under_call: it is higher, lower. off_by_two: by two grades or more. In these three no grade
    counts as grade 0. precision_g and recall_g: of grade g against all others.
    """

    def count(is_hit: Callable[[int | None, int | None], bool]) -> list[Tally]:
        return [
            Tally(
                population,
                sum(read[:2] == (stratum, call) for read in reads),
                sum(read[:2] == (stratum, call) and is_hit(call, read[2]) for read in reads),
            )
            for stratum, call, population in cells
        ]

    errors = measure_share(count(lambda call, truth: call != truth))
    measured: Measured = {
        "accuracy": errors and errors.invert(),
        "error_rate": errors,
        "over_call": measure_share(count(lambda call, truth: (call or 0) > (truth or 0))),
        "under_call": measure_share(count(lambda call, truth: (call or 0) < (truth or 0))),
        "off_by_two": measure_share(count(lambda call, truth: abs((call or 0) - (truth or 0)) > 1)),
    }
    for grade in range(SEVERITY_LEVELS):
        tallies = list(zip(cells, count(lambda _, truth, grade=grade: truth == grade), strict=True))  # type: ignore[misc]
        called = [tally for cell, tally in tallies if cell[1] == grade]
        silent = [tally for cell, tally in tallies if cell[1] != grade]
        measured[f"precision_{grade}"] = measure_share(called, silent)
        measured[f"recall_{grade}"] = measure_recall(called, silent)
    return measured


def _make_interval(quantile: Callable[[float], float], always: Bounds) -> Interval:
    return Interval(
        value=quantile(0.5),
        lower=quantile(EDGE),
        upper=quantile(1 - EDGE),
        always_lower=always.lower,
        always_upper=always.upper,
    )


def _turn(tally: Tally) -> Tally:
    return tally._replace(hits=tally.reads - tally.hits)
