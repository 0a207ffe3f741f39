"""What happens when a reader answers or undoes, inside of the one transaction that may write."""

from __future__ import annotations

from dataclasses import asdict
from typing import NamedTuple

import sqlalchemy as sa

from text_labeler.audit.accounts import check_right
from text_labeler.audit.answers import check_answer
from text_labeler.audit.events import STORE, Draft, Event, append, find_event
from text_labeler.audit.leases import find_purpose, hold_again, release, was_given
from text_labeler.audit.records import Answer, AuditError, Item, PastRead
from text_labeler.audit.standing import Standing


class Sent(NamedTuple):
    """Who sent something, with which key, and when (seconds since 1970)."""

    reader: str
    idem: str
    now: float


def find_item(standing: Standing, item_id: str) -> Item:
    """Return an item; raises AuditError for an id that the plan doesn't have."""
    item = standing.items.get(item_id)
    if item is None:
        raise AuditError("the audit's plan has no item of the id that was given")
    return item


def record_answer(
    connection: sa.Connection, standing: Standing, sent: Sent, item: Item, answer: Answer
) -> Event:
    """Log an answer, end the hold, and ask for the re-reads that it calls for.

    The event that was sent before with the same key, where there is one.
    """
    reader, item_id = sent.reader, item.item_id
    said = {**asdict(answer), "flags": list(answer.flags)}
    before = _find_sent(connection, Draft(reader, "read", sent.idem, item_id, said))
    if before is not None:
        return before
    if standing.has_read(reader, item_id):
        raise AuditError("this reader has read the item already; undo comes first")
    purpose = find_purpose(connection, standing, item_id, reader, now=sent.now)
    check_right(connection, reader, "adjudicate" if purpose == "adjudication" else "read")
    check_answer(item, purpose, answer)
    draft = Draft(reader, "read", sent.idem, item_id, {**said, "purpose": purpose})
    event = append(connection, draft, sent.now)
    release(connection, item_id, reader)
    standing.apply(event)
    if item.queue == "blind":
        _ask_again(connection, standing, event, sent.now)
    return event


def undo_last(connection: sa.Connection, standing: Standing, sent: Sent, *, until: float) -> Event:
    """Log that the reader's latest standing read is undone, and hold its item for him again."""
    before = _find_sent(connection, Draft(sent.reader, "undo", sent.idem))
    if before is not None:
        return before
    read = standing.last_read(sent.reader)
    if read is None:
        raise AuditError("there is no read of this reader to undo")
    if read.event in standing.revealed:
        raise AuditError("the labeler's side of the last read was shown: it can't be undone")
    repairs = [item for item in standing.items_of(read.study_id) if item.queue == "repair"]
    if read.queue == "blind" and was_given(connection, standing, repairs, sent.reader):
        raise AuditError("the repair queue showed the labels of this report: it can't be undone")
    draft = Draft(sent.reader, "undo", sent.idem, read.item_id, supersedes=read.event)
    event = append(connection, draft, sent.now)
    held = (read.item_id, sent.reader, read.purpose)
    hold_again(connection, held, now=sent.now, until=until)
    standing.apply(event)
    if read.queue == "blind":
        # A decoy that went with the read leaves its conflict alone: another is drawn at once.
        _ask_again(connection, standing, event, sent.now)
    return event


def tell_past(event: Event, standing: Standing) -> PastRead:
    """Tell of a logged read, and whether it stands."""
    item = standing.items[event.item_id or ""]
    return PastRead(
        event=event.seq,
        item_id=item.item_id,
        finding=item.finding,
        queue=item.queue,
        verdict=event.body["verdict"],
        note=event.body["note"],
        at=event.at,
        stands=event.seq in standing.reads,
    )


_SAID = ("verdict", "note", "flags", "error_class")
"""What an answer is; the seconds of one that is sent again may be others."""


def _find_sent(connection: sa.Connection, draft: Draft) -> Event | None:
    """Return the event that was sent before with the same key; refuse a key of something else."""
    before = find_event(connection, draft.idem)
    if before is None:
        return None
    is_same = (before.kind, before.reader) == (draft.kind, draft.reader)
    if draft.kind == "read":
        is_same = is_same and before.item_id == draft.item_id
        is_same = is_same and all(before.body[part] == draft.body[part] for part in _SAID)
    if not is_same:
        raise AuditError("this key was recorded already with another answer; undo changes it")
    return before


def _ask_again(connection: sa.Connection, standing: Standing, cause: Event, now: float) -> None:
    for number, (item_id, purpose) in enumerate(standing.plan_requests()):
        body = {"purpose": purpose, "cause": cause.seq}
        draft = Draft(STORE, "reread", f"reread-{cause.seq}-{number}", item_id, body)
        standing.apply(append(connection, draft, now))
