"""Opens the store of an audit's folder, which its published plan names."""

from __future__ import annotations

from pathlib import Path

from text_labeler.audit.planning import read_plan
from text_labeler.audit.records import AuditError
from text_labeler.audit.store import AuditStore

PLAN_FILE = "plan.json"


def open_folder(folder: Path) -> AuditStore:
    """Open the store of an audit: SQLite beside the plan, or the database that the plan names.

    Raises AuditError for a folder without a plan, and a plan other than the store's.
    """
    file = folder / PLAN_FILE
    if not file.is_file():
        raise AuditError(f"{folder}: no audit; expected {PLAN_FILE} in it")
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise AuditError(f"{file}: not a plan of an audit: not UTF-8 text") from error
    store = AuditStore.open(read_plan(text, str(file)).store or folder)
    if store.plan() != text:
        store.close()
        raise AuditError(f"{file}: differs from the plan in the store")
    return store
