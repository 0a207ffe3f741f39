"""The store of an audit: gives items to readers, records what they say, and forgets nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import NamedTuple

from text_labeler.audit import plan_store
from text_labeler.audit.accounts import Accounts, check_logged, check_right
from text_labeler.audit.conflicts import Reread
from text_labeler.audit.database import Database
from text_labeler.audit.events import (
    NO_HASH,
    STORE,
    Draft,
    Event,
    append,
    has_hash,
    read_events,
    read_rows,
    verify_chain,
)
from text_labeler.audit.leases import Wish, hold_next
from text_labeler.audit.mirror import Mirror
from text_labeler.audit.recording import Sent, find_item, record_answer, tell_past, undo_last
from text_labeler.audit.records import (
    Answer,
    Assignment,
    AuditError,
    Document,
    Item,
    PastRead,
    Progress,
    Queue,
    Read,
)

LEASE_SECONDS = 600.0
"""How long an item is held for a reader who does not answer."""


class Snapshot(NamedTuple):
    """An audit at one moment, while others go on reading: items, standing reads, and its log."""

    items: list[Item]
    reads: list[Read]
    events: list[Event]

    @property
    def log_head(self) -> str:
        """The hash of the last event of that moment."""
        return self.events[-1].hash if self.events else NO_HASH


class AuditStore:
    """An audit's database with the rules of who reads what; safe for threads and processes.

    Each call is one transaction: what it returned is on the disk. Where there are accounts, only
    they read, by their roles. All calls raise AuditError for
    what the rules refuse and for what the database can't do (a full disk, a lost server).
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], float] = time.time,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self.database = database
        self.clock = clock
        self.lease_seconds = lease_seconds
        self.accounts = Accounts(database, clock)
        self.mirror = Mirror(database)

    @classmethod
    def create(cls, place: str | Path) -> AuditStore:
        """Make a new audit: in a folder (SQLite), or in a PostgreSQL database given by its URL."""
        return cls(_prepare(Database(place), Database.create))

    @classmethod
    def open(cls, place: str | Path, *, lease_seconds: float = LEASE_SECONDS) -> AuditStore:
        """Open an audit that stands; raises AuditError for what is none, or is damaged."""
        return cls(_prepare(Database(place), Database.check), lease_seconds=lease_seconds)

    def add_plan(
        self, plan_json: str, items: Sequence[Item], documents: Iterable[Document]
    ) -> Event:
        """Store the one plan of this audit, with what is to be read, and log their hashes."""
        with self.mirror.writing() as (connection, _):
            body = plan_store.write_plan(connection, plan_json, items, documents)
            draft = Draft(reader=STORE, kind="plan", idem="plan", body=body)
            return append(connection, draft, self.clock())

    def plan(self) -> str:
        """Return the plan's JSON as it was given."""
        with self.database.reading() as connection:
            found = plan_store.read_plan(connection)
        if found is None:
            raise AuditError(f"{self.database.place}: the audit has no plan yet")
        return found

    def items(self) -> list[Item]:
        """Return all items in their published order."""
        with self.mirror.reading() as (_, standing):
            return list(standing.items.values())

    def item(self, item_id: str) -> Item:
        """Return one item; raises AuditError for an id that the plan doesn't have."""
        with self.mirror.reading() as (_, standing):
            return find_item(standing, item_id)

    def document(self, study_id: str) -> Document:
        """Return what is shown of a study; raises AuditError where the audit doesn't have it."""
        with self.database.reading() as connection:
            return plan_store.read_document(connection, study_id)

    def claim(
        self,
        reader: str,
        *,
        queue: Queue,
        adjudicate: bool = False,
        skip: Collection[str] = (),
    ) -> Assignment | None:
        """Hold the next item for a reader; None when nothing is left for him.

        An item that he holds already comes first, so that a page shown again shows the same; an
        item whose read he undid comes before those. Never an item that he has read, nor one that
        enough others read or hold. adjudicate: items on which readers differ, and only these.
        skip: item ids to pass over, such as those held for the pages to come.
        """
        if not reader or reader == STORE:
            raise AuditError(f"a reader needs a name, and another than {STORE!r}")
        wish = Wish(reader, queue, adjudicate, skip)
        with self.mirror.writing() as (connection, standing):
            check_right(connection, reader, "adjudicate" if adjudicate else "read")
            now = self.clock()
            until = now + self.lease_seconds
            return hold_next(connection, standing, wish, now=now, until=until)

    def record(self, reader: str, item_id: str, answer: Answer, *, idem: str) -> Event:
        """Log a reader's answer to an item that he holds, and ask for the re-reads it calls for.

        idem: names the press of a key; the same answer sent again with it is the same event.
        """
        with self.mirror.writing() as (connection, standing):
            sent = Sent(reader, f"{reader}/{idem}", self.clock())
            return record_answer(connection, standing, sent, find_item(standing, item_id), answer)

    def undo(self, reader: str, *, idem: str) -> Event:
        """Take back the reader's latest standing read, of whatever item; both events stay.

        The item is held for him again and comes first. Called again it goes further back.
        """
        with self.mirror.writing() as (connection, standing):
            sent = Sent(reader, f"{reader}/{idem}", self.clock())
            return undo_last(connection, standing, sent, until=self.clock() + self.lease_seconds)

    def reads(self) -> list[Read]:
        """Return the reads that stand, of both queues, in the order in which they were made."""
        with self.mirror.reading() as (_, standing):
            return list(standing.reads.values())

    def reads_of(self, item_id: str) -> list[Read]:
        """Return the standing reads of one item: for an adjudicator, never for a blind reader."""
        with self.mirror.reading() as (_, standing):
            return standing.reads_of(find_item(standing, item_id).item_id)

    def rereads(self) -> list[Reread]:
        """Return the re-reads asked for so far, read or not: for the lead, never for a reader."""
        with self.mirror.reading() as (_, standing):
            return standing.list_requests()

    def history(self, reader: str, n: int) -> list[PastRead]:
        """Return a reader's last `n` reads, the latest first, with those that he undid."""
        with self.mirror.reading() as (connection, standing):
            events = read_events(connection, reader=reader, kind="read", last=n)
            return [tell_past(event, standing) for event in reversed(events)]

    def progress(self, reader: str, *, queue: Queue = "blind") -> Progress:
        """Say how far a queue is, and this reader with it."""
        with self.mirror.reading() as (_, standing):
            planned, read = standing.count(queue)
            mine = standing.list_seconds(reader, queue)
        return Progress(planned, min(planned, read), len(mine), median(mine) if mine else None)

    def events(self) -> list[Event]:
        """Return the whole log."""
        with self.database.reading() as connection:
            return read_events(connection)

    def snapshot(self) -> Snapshot:
        """Return items, standing reads and log of one moment; `verify` checks the chain."""
        with self.mirror.reading() as (connection, standing):
            events = read_events(connection)[: standing.seq]
            return Snapshot(list(standing.items.values()), list(standing.reads.values()), events)

    def verify(self, known: str | None = None) -> str:
        """Return the hash of the log's last event; raises AuditError naming the first bad one.

        Whatever byte of the log, the plan, an item or a document was changed is found, and a role
        that was given to an account behind the log; that the
        last events were removed, or all of them written anew, only by `known`: any event's hash
        that was kept elsewhere.
        """
        with self.database.reading() as connection:
            head = verify_chain(read_rows(connection))
            logged = read_events(connection, kind="plan")
            found = plan_store.hash_contents(connection)
            is_planned = plan_store.read_plan(connection) is not None
            check_logged(connection)
            if known is not None and not has_hash(connection, known):
                raise AuditError(
                    "the log holds no event of the hash that was kept: its end was cut off, or it"
                    " was written anew"
                )
        if is_planned and not logged:
            raise AuditError("the log does not tell of the audit's plan: it was cut off")
        for part, value in found.items():
            if is_planned and logged[0].body.get(part) != value:
                raise AuditError(f"the audit's {part} are not those that event 1 logged")
        return head

    def close(self) -> None:
        """Close the database's connections."""
        self.database.close()

    def __enter__(self) -> AuditStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _prepare(database: Database, step: Callable[[Database], None]) -> Database:
    try:
        step(database)
    except AuditError:
        database.close()
        raise
    return database
