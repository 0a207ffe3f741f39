"""What the reads of an audit say about the labels: intervals, promises, and what is still open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from configs.settings import Settings
from text_labeler.audit.agreement import FindingAgreement, measure_agreement
from text_labeler.audit.judging import (
    MeasureEstimate,
    PromiseState,
    judge_promise,
    measure_with_doubts,
)
from text_labeler.audit.measures import Interval
from text_labeler.audit.planning import AuditedLabels, AuditPlan, FindingPlan
from text_labeler.audit.promises import select_promises
from text_labeler.audit.reader_errors import ReaderErrors, measure_readers
from text_labeler.audit.records import AuditError, Item, Pool, Read
from text_labeler.audit.rescoring import LaterLabels
from text_labeler.audit.strata import Cell
from text_labeler.audit.units import Unit, judge_items


class CellEstimate(Settings):
    """One cell of the sample: studies, reads that count, and verdicts by name."""

    stratum: str
    call: int | None
    population: int
    reads: int
    verdicts: dict[str, int]


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
    for one in plan.findings:
        if later and not any(cell.finding == one.finding for cell in later.cells):
            raise AuditError(f"{one.finding}: the later labels say nothing of it")
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
    measured = measure_with_doubts(plan, cells, units)
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
            judge_promise(promise, plan, cells, units, measured)
            for promise in select_promises(plan.promises, one.finding)
        ),
        agreement=agreement,
        warnings=tuple(_warn(estimates, states["open"])),
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
