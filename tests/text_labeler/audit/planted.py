"""A small audit for tests: planted items, reports, and readers who know what the labeler said."""

from __future__ import annotations

import json
import uuid

from text_labeler.audit.records import Answer, Document, Item
from text_labeler.audit.store import AuditStore

VERDICT_OF_CALL = {1: "present", 0: "absent", -1: "uncertain", None: "not_mentioned"}


def plant_items(number: int = 6, **changes) -> list[Item]:
    values = {
        "finding": "Edema",
        "queue": "blind",
        "pool": "hold_out",
        "stratum": "pos_certain",
        "call": 1,
    }
    return [
        Item(item_id=f"item-{n}", study_id=f"study-{n}", place=n, **values | changes)
        for n in range(number)
    ]


def plant_documents(items) -> list[Document]:
    studies = dict.fromkeys(item.study_id for item in items)
    return [Document(study, f"FINDINGS: the report of {study}.") for study in studies]


def plant(place: str, items=None) -> AuditStore:
    store = AuditStore.create(place)
    items = plant_items() if items is None else items
    store.add_plan(json.dumps({"seed": 3}), items, plant_documents(items))
    return store


def read_next(store: AuditStore, reader: str, verdict: str | None = None, *, queue="blind"):
    """Claim and answer, as the labeler would where no verdict is given; None at the end."""
    given = store.claim(reader, queue=queue)
    if given is None:
        return None
    answer = Answer(verdict or VERDICT_OF_CALL[given.item.call], seconds=1.5)
    return store.record(reader, given.item.item_id, answer, idem=uuid.uuid4().hex)


def read_all(store: AuditStore, reader: str) -> int:
    number = 0
    while read_next(store, reader) is not None:
        number += 1
    return number
