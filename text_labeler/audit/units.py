"""What is known of each item of the blind sample: the call on it and the verdict so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from text_labeler.audit.conflicts import (
    SEVERITY,
    group_reads,
    is_conflict,
    name_call,
    needs_adjudication,
    settle,
)
from text_labeler.audit.measures import CalledTally, Measured, measure_finding, measure_severity
from text_labeler.audit.posterior import Tally
from text_labeler.audit.records import (
    FINDING_VERDICTS,
    SEVERITY_VERDICTS,
    AuditError,
    Item,
    Read,
    Verdict,
)
from text_labeler.audit.strata import Cell, UncertainAs, is_positive

State = Literal["settled", "waiting", "open", "unclear"]
"""settled: final. waiting: read, and agreed with, but a planned second read is to come. open:
readers differ from the labeler or from each other. unclear: can't be told; it is left out."""


@dataclass(frozen=True)
class Unit:
    """An item that was read. verdict: the final one, or the first while none is final.

    call: the code of the labels that are judged, which may be of a later version than the plan.
    """

    item_id: str
    finding: str
    stratum: str
    call: int | None
    verdict: Verdict
    state: State

    def assume(self, uncertain_as: UncertainAs, *, right: bool) -> Unit:
        """Return the unit as it would be if the labeler were right on it, or wrong."""
        truth = name_call(self.finding, self.call)
        if not right and self.finding == SEVERITY:
            truth = "0" if self.call else "3"
        elif not right:
            truth = "absent" if is_positive(self.call, uncertain_as) else "present"
        return replace(self, verdict=truth, state="settled")


def judge_items(
    items: Sequence[Item], reads: Sequence[Read], calls: Mapping[str, int | None] | None = None
) -> list[Unit]:
    """Return what is known of each blind item that was read; reads of the repair queue are not.

    calls: by item id, of a later version of the labels. Raises AuditError for a read of an item
    that is not in the list, or of another pool than its item's: those must never be mixed.
    """
    known = {item.item_id: item for item in items}
    blind = {item.item_id for item in items if item.queue == "blind"}
    if calls is not None and not blind <= calls.keys():
        raise AuditError("the later labels have no call of some items of the sampling list")
    for read in reads:
        item = known.get(read.item_id)
        if item is None:
            raise AuditError(f"read {read.event}: of an item that is not in the sampling list")
        if (read.pool, read.queue) != (item.pool, item.queue):
            raise AuditError(
                f"read {read.event}: of the {read.queue} queue and the {read.pool} pool, its item"
                f" of {item.queue} and {item.pool}; they must not be mixed"
            )
        if read.verdict not in (
            SEVERITY_VERDICTS if item.finding == SEVERITY else FINDING_VERDICTS
        ):
            raise AuditError(f"read {read.event}: {read.verdict!r} is no verdict on {item.finding}")
    groups = group_reads(reads)
    units = []
    for item in items:
        if item.queue == "blind" and item.item_id in groups:
            unit = _judge(item, groups[item.item_id])
            units.append(unit if calls is None else replace(unit, call=calls[item.item_id]))
    return units


def measure_units(
    cells: Sequence[Cell], units: Sequence[Unit], uncertain_as: UncertainAs
) -> Measured:
    """Estimate all measures of one finding from the units that are not unclear."""
    clear = [unit for unit in units if unit.state != "unclear"]
    if cells[0].finding == SEVERITY:
        return measure_severity(
            [(cell.stratum, cell.call, cell.population) for cell in cells],
            [(unit.stratum, unit.call, read_grade(unit.verdict)) for unit in clear],
        )
    return measure_finding(tally_cells(cells, clear, uncertain_as))


def tally_cells(
    cells: Sequence[Cell], units: Sequence[Unit], uncertain_as: UncertainAs
) -> list[CalledTally]:
    """Count reads and hits of each cell; of severity a hit is a wrong grade in what isn't called.

    Cells of one stratum that count alike, as absent and not mentioned do, are put together:
    within a stratum the sample is random, whatever a version of the labels says of it. A cell
    that nobody has read keeps its whole doubt.
    """
    if cells[0].finding == SEVERITY:
        return [
            CalledTally(False, _count(cell.population, _take(units, cell), _is_wrong_grade))
            for cell in cells
        ]

    def is_hit(unit: Unit) -> bool:
        return unit.verdict == "present" or (
            unit.verdict == "uncertain" and uncertain_as == "positive"
        )

    sizes: dict[tuple[str, bool], int] = {}
    for cell in cells:
        key = (cell.stratum, is_positive(cell.call, uncertain_as))
        sizes[key] = sizes.get(key, 0) + cell.population
    return [
        CalledTally(
            called,
            _count(
                population,
                [
                    unit
                    for unit in units
                    if (unit.stratum, is_positive(unit.call, uncertain_as)) == (stratum, called)
                ],
                is_hit,
            ),
        )
        for (stratum, called), population in sizes.items()
    ]


def read_grade(verdict: Verdict) -> int | None:
    """Return the grade that a verdict on severity names, None for not mentioned."""
    return None if verdict == "not_mentioned" else int(verdict)


def _judge(item: Item, reads: Sequence[Read]) -> Unit:
    final = settle(item, reads)
    verdict = final or reads[0].verdict
    state: State
    if verdict == "unclear":
        state = "unclear"
    elif final is not None:
        state = "settled"
    elif needs_adjudication(item, reads) or is_conflict(item, verdict):
        state = "open"
    else:
        state = "waiting"
    return Unit(item.item_id, item.finding, item.stratum, item.call, verdict, state)


def _take(units: Sequence[Unit], cell: Cell) -> list[Unit]:
    return [unit for unit in units if (unit.stratum, unit.call) == (cell.stratum, cell.call)]


def _count(population: int, units: Sequence[Unit], is_hit: Callable[[Unit], bool]) -> Tally:
    return Tally(population, len(units), sum(map(is_hit, units)))


def _is_wrong_grade(unit: Unit) -> bool:
    return unit.call != read_grade(unit.verdict)
