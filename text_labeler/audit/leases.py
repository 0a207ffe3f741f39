"""Who holds which item, until when: what keeps an item from being read by more than it needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from text_labeler.audit.records import Assignment, AuditError, Item, Purpose, Queue
from text_labeler.audit.standing import Standing
from text_labeler.audit.tables import LEASES


@dataclass(frozen=True)
class Wish:
    """What a reader asks for. adjudicate: items to adjudicate, and else none of these.

    skip: ids of items not to be given now, though the reader may hold them.
    """

    reader: str
    queue: Queue
    adjudicate: bool = False
    skip: Collection[str] = ()

    def fits(self, purpose: Purpose) -> bool:
        """Whether a read for this purpose is asked for."""
        return (purpose == "adjudication") == self.adjudicate


def hold_next(
    connection: sa.Connection, standing: Standing, wish: Wish, *, now: float, until: float
) -> Assignment | None:
    """Give the reader an item of his own that he still holds, or else the next that needs him."""
    held = _list_live(connection, now, until)
    mine = sorted((row for row in held if row.reader == wish.reader), key=lambda row: row.turn)
    for row in mine:
        is_wanted = row.item_id not in wish.skip and wish.fits(row.purpose)
        if is_wanted and standing.items[row.item_id].queue == wish.queue:
            return _hold(connection, standing, row, now=now, until=until)
    of_others: dict[str, list[Purpose]] = {}
    for row in held:
        if row.reader != wish.reader:
            of_others.setdefault(row.item_id, []).append(row.purpose)
    taken = {*wish.skip, *(row.item_id for row in mine)}
    for item in standing.list_open(wish.queue, adjudicate=wish.adjudicate):
        if item.item_id in taken or standing.has_read(wish.reader, item.item_id):
            continue
        left = standing.list_purposes(item.item_id, of_others.get(item.item_id, ()))
        fitting = [purpose for purpose in left if wish.fits(purpose)]
        if fitting:
            row = _Row(item.item_id, wish.reader, fitting[0], now)
            return _hold(connection, standing, row, now=now, until=until)
    return None


def hold_again(
    connection: sa.Connection, read: tuple[str, str, Purpose], *, now: float, until: float
) -> None:
    """Give an item back to the reader who undid his read of it, before all else that he holds.

    read: item id, reader and purpose.
    """
    _write(connection, _Row(*read, turn=-now), until)


def was_given(
    connection: sa.Connection, standing: Standing, items: Sequence[Item], reader: str
) -> bool:
    """Whether a reader has read any of these items, or was given it, be the hold over or not."""
    if any(standing.has_read(reader, item.item_id) for item in items):
        return True
    ids = [item.item_id for item in items]
    held = sa.select(LEASES.c.item_id).where(LEASES.c.reader == reader, LEASES.c.item_id.in_(ids))
    return bool(ids) and connection.execute(held).first() is not None


def find_purpose(
    connection: sa.Connection, standing: Standing, item_id: str, reader: str, *, now: float
) -> Purpose:
    """Return the purpose for which a reader holds an item that he answers now.

    A lease that ran out counts while nobody else took the item, and so does one whose re-read
    nobody asks for any more. Of two who hold one item, as where a clock was set back, it is the
    later one's. Raises AuditError otherwise.
    """
    rows = connection.execute(sa.select(LEASES).where(LEASES.c.item_id == item_id)).all()
    own = next((row for row in rows if row.reader == reader), None)
    if own is None:
        raise AuditError("the item was not given to this reader, or was read already")
    purpose: Purpose = own.purpose
    is_late = own.expires <= now
    others = [
        row.purpose
        for row in rows
        if row.reader != reader and row.expires > now and (is_late or row.turn > own.turn)
    ]
    left = [
        other
        for other in standing.list_purposes(item_id, others)
        if (other == "adjudication") == (purpose == "adjudication")
    ]
    if purpose in left:
        return purpose
    given = [*others, *(read.purpose for read in standing.reads_of(item_id))]
    if not is_late and purpose not in given:
        return purpose
    if not left:
        raise AuditError("the item was held too long, and another reader has taken it")
    return left[0]


def release(connection: sa.Connection, item_id: str, reader: str) -> None:
    """End a reader's hold on an item."""
    connection.execute(sa.delete(LEASES).where(_is_of(item_id, reader)))


@dataclass(frozen=True)
class _Row:
    item_id: str
    reader: str
    purpose: Purpose
    turn: float
    expires: float = 0.0


def _list_live(connection: sa.Connection, now: float, until: float) -> list[Any]:
    # One that ends far beyond a new one was made by a clock that has been set back since.
    last = until + (until - now)
    live = (LEASES.c.expires > now, LEASES.c.expires <= last)
    return list(connection.execute(sa.select(LEASES).where(*live)))


def _hold(
    connection: sa.Connection, standing: Standing, row: Any, *, now: float, until: float
) -> Assignment:
    # Held long enough, it is not written again: the reader would wait for the disk.
    if row.expires - now <= (until - now) / 2:
        _write(connection, row, until)
        return Assignment(standing.items[row.item_id], row.reader, row.purpose, until)
    return Assignment(standing.items[row.item_id], row.reader, row.purpose, row.expires)


def _write(connection: sa.Connection, row: Any, until: float) -> None:
    release(connection, row.item_id, row.reader)
    connection.execute(
        sa.insert(LEASES).values(
            item_id=row.item_id,
            reader=row.reader,
            purpose=row.purpose,
            turn=row.turn,
            expires=until,
        )
    )


def _is_of(item_id: str, reader: str) -> sa.ColumnElement[bool]:
    return sa.and_(LEASES.c.item_id == item_id, LEASES.c.reader == reader)
