"""How many more reads a promise needs: when all go well, or as a labeler is expected to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from text_labeler.audit.measures import EDGE, CalledTally, infer_measure
from text_labeler.audit.posterior import JEFFREYS, Tally
from text_labeler.audit.promises import Promise

Decision = Literal["proved", "refuted", "open"]
STEP = 10
"""More reads are counted in tens: they are a forecast."""


def is_kept(cells: Sequence[CalledTally], promise: Promise) -> bool:
    """Whether the reads prove a promise: the two-sided 95 % interval lies on its side of the bound.

    A one-sided 95 % quantile would do with fewer reads, but would break about 5 % of the promises
    of a poor labeler; this breaks fewer than 3 % (benchmarks/audit_coverage.py).
    """
    measure = _name_measure(promise)
    quantile = infer_measure(cells, measure)
    if quantile is None:
        return False
    if promise.is_lower:
        return quantile(EDGE) >= promise.bound
    return quantile(1 - EDGE) <= promise.bound


def is_certain(cells: Sequence[CalledTally], promise: Promise, decision: Decision) -> bool:
    """Whether cells that nobody has read can't change a decision, be they all wrong or all right.

    A prior alone must decide nothing. `over_call` can't be told from wrong grades here: with such
    cells it is never certain.
    """
    if decision == "open" or all(tally.reads or not tally.population for _, tally in cells):
        return True
    if promise.measure == "over_call":
        return False
    assumed = [_assume_unread(cell, right=decision == "refuted") for cell in cells]
    return is_kept(assumed, promise) == (decision == "proved")


def _assume_unread(cell: CalledTally, *, right: bool) -> CalledTally:
    population, reads, _ = cell.tally
    if reads:
        return cell
    hits = population if cell.is_called == right else 0
    return cell._replace(tally=Tally(population, population, hits))


def count_more_reads(cells: Sequence[CalledTally], promise: Promise) -> int | None:
    """Return how many more reads, all clean, prove a promise; None where no number does.

    Clean: the labeler is right on each. They are dealt out to the cells by how much each cell's
    doubt counts.
    """
    unread = sum(cell.tally.population - cell.tally.reads for cell in cells)
    return find_fewest(unread, lambda more: is_kept(_read_cleanly(cells, promise, more), promise))


def find_fewest(most: int, is_enough: Callable[[int], bool]) -> int | None:
    """Return about the fewest reads, in tens, that are enough; None where not even `most` are."""
    if is_enough(0):
        return 0
    low, high = 0, STEP
    while high < most and not is_enough(high):
        low, high = high, high * 2
    if high >= most:
        high = most
        if not is_enough(high):
            return None
    while high - low > max(STEP, high // 20):
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return min(most, -(-high // STEP) * STEP)


def _read_cleanly(cells: Sequence[CalledTally], promise: Promise, more: int) -> list[CalledTally]:
    unread = np.array([cell.tally.population - cell.tally.reads for cell in cells])
    weights = np.array([_weigh(cell, promise) for cell in cells])
    given = np.zeros(len(cells), dtype=int)
    while (left := more - int(given.sum())) > 0:
        room = np.where(given < unread, weights, 0.0)
        if not room.sum():
            room = (given < unread).astype(float)
        shares = np.ceil(left * room / room.sum()).astype(int)
        # Rounded up, in the order of the cells, until they are all given away.
        shares = np.minimum(shares, unread - given)
        shares = np.diff(np.minimum(np.cumsum(shares), left), prepend=0)
        given += shares
    return [
        CalledTally(
            cell.is_called,
            cell.tally._replace(
                reads=cell.tally.reads + int(number),
                hits=cell.tally.hits + (int(number) if cell.is_called else 0),
            ),
        )
        for cell, number in zip(cells, given, strict=True)
    ]


def _weigh(cell: CalledTally, promise: Promise) -> float:
    if promise.measure == "precision" and not cell.is_called:
        return 0.0
    population, reads, hits = cell.tally
    share = (hits + JEFFREYS) / (reads + 2 * JEFFREYS)
    return float(population * np.sqrt(share * (1 - share)))


def _name_measure(promise: Promise) -> str:
    # Of severity every cell's hits are wrong grades, or over-calls where those are promised.
    return "error_rate" if promise.measure == "over_call" else promise.measure
