"""Whether promises are kept, and what each measure would be if doubts went one way or the other."""

from __future__ import annotations

from collections.abc import Sequence

from configs.settings import Settings
from text_labeler.audit.measures import Interval, Measured
from text_labeler.audit.more_reads import Decision, count_more_reads, is_certain
from text_labeler.audit.planning import AuditPlan
from text_labeler.audit.promises import Promise, select_promises
from text_labeler.audit.records import Item, Read
from text_labeler.audit.strata import Cell
from text_labeler.audit.units import State, Unit, judge_items, measure_units, tally_cells


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

    state: by the 95 % interval once all of the sample is read; until then by the interval that
    holds while one looks. It stays open while differences that are not settled, or studies of a
    later version's cells that nobody has read, could decide it. if_planned: by the 95 % interval
    of what is read, as if the plan had been to stop here. more_reads: further reads, all clean,
    that would prove it, at least those that the plan has left; None where no number would.
    """

    promise: Promise
    state: Decision
    if_planned: Decision
    proved_always: bool
    more_reads: int | None = None


def judge_promises(
    plan: AuditPlan, items: Sequence[Item], reads: Sequence[Read]
) -> dict[str, tuple[PromiseState, ...]]:
    """Return how each finding's promises stand: a part of `estimate`, for a progress line."""
    units = judge_items(items, reads)
    states = {}
    for one in plan.findings:
        own = [unit for unit in units if unit.finding == one.finding]
        measured = measure_with_doubts(plan, one.cells, own)
        states[one.finding] = tuple(
            judge_promise(promise, plan, one.cells, own, measured)
            for promise in select_promises(plan.promises, one.finding)
        )
    return states


def measure_with_doubts(
    plan: AuditPlan, cells: Sequence[Cell], units: Sequence[Unit]
) -> tuple[MeasureEstimate, ...]:
    """Measure one finding, and once more as what is open or unclear might turn out."""
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


def judge_promise(
    promise: Promise,
    plan: AuditPlan,
    cells: Sequence[Cell],
    units: Sequence[Unit],
    measured: Sequence[MeasureEstimate],
) -> PromiseState:
    """Say how one promise of a finding stands by its measures (`measure_with_doubts`)."""
    one = next(one for one in measured if one.measure == promise.measure)
    if one.interval is None:
        return PromiseState(promise=promise, state="open", if_planned="open", proved_always=False)
    # What is not settled must not decide: a promise holds, or is refuted, either way.
    intervals = [interval for interval in (one.interval, one.if_slips) if interval is not None]
    always = _decide(
        promise,
        min(interval.always_lower for interval in intervals),
        max(interval.always_upper for interval in intervals),
    )
    if_planned = _decide(
        promise,
        min(interval.lower for interval in intervals),
        max(interval.upper for interval in intervals),
    )
    tallies = tally_cells(
        cells, [unit for unit in units if unit.state != "unclear"], plan.uncertain_as
    )
    if not is_certain(tallies, promise, if_planned):
        if_planned = "open"
    planned = next(one.reads for one in plan.findings if one.finding == cells[0].finding)
    state = if_planned if len(units) == planned else always
    more = None
    if state == "open" and promise.measure != "over_call":
        more = count_more_reads(tallies, promise)
        more = more if more is None else max(more, planned - len(units))
    return PromiseState(
        promise=promise,
        state=state,
        if_planned=if_planned,
        proved_always=always == "proved",
        more_reads=more or None,  # 0: nothing is lacking but that differences are settled
    )


def _decide(promise: Promise, lower: float, upper: float) -> Decision:
    if lower >= promise.bound if promise.is_lower else upper <= promise.bound:
        return "proved"
    if upper < promise.bound if promise.is_lower else lower > promise.bound:
        return "refuted"
    return "open"
