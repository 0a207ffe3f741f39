"""Showing a reader what the labeler said: an event of the log, after which his read is final.

A read that could be undone after that would be no blind read any more: the store refuses it.
"""

from __future__ import annotations

from text_labeler.audit.events import Draft, append, find_event
from text_labeler.audit.records import AuditError, Read
from text_labeler.audit.store import AuditStore


def reveal(store: AuditStore, reader: str, item_id: str) -> Read:
    """Log that a reader is shown the labeler's side of an item; return his read of it.

    Nothing is logged for the repair queue, which is not blind. Raises AuditError where no read of
    his stands, and where `must_stay_blind` says so.
    """
    own = next((read for read in store.reads_of(item_id) if read.reader == reader), None)
    if own is None:
        raise AuditError("the labeler's side is shown after the read, and only to its reader")
    if must_stay_blind(store, reader, own.study_id):
        raise AuditError("this report is still to be read blind; its labels stay hidden until then")
    if own.queue == "blind":
        with store.database.writing() as connection:
            key = _key(reader, own.event)
            if find_event(connection, key) is None:
                draft = Draft(reader, "reveal", key, item_id, {"read": own.event})
                append(connection, draft, store.clock())
    return own


def must_stay_blind(store: AuditStore, reader: str, study_id: str) -> bool:
    """Whether the blind queue has an item of this report that the reader has not read.

    What is marked for one finding speaks of the others, and the repair queue shows labels at once.
    """
    mine = {read.item_id for read in store.reads() if read.reader == reader}
    return any(
        item.study_id == study_id and item.queue == "blind" and item.item_id not in mine
        for item in store.items()
    )


def _key(reader: str, event: int) -> str:
    return f"{reader}/reveal-{event}"
