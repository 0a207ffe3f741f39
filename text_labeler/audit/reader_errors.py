"""How often each reader errs, told beside the labeler's errors."""

from __future__ import annotations

from collections.abc import Sequence

from configs.settings import Settings
from text_labeler.audit.conflicts import group_reads, is_conflict, is_same, settle
from text_labeler.audit.intervals import wilson
from text_labeler.audit.records import Item, Read


class ReaderErrors(Settings):
    """A reader's blind reads. differing: those that contradict the labeler.

    checked: reads of items planned for two readers and read by two; only these are a fair sample
    of the reader's work. wrong: those of them that the final verdict contradicts. undecided:
    those of them with no final verdict yet. lower and upper: Wilson's interval of the share that
    is wrong, from wrong alone to wrong and undecided.
    """

    reader: str
    reads: int
    differing: int
    checked: int
    wrong: int
    undecided: int
    lower: float
    upper: float


def measure_readers(items: Sequence[Item], reads: Sequence[Read]) -> tuple[ReaderErrors, ...]:
    """Hold each reader's blind reads against the final verdicts; `reads` are of these items."""
    known = {item.item_id: item for item in items}
    counts: dict[str, list[int]] = {}
    for item_id, group in group_reads(reads).items():
        item = known[item_id]
        final = settle(item, group)
        blind = [read for read in group if read.purpose != "adjudication"]
        for read in blind:
            count = counts.setdefault(read.reader, [0, 0, 0, 0, 0])
            count[0] += 1
            count[1] += is_conflict(item, read.verdict)
            if item.needed < 2 or len(blind) < 2 or "unclear" in (final, read.verdict):
                continue
            count[2] += 1
            if final is None:
                count[4] += 1
            else:
                count[3] += not is_same(item.finding, read.verdict, final)
    return tuple(
        ReaderErrors(
            reader=reader,
            reads=number,
            differing=differing,
            checked=checked,
            wrong=wrong,
            undecided=undecided,
            lower=wilson(wrong, checked).lower,
            upper=wilson(wrong + undecided, checked).upper,
        )
        for reader, (number, differing, checked, wrong, undecided) in sorted(counts.items())
    )
