"""What the reads of an audit say about the labels: intervals, promises, and what is still open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Literal

from configs.settings import Settings
from text_labeler.audit.agreement import FindingAgreement, measure_agreement
from text_labeler.audit.measures import Interval, Measured
from text_labeler.audit.more_reads import count_more_reads
from text_labeler.audit.planning import AuditedLabels, AuditPlan, FindingPlan
from text_labeler.audit.promises import Promise, select_promises
from text_labeler.audit.reader_errors import ReaderErrors, measure_readers
from text_labeler.audit.records import Item, Pool, Read
from text_labeler.audit.rescoring import LaterLabels
from text_labeler.audit.strata import Cell
from text_labeler.audit.units import State, Unit, judge_items, measure_units, tally_cells


class CellEstimate(Settings):
    """One cell of the sample: studies, reads that count, and verdicts by name."""

    stratum: str
    call: int | None
    population: int
    reads: int
    verdicts: dict[str, int]


class MeasureEstimate(Settings):
    """One measure of one finding. interval: None where the measure is not defined.

    if_slips: the interval if every open difference were the readers' slip. if_unclear: the value if
    the labeler were wrong, and if it were right, on all that was unclear.
    """

    measure: str
    interval: Interval | None
    if_slips: Interval | None = None
    if_unclear: tuple[float, float] | None = None


class PromiseState(Settings):
    """A promise: proved, refuted (its opposite is proved), or open and how many reads it lacks.

    It is open, too, while the differences that are not settled could decide it.

    more_reads: further reads, all clean, that would prove it; None where not even all would.
    """

    promise: Promise
    state: Literal["proved", "refuted", "open"]
    proved_always: bool
    more_reads: int | None = None


class FindingEstimate(Settings):
    """All that is known of one finding. Items: read of planned; of those waiting for a planned
    second read, open, unclear; differing: where the first verdict contradicts the judged call."""

    finding: str
    population: int
    planned: int
    read: int
    waiting: int
    open: int
    unclear: int
    cells: tuple[CellEstimate, ...]
    measures: tuple[MeasureEstimate, ...]
    promises: tuple[PromiseState, ...]
    agreement: FindingAgreement | None
    warnings: tuple[str, ...]

    def find(self, measure: str) -> Interval | None:
        """Return the interval of a measure; None where it is not defined."""
        found = {one.measure: one.interval for one in self.measures}
        return found.get(measure)


class Estimate(Settings):
    """The estimate of an audit, for the planned or a later version of the labels."""

    labels: AuditedLabels
    is_later: bool
    pool: Pool
    uncertain_as: str
    pace_seconds: float | None
    findings: tuple[FindingEstimate, ...]
    readers: tuple[ReaderErrors, ...]


def estimate(
    plan: AuditPlan,
    items: Sequence[Item],
    reads: Sequence[Read],
    *,
    later: LaterLabels | None = None,
) -> Estimate:
    """Estimate from the standing reads of the blind queue; those of the repair queue don't count.

    Nothing is drawn by chance except the intervals of agreement, by the plan's seed. Raises
    AuditError for reads that are not of this plan's items, or of another pool.
    """
    units = judge_items(items, reads, later.calls if later else None)
    blind = [read for read in reads if read.queue == "blind"]
    return Estimate(
        labels=later.labels if later else plan.labels,
        is_later=later is not None,
        pool=plan.pool,
        uncertain_as=plan.uncertain_as,
        pace_seconds=median(read.seconds for read in blind) if blind else None,
        findings=tuple(
            _estimate_finding(
                plan,
                one,
                [cell for cell in (later or one).cells if cell.finding == one.finding],
                [unit for unit in units if unit.finding == one.finding],
                measure_agreement(one.finding, items, blind, plan.seed),
            )
            for one in plan.findings
        ),
        readers=measure_readers(items, blind),
    )


def _estimate_finding(
    plan: AuditPlan,
    one: FindingPlan,
    cells: Sequence[Cell],
    units: Sequence[Unit],
    agreement: FindingAgreement | None,
) -> FindingEstimate:
    states = Counter(unit.state for unit in units)
    measured = _measure(plan, cells, units)
    estimates = _estimate_cells(cells, units)
    return FindingEstimate(
        finding=one.finding,
        population=sum(cell.population for cell in cells),
        planned=one.reads,
        read=len(units),
        waiting=states["waiting"],
        open=states["open"],
        unclear=states["unclear"],
        cells=estimates,
        measures=measured,
        promises=tuple(
            _judge_promise(promise, plan, cells, units, measured)
            for promise in select_promises(plan.promises, one.finding)
        ),
        agreement=agreement,
        warnings=tuple(_warn(estimates, states["open"])),
    )


def _measure(
    plan: AuditPlan, cells: Sequence[Cell], units: Sequence[Unit]
) -> tuple[MeasureEstimate, ...]:
    measured = measure_units(cells, units, plan.uncertain_as)
    wrong, right = (
        _assume(plan, cells, units, "unclear", right=is_right) for is_right in (False, True)
    )
    slips = _assume(plan, cells, units, "open", right=True)
    return tuple(
        MeasureEstimate(
            measure=name,
            interval=interval,
            if_slips=slips.get(name),
            if_unclear=_pair(wrong.get(name), right.get(name)),
        )
        for name, interval in measured.items()
    )


def _assume(
    plan: AuditPlan, cells: Sequence[Cell], units: Sequence[Unit], state: State, *, right: bool
) -> Measured:
    """Measure with the labeler right, or wrong, on all units of a state; empty without such."""
    if not any(unit.state == state for unit in units):
        return {}
    assumed = [
        unit.assume(plan.uncertain_as, right=right) if unit.state == state else unit
        for unit in units
    ]
    return measure_units(cells, assumed, plan.uncertain_as)


def _pair(wrong: Interval | None, right: Interval | None) -> tuple[float, float] | None:
    return None if wrong is None or right is None else (wrong.value, right.value)


def _judge_promise(
    promise: Promise,
    plan: AuditPlan,
    cells: Sequence[Cell],
    units: Sequence[Unit],
    measured: Sequence[MeasureEstimate],
) -> PromiseState:
    one = next(one for one in measured if one.measure == promise.measure)
    if one.interval is None:
        return PromiseState(promise=promise, state="open", proved_always=False)
    # What is not settled must not decide: a promise holds, or is refuted, either way.
    intervals = [interval for interval in (one.interval, one.if_slips) if interval is not None]
    lower = min(interval.lower for interval in intervals)
    upper = max(interval.upper for interval in intervals)
    always_lower = min(interval.always_lower for interval in intervals)
    always_upper = max(interval.always_upper for interval in intervals)
    bound, is_lower = promise.bound, promise.is_lower
    proved = lower >= bound if is_lower else upper <= bound
    refuted = upper < bound if is_lower else lower > bound
    always = always_lower >= bound if is_lower else always_upper <= bound
    more = None
    if not proved and not refuted and promise.measure != "over_call":
        clear = [unit for unit in units if unit.state != "unclear"]
        more = count_more_reads(tally_cells(cells, clear, plan.uncertain_as), promise)
    return PromiseState(
        promise=promise,
        state="proved" if proved else "refuted" if refuted else "open",
        proved_always=always,
        more_reads=more or None,
    )


def _estimate_cells(cells: Sequence[Cell], units: Sequence[Unit]) -> tuple[CellEstimate, ...]:
    found = []
    for cell in cells:
        own = [unit for unit in units if (unit.stratum, unit.call) == (cell.stratum, cell.call)]
        found.append(
            CellEstimate(
                stratum=cell.stratum,
                call=cell.call,
                population=cell.population,
                reads=sum(unit.state != "unclear" for unit in own),
                verdicts=dict(sorted(Counter(unit.verdict for unit in own).items())),
            )
        )
    return tuple(found)


def _warn(cells: Sequence[CellEstimate], is_open: int) -> list[str]:
    warnings = []
    unread = [cell for cell in cells if cell.population and not cell.reads]
    if unread:
        studies = sum(cell.population for cell in unread)
        warnings.append(
            f"{studies} studies are in {len(unread)} cells that nobody has read; each counts as"
            " not known at all"
        )
    if is_open:
        warnings.append(
            f"{is_open} differences between reader and labeler are not settled: they count as"
            " first read. A reader who errs in 3 of 100 reads halves the recall; let another"
            " reader read them again before you trust it"
        )
    return warnings
