"""Plans, samples and reads for tests of the statistics, planted without a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from text_labeler.audit.planning import AuditedLabels, AuditPlan, AuditRequest, plan_audit
from text_labeler.audit.promises import parse_promises
from text_labeler.audit.records import Item, Read

LABELS = AuditedLabels(
    name="labels.parquet",
    table_hash="a" * 64,
    labeler="rules",
    labeler_version="1",
    corpus="planted",
    corpus_hash="",
)


def plant_table(studies: int = 1000, seed: int = 0, **columns) -> pd.DataFrame:
    """A label table with Edema (6 % positive, 2 % uncertain, 30 % negative) and its severity."""
    rng = np.random.default_rng(seed)
    codes = rng.choice([1, -1, 0, None], studies, p=[0.06, 0.02, 0.3, 0.62])
    grades = [{1: 2, -1: 1, 0: 0}.get(code) for code in codes]
    evidence = [
        [{"finding": "Edema"}] if code is not None or row % 10 == 0 else []
        for row, code in enumerate(codes)
    ]
    return pd.DataFrame(
        {
            "study_id": [f"study-{row:05d}" for row in range(studies)],
            "Edema": pd.array(codes, dtype="Int8"),
            "edema_severity": pd.array(grades, dtype="Int8"),
            "Edema_p": np.linspace(0, 1, studies),
            "evidence": evidence,
            **columns,
        }
    )


def make_plan(
    table: pd.DataFrame, *reads: int, excluded=(), held=(), others=None, **changes
) -> AuditPlan:
    values = {
        "findings": ("Edema",),
        "promises": parse_promises("precision >= .9, recall >= .8"),
        "salt": "salt",
        "reads": reads or (300,),
    }
    request = AuditRequest(**values | changes)
    return plan_audit(request, LABELS, table, others, excluded=excluded, held=held)


def make_read(event: int, item: Item, verdict: str, reader: str = "ann", **changes) -> Read:
    values = {
        "event": event,
        "item_id": item.item_id,
        "study_id": item.study_id,
        "finding": item.finding,
        "queue": item.queue,
        "pool": item.pool,
        "reader": reader,
        "purpose": "first",
        "verdict": verdict,
        "seconds": 10.0,
        "at": "2026-11-21T12:00:00Z",
    }
    return Read(**values | changes)


def read_items(
    items: Iterable[Item], say: Callable[[Item], str], reader: str = "ann", start: int = 0
) -> list[Read]:
    return [make_read(start + n, item, say(item), reader) for n, item in enumerate(items)]
