"""What an audit is given once and never changed: its plan, its items, and the reports to read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from configs.files import canonical_json, hash_json
from text_labeler.audit.records import AuditError, Document, Item
from text_labeler.audit.tables import ABOUT, DOCUMENTS, ITEMS

_BATCH = 500


def write_plan(
    connection: sa.Connection, plan: str, items: Sequence[Item], documents: Iterable[Document]
) -> dict[str, str]:
    """Store a plan with its items and documents; return the hashes of the three for the log.

    Raises AuditError for a plan that is no JSON object, a second plan, repeated items, and items
    without a document.
    """
    read_seed(plan)
    if read_plan(connection) is not None:
        raise AuditError("the audit has its plan already; make another audit for another plan")
    ids = {item.item_id for item in items}
    if len(ids) < len(items):
        raise AuditError(f"{len(items) - len(ids)} items have the id of another; expected none")
    connection.execute(sa.insert(ABOUT).values(name="plan", value=plan))
    rows = [{"item_id": item.item_id, "body": canonical_json(asdict(item))} for item in items]
    _insert(connection, ITEMS, rows)
    told: set[str] = set()
    batch: list[dict[str, str]] = []
    for document in documents:
        if document.study_id in told:
            raise AuditError(f"document {len(told) + 1}: a second one of one study")
        told.add(document.study_id)
        batch.append({"study_id": document.study_id, "body": canonical_json(asdict(document))})
        if len(batch) == _BATCH:
            _insert(connection, DOCUMENTS, batch)
            batch = []
    _insert(connection, DOCUMENTS, batch)
    missing = {item.study_id for item in items} - told
    if missing:
        raise AuditError(f"{len(missing)} studies of the plan have no report to read")
    return hash_contents(connection)


def hash_contents(connection: sa.Connection) -> dict[str, str]:
    """Return the SHA-256 of the plan's text, of all items and of all documents, as stored."""
    plan = read_plan(connection) or ""
    return {
        "plan": hashlib.sha256(plan.encode()).hexdigest(),
        "items": _hash_rows(connection, ITEMS),
        "documents": _hash_rows(connection, DOCUMENTS),
    }


def read_plan(connection: sa.Connection) -> str | None:
    """Return the plan's JSON as it was given, None before there is one."""
    found: str | None = connection.scalar(sa.select(ABOUT.c.value).where(ABOUT.c.name == "plan"))
    return found


def read_seed(plan: str) -> int:
    """Return the seed that a plan's JSON names, 0 where it names none."""
    try:
        values = json.loads(plan)
    except ValueError as error:
        raise AuditError("the plan is not JSON") from error
    seed = values.get("seed", 0) if isinstance(values, dict) else None
    if not isinstance(seed, int):
        raise AuditError("the plan is no JSON object with a whole number as `seed`")
    return seed


def read_items(connection: sa.Connection) -> list[Item]:
    """Return all items in their published order."""
    items = [Item(**json.loads(body)) for body in connection.scalars(sa.select(ITEMS.c.body))]
    return sorted(items, key=lambda item: (item.place, item.item_id))


def read_document(connection: sa.Connection, study_id: str) -> Document:
    """Return what a reader is shown of a study; raises AuditError where the audit has it not."""
    body = connection.scalar(sa.select(DOCUMENTS.c.body).where(DOCUMENTS.c.study_id == study_id))
    if body is None:
        raise AuditError("the audit holds no report of the study that was asked for")
    values = json.loads(body)
    values["images"] = tuple((path, view) for path, view in values["images"])
    values["evidence"] = tuple(values["evidence"])
    return Document(**values)


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        connection.execute(sa.insert(table), rows)


def _hash_rows(connection: sa.Connection, table: sa.Table) -> str:
    # Sorted here: two databases sort texts differently.
    rows = connection.execute(sa.select(table))
    return hash_json(sorted([key, hashlib.sha256(body.encode()).hexdigest()] for key, body in rows))
