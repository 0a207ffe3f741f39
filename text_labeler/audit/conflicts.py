"""Which items must be read again, blind and among decoys, and what the verdict then is.

One careless "present" in a stratum of thousands counts for dozens of missed reports, so every
difference between a reader and the labeler is read again by another reader. Decoys, on which
reader and labeler agree, hide from the second reader which items those are.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from text_labeler.audit.records import Item, Purpose, Read, Verdict

SEVERITY = "edema_severity"

_CODE_VERDICTS: dict[int | None, Verdict] = {
    1: "present",
    0: "absent",
    -1: "uncertain",
    None: "not_mentioned",
}
_GRADE_VERDICTS: dict[int | None, Verdict] = {
    0: "0",
    1: "1",
    2: "2",
    3: "3",
    None: "not_mentioned",
}


class Reread(NamedTuple):
    """A read that is asked for beyond `Item.needed`: at most one of each purpose per item."""

    item_id: str
    purpose: Purpose


def name_call(finding: str, call: int | None) -> Verdict:
    """Return the verdict that a reader who agrees with the labeler's code would give."""
    return (_GRADE_VERDICTS if finding == SEVERITY else _CODE_VERDICTS)[call]


def is_same(finding: str, first: Verdict, second: Verdict) -> bool:
    """Whether two verdicts say the same: of a finding, absent and not mentioned do."""
    if finding != SEVERITY:
        first, second = (
            "absent" if verdict == "not_mentioned" else verdict for verdict in (first, second)
        )
    return first == second


def is_conflict(item: Item, verdict: Verdict) -> bool:
    """Whether a reader contradicts the labeler; `unclear` contradicts nothing."""
    return verdict != "unclear" and not is_same(
        item.finding, verdict, name_call(item.finding, item.call)
    )


def settle(item: Item, reads: Sequence[Read]) -> Verdict | None:
    """Return the final verdict of a blind item given all its standing reads; None while open.

    One read settles an item when it agrees with the labeler (or is `unclear`) and the plan asks
    for no second. Two readers who say the same settle it. Else it takes an adjudication. In the
    repair queue nothing is estimated, and a single read settles.
    """
    ordered = sorted(reads, key=lambda read: read.event)
    adjudicated = [read.verdict for read in ordered if read.purpose == "adjudication"]
    if adjudicated:
        return adjudicated[-1]
    if not ordered:
        return None
    first = ordered[0]
    if len(ordered) == 1:
        is_enough = item.needed < 2 and not is_conflict(item, first.verdict)
        return first.verdict if is_enough or item.queue == "repair" else None
    if all(is_same(item.finding, first.verdict, read.verdict) for read in ordered[1:]):
        return first.verdict
    return None


def needs_adjudication(item: Item, reads: Sequence[Read]) -> bool:
    """Whether two blind readers differ and nobody has adjudicated yet."""
    return item.queue == "blind" and len(reads) > 1 and settle(item, reads) is None


def plan_rereads(items: Iterable[Item], reads: Iterable[Read], seed: int) -> list[Reread]:
    """Return every read that the blind queue needs beyond `Item.needed`, given the standing reads.

    For each conflict a `conflict` read and, among agreeing items of the same finding that nobody
    else reads again, a `decoy`; where two readers differ an `adjudication`. An item that is
    planned for two readers needs no further read for its conflict, and serves as decoy when no
    other is left. Ask again after each read: what was asked for once is asked for again, done or
    not, in the same order, since decoys are drawn in the order of the reads by `seed`.
    """
    planner = RereadPlanner({item.item_id: item for item in items}, seed)
    for read in sorted(reads, key=lambda read: read.event):
        planner.take(read)
    return planner.list_called()


class RereadPlanner:
    """`plan_rereads` read by read: a reader waits for it after each key.

    The reads must come in the order of their events; where one is undone, begin anew.
    """

    def __init__(self, items: Mapping[str, Item], seed: int) -> None:
        self._items = items
        self._seed = seed
        self._of_item: dict[str, list[Read]] = {}
        self._owed: Counter[str] = Counter()
        self._free: dict[str, list[tuple[bytes, str]]] = {}  # heaps
        self._called: dict[Reread, None] = {}

    def take(self, read: Read) -> None:
        """Take in the next read; those of the repair queue call for nothing."""
        item = self._items.get(read.item_id)
        if item is None or item.queue != "blind":
            return
        earlier = self._of_item.setdefault(item.item_id, [])
        earlier.append(read)
        if len(earlier) == 1 and item.needed < 2:
            self._sort_first(item, read.verdict)
        elif needs_adjudication(item, earlier):
            self._called[Reread(item.item_id, "adjudication")] = None
        self._draw_decoy(item.finding)

    def list_called(self) -> list[Reread]:
        """Return what the reads so far call for, in the order in which they called for it."""
        return list(self._called)

    def _sort_first(self, item: Item, verdict: Verdict) -> None:
        if is_conflict(item, verdict):
            self._called[Reread(item.item_id, "conflict")] = None
            self._owed[item.finding] += 1
        elif verdict != "unclear":
            ranked = (rank_item(self._seed, item.item_id), item.item_id)
            heappush(self._free.setdefault(item.finding, []), ranked)

    def _draw_decoy(self, finding: str) -> None:
        waiting = self._free.get(finding, [])
        while self._owed[finding] and waiting:
            self._called[Reread(heappop(waiting)[1], "decoy")] = None
            self._owed[finding] -= 1


def rank_item(seed: int, item_id: str) -> bytes:
    """Return where an item stands in an order by chance, which nobody without the plan knows."""
    return hashlib.sha256(f"{seed}:{item_id}".encode()).digest()


def group_reads(reads: Iterable[Read]) -> Mapping[str, list[Read]]:
    """Return the reads of each item, in the order in which they were made."""
    groups: dict[str, list[Read]] = {}
    for read in sorted(reads, key=lambda read: read.event):
        groups.setdefault(read.item_id, []).append(read)
    return groups
