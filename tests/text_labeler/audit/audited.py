"""An audit that was planned, read by two, adjudicated, and has a verdict of each kind."""

from __future__ import annotations

import uuid
from pathlib import Path

import pandas as pd

from configs.files import hash_file, write_text
from data_cards.label_table import read_label_table, write_label_table
from text_labeler.audit.conflicts import settle
from text_labeler.audit.place import PLAN_FILE
from text_labeler.audit.planning import (
    AuditedLabels,
    AuditPlan,
    AuditRequest,
    draw_items,
    plan_audit,
)
from text_labeler.audit.promises import parse_promises
from text_labeler.audit.records import Answer, Document, Item
from text_labeler.audit.store import AuditStore

STUDIES = 40
CALLS = (1, 1, 0, -1, None)
HOSTILE_NOTE = '=HYPERLINK("http://x")\r\nsecond line'


def name_study(number: int) -> str:
    return f"CANARY-study-{number:02d}"


def name_report(study: str) -> str:
    return f"FINDINGS: {study} shows CANARY-words."


def write_labels(path: Path) -> None:
    rows = [
        {
            "study_id": name_study(n),
            "Edema": CALLS[n % 5],
            "edema_severity": n % 4 if n % 5 < 2 else None,
        }
        for n in range(STUDIES)
    ]
    write_label_table(path, rows)


def true_verdict(item: Item) -> str:
    """The labeler is wrong on some that it calls present; some reports say nothing clear."""
    number = int(item.study_id[-2:])
    if number == 7:
        return "unclear"
    if item.finding == "edema_severity":
        return "not_mentioned" if number % 5 >= 2 else str(number % 4)
    if number % 10 == 1:
        return "absent"
    return {1: "present", 0: "absent", -1: "uncertain", None: "not_mentioned"}[CALLS[number % 5]]


def plan_table(path: Path) -> tuple[AuditPlan, pd.DataFrame]:
    """Write the labels there; return the plan to read all of them."""
    write_labels(path)
    about = AuditedLabels(
        name=path.name,
        table_hash=hash_file(path),
        labeler="rules",
        labeler_version="1",
        corpus="",
        corpus_hash="",
    )
    request = AuditRequest(
        findings=("Edema", "edema_severity"),
        promises=parse_promises("precision >= .5, accuracy >= .5"),
        salt="salt",
        reads=(STUDIES, STUDIES),
    )
    table = read_label_table(path)
    return plan_audit(request, about, table), table


def make_audit(folder: Path) -> AuditStore:
    """Plan and read an audit of all studies; anna can't tell of one item, and dora decides."""
    plan, table = plan_table(folder.parent / "labels.parquet")
    items = draw_items(plan, table)
    studies = dict.fromkeys(item.study_id for item in items)
    store = AuditStore.create(folder)
    store.add_plan(plan.to_json(), items, [Document(s, name_report(s)) for s in studies])
    write_text(folder / PLAN_FILE, plan.to_json())
    for reader, role in (("anna", "reader"), ("ben", "reader"), ("dora", "adjudicator")):
        store.accounts.add(reader, role)
    _read(store, "anna", Answer("unclear", 9.0))
    store.undo("anna", idem="undo")
    _read(store, "anna", Answer("unclear", 3.0, HOSTILE_NOTE, ("blurred",)))
    for reader in ("anna", "ben"):
        while _read(store, reader):
            pass
    (open_item,) = [item for item in items if settle(item, store.reads_of(item.item_id)) is None]
    given = store.claim("dora", queue="blind", adjudicate=True)
    assert given.item == open_item
    answer = Answer(true_verdict(open_item), 5.0, error_class="reader_error")
    store.record("dora", open_item.item_id, answer, idem="adjudicated")
    return store


def _read(store: AuditStore, reader: str, answer: Answer | None = None) -> bool:
    given = store.claim(reader, queue="blind")
    if given is not None:
        said = answer or Answer(true_verdict(given.item), 2.0)
        store.record(reader, given.item.item_id, said, idem=uuid.uuid4().hex)
    return given is not None
