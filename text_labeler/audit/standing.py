"""What stands by an audit's log: reads that were not undone, re-reads asked for, reads still open.

Events are only ever added, so this mirror of the log is brought up to date by the events after
the last one seen; every rule about who may read what is asked of it, on either database.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from text_labeler.audit.conflicts import Reread, RereadPlanner, needs_adjudication, rank_item
from text_labeler.audit.events import Event
from text_labeler.audit.records import Item, Purpose, Queue, Read


class Request(NamedTuple):
    """A re-read that the log asks for. cause: the event after which it was."""

    reread: Reread
    cause: int


class Standing:
    """The items of an audit, and what its log says of them up to the event `seq`.

    reads: the standing reads by event. revealed: those whose reader was then shown what the labeler
    said. items: in their published order. seed: of the decoys.
    """

    def __init__(self, items: Iterable[Item], seed: int) -> None:
        ordered = sorted(items, key=lambda item: (item.place, item.item_id))
        self.items = {item.item_id: item for item in ordered}
        self.seed = seed
        self.seq = 0
        self.reads: dict[int, Read] = {}
        self.revealed: set[int] = set()
        self._undone: set[int] = set()
        self._of_item: dict[str, dict[int, Read]] = {}
        self._requests: dict[str, list[Request]] = {}
        self._planner: RereadPlanner | None = None
        self._of_reader: dict[tuple[str, Queue], dict[int, float]] = {}
        self._planned: Counter[Queue] = Counter()
        self._of_study: dict[str, list[Item]] = {}
        # The open items of each queue: by their rank where somebody has read them, else in order.
        self._begun: dict[Queue, dict[str, bytes]] = {"blind": {}, "repair": {}}
        self._fresh: dict[Queue, dict[str, int]] = {"blind": {}, "repair": {}}
        for item in ordered:
            self._planned[item.queue] += item.needed
            self._fresh[item.queue][item.item_id] = item.place
            self._of_study.setdefault(item.study_id, []).append(item)

    def apply(self, event: Event) -> None:
        """Take in the next event of the log."""
        if event.kind == "read":
            read = _make_read(event, self.items[event.item_id or ""])
            self.reads[event.seq] = read
            self._of_item.setdefault(read.item_id, {})[event.seq] = read
            self._of_reader.setdefault((read.reader, read.queue), {})[event.seq] = read.seconds
            if self._planner is not None:
                self._planner.take(read)
            self._look(read.item_id)
        elif event.kind == "reveal":
            self.revealed.add(event.body["read"])
        elif event.kind == "undo":
            self._take_back(event.supersedes or 0)
        elif event.kind == "reread":
            reread = Reread(event.item_id or "", event.body["purpose"])
            request = Request(reread, event.body["cause"])
            self._requests.setdefault(reread.item_id, []).append(request)
            self._look(reread.item_id)
        self.seq = event.seq

    def items_of(self, study_id: str) -> list[Item]:
        """Return the items of a study, of both queues."""
        return self._of_study.get(study_id, [])

    def reads_of(self, item_id: str) -> list[Read]:
        """Return an item's standing reads in the order in which they were made."""
        return list(self._of_item.get(item_id, {}).values())

    def has_read(self, reader: str, item_id: str) -> bool:
        """Whether a read of this reader stands for an item."""
        return any(read.reader == reader for read in self._of_item.get(item_id, {}).values())

    def last_read(self, reader: str) -> Read | None:
        """Return the reader's latest standing read, of any item."""
        mine = (read for read in reversed(self.reads.values()) if read.reader == reader)
        return next(mine, None)

    def list_open(self, queue: Queue, *, adjudicate: bool = False) -> Iterator[Item]:
        """Give the items that still need a read: those that were read, then the fresh ones.

        Read ones come in an order by chance, whatever they are read again for: in the published
        order a decoy, drawn among earlier items, would come before its conflict. Fresh ones come
        in the published order; there are none to adjudicate.
        """
        begun = self._begun[queue]
        for item_id in sorted(begun, key=begun.__getitem__):
            yield self.items[item_id]
        if not adjudicate:
            for item_id in self._fresh[queue]:
                yield self.items[item_id]

    def count(self, queue: Queue) -> tuple[int, int]:
        """Return a queue's reads as planned, and the blind or repair reads of all readers."""
        readers = self._of_reader.items()
        return self._planned[queue], sum(len(own) for key, own in readers if key[1] == queue)

    def list_seconds(self, reader: str, queue: Queue) -> list[float]:
        """Return how long each standing read of a reader took."""
        return list(self._of_reader.get((reader, queue), {}).values())

    def list_purposes(self, item_id: str, held: Sequence[Purpose] = ()) -> list[Purpose]:
        """Return what an item still needs reads for, beside its reads and those held by others."""
        filled = Counter(read.purpose for read in self.reads_of(item_id)) + Counter(held)
        left: list[Purpose] = []
        for purpose in self._list_wanted(item_id):
            if filled[purpose]:
                filled[purpose] -= 1
            else:
                left.append(purpose)
        return left

    def plan_requests(self) -> list[Reread]:
        """Return the re-reads that the standing reads call for and the log doesn't ask for yet."""
        if self._planner is None:
            self._planner = RereadPlanner(self.items, self.seed)
            for read in self.reads.values():
                self._planner.take(read)
        asked = {request.reread for item_id in self._requests for request in self._valid(item_id)}
        return [reread for reread in self._planner.list_called() if reread not in asked]

    def list_requests(self) -> list[Reread]:
        """Return the re-reads that the log asks for, read or not."""
        return [r.reread for item_id in self._requests for r in self._valid(item_id)]

    def _list_wanted(self, item_id: str) -> list[Purpose]:
        needed = self.items[item_id].needed
        seconds: list[Purpose] = ["second"] * (needed - 1)
        asked = [request.reread.purpose for request in self._valid(item_id)]
        return ["first", *seconds, *asked]

    def _valid(self, item_id: str) -> list[Request]:
        """Return an item's requests without those that are void: their cause is gone, unread."""
        given = {read.purpose for read in self._of_item.get(item_id, {}).values()}
        return [
            request
            for request in self._requests.get(item_id, [])
            if request.reread.purpose in given or self._is_called(request)
        ]

    def _is_called(self, request: Request) -> bool:
        item_id, purpose = request.reread
        if purpose == "adjudication":
            return needs_adjudication(self.items[item_id], self.reads_of(item_id))
        return request.cause not in self._undone

    def _take_back(self, seq: int) -> None:
        read = self.reads.pop(seq)
        self._undone.add(seq)
        self._planner = None  # decoys are drawn anew from the reads that are left
        del self._of_item[read.item_id][seq]
        del self._of_reader[read.reader, read.queue][seq]
        self._look(read.item_id)
        for item_id, requests in self._requests.items():
            if any(request.cause == seq for request in requests):
                self._look(item_id)

    def _look(self, item_id: str) -> None:
        """Put an item among the begun or the fresh ones, or take it out where it is done."""
        item = self.items[item_id]
        begun, fresh = self._begun[item.queue], self._fresh[item.queue]
        if not self.list_purposes(item_id):
            begun.pop(item_id, None)
            fresh.pop(item_id, None)
        elif self._of_item.get(item_id):
            begun[item_id] = rank_item(self.seed, item_id)
            fresh.pop(item_id, None)
        elif item_id not in fresh:
            begun.pop(item_id, None)
            fresh[item_id] = item.place
            ordered = sorted(fresh.items(), key=lambda pair: (pair[1], pair[0]))
            self._fresh[item.queue] = dict(ordered)


def _make_read(event: Event, item: Item) -> Read:
    body = event.body
    return Read(
        event=event.seq,
        item_id=item.item_id,
        study_id=item.study_id,
        finding=item.finding,
        queue=item.queue,
        pool=item.pool,
        reader=event.reader,
        purpose=body["purpose"],
        verdict=body["verdict"],
        seconds=body["seconds"],
        at=event.at,
        note=body["note"],
        flags=tuple(body["flags"]),
        error_class=body["error_class"],
    )
