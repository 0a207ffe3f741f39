"""Showing a reader what the labeler said: an event of the log, after which his read is final.

A read that could be undone after that would be no blind read any more: the store refuses it.
"""

from __future__ import annotations

from text_labeler.audit.events import Draft, append
from text_labeler.audit.recording import find_item
from text_labeler.audit.records import AuditError, Read
from text_labeler.audit.standing import Standing
from text_labeler.audit.store import AuditStore


def reveal(store: AuditStore, reader: str, item_id: str) -> Read:
    """Log that a reader is shown the labeler's side of an item; return his read of it.

    Nothing is logged for the repair queue, which is not blind. Raises AuditError where no read of
    his stands, and where `must_stay_blind` says so.
    """
    with store.mirror.writing() as (connection, standing):
        reads = standing.reads_of(find_item(standing, item_id).item_id)
        own = next((read for read in reads if read.reader == reader), None)
        if own is None:
            raise AuditError("the labeler's side is shown after the read, and only to its reader")
        if _is_blind(standing, reader, own.study_id):
            raise AuditError(
                "this report is still to be read blind; its labels stay hidden until then"
            )
        if own.queue == "blind" and own.event not in standing.revealed:
            draft = Draft(reader, "reveal", _key(reader, own.event), item_id, {"read": own.event})
            standing.apply(append(connection, draft, store.clock()))
    return own


def must_stay_blind(store: AuditStore, reader: str, study_id: str) -> bool:
    """Whether the blind queue has an item of this report that the reader has not read.

    What is marked for one finding speaks of the others, and the repair queue shows labels at once.
    """
    with store.mirror.reading() as (_, standing):
        return _is_blind(standing, reader, study_id)


def _is_blind(standing: Standing, reader: str, study_id: str) -> bool:
    return any(
        item.queue == "blind" and not standing.has_read(reader, item.item_id)
        for item in standing.items_of(study_id)
    )


def _key(reader: str, event: int) -> str:
    return f"{reader}/reveal-{event}"
