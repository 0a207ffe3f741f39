"""The log of an audit: events that are only ever added, each holding the hash of the one before."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import sqlalchemy as sa

from configs.files import canonical_json, hash_json
from text_labeler.audit.records import AuditError
from text_labeler.audit.tables import EVENTS

NO_HASH = "0" * 64
"""What the first event holds as the hash of the one before it."""

Kind = Literal["plan", "read", "undo", "reread", "reveal", "account"]
STORE = "store"
"""The `reader` of events that the store adds by itself."""


@dataclass(frozen=True)
class Event:
    """One line of the log. seq: 1, 2, …; at: UTC, ISO 8601; body: what the kind says.

    supersedes: the event that this one undoes. idem: names the press of a key, so that a second
    sending is the same event. hash: SHA-256 of the canonical JSON of all else.
    """

    seq: int
    at: str
    reader: str
    item_id: str | None
    kind: Kind
    body: dict[str, Any]
    supersedes: int | None
    idem: str
    previous: str
    hash: str


@dataclass(frozen=True)
class Draft:
    """An event that has no place in the log yet."""

    reader: str
    kind: Kind
    idem: str
    item_id: str | None = None
    body: dict[str, Any] = field(default_factory=dict)
    supersedes: int | None = None


def append(connection: sa.Connection, draft: Draft, now: float) -> Event:
    """Add an event to the end of the log, inside of a writing transaction."""
    last = connection.execute(
        sa.select(EVENTS.c.seq, EVENTS.c.hash).order_by(EVENTS.c.seq.desc()).limit(1)
    ).first()
    values: dict[str, Any] = {
        "seq": 1 if last is None else last.seq + 1,
        "at": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
        **asdict(draft),
        "previous": NO_HASH if last is None else last.hash,
    }
    values["hash"] = hash_json(_as_hashed(values))
    row = {**values, "body": canonical_json(draft.body)}
    connection.execute(sa.insert(EVENTS).values(row))
    return Event(**values)


def read_events(
    connection: sa.Connection,
    *,
    after: int = 0,
    reader: str | None = None,
    kind: Kind | None = None,
    last: int | None = None,
) -> list[Event]:
    """Return the events after a number, of a reader and a kind, in order; or the `last` of them."""
    query = sa.select(EVENTS).where(EVENTS.c.seq > after).order_by(EVENTS.c.seq.desc())
    if reader is not None:
        query = query.where(EVENTS.c.reader == reader)
    if kind is not None:
        query = query.where(EVENTS.c.kind == kind)
    return [_parse(row) for row in connection.execute(query.limit(last)).mappings()][::-1]


def find_event(connection: sa.Connection, idem: str) -> Event | None:
    """Return the event that has this key, if there is one."""
    row = connection.execute(sa.select(EVENTS).where(EVENTS.c.idem == idem)).mappings().first()
    return None if row is None else _parse(row)


def has_hash(connection: sa.Connection, known: str) -> bool:
    """Whether any event has this hash."""
    return bool(connection.scalar(sa.select(EVENTS.c.seq).where(EVENTS.c.hash == known)))


def verify_chain(rows: Iterable[Any]) -> str:
    """Return the hash of the last event, NO_HASH of none; raises AuditError naming the first bad.

    rows: mappings as the table holds them, in order; `body` is text.
    """
    previous = NO_HASH
    for number, row in enumerate(rows, start=1):
        values = dict(row)
        if values["seq"] != number:
            raise AuditError(f"the log is broken: event {number} is missing or out of place")
        if values["previous"] != previous:
            raise AuditError(f"the log is broken: event {number} does not follow the one before")
        previous = hash_json(_as_hashed(values))
        if values["hash"] != previous:
            raise AuditError(f"the log is broken: event {number} is not what was written")
    return previous


def read_rows(connection: sa.Connection) -> Iterator[Any]:
    """Give all events as the table holds them, in order."""
    yield from connection.execute(sa.select(EVENTS).order_by(EVENTS.c.seq)).mappings()


def _as_hashed(values: dict[str, Any]) -> dict[str, Any]:
    body = values["body"]
    text = body if isinstance(body, str) else canonical_json(body)
    return {key: value for key, value in values.items() if key != "hash"} | {"body": text}


def _parse(row: Any) -> Event:
    try:
        return Event(**{**row, "body": json.loads(row["body"])})
    except ValueError as error:
        raise AuditError(f"the log is broken: event {row['seq']} is not readable") from error
