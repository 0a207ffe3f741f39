"""The verdicts of an audit as labels: a label table of gold, and the reads that combine takes."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from configs.files import canonical_json, write_text
from data_cards.findings import FINDINGS
from data_cards.label_table import LabelTableManifest, make_schema, write_manifest
from data_cards.lineage import Parent
from text_labeler.audit.conflicts import SEVERITY, group_reads, settle
from text_labeler.audit.formulas import is_formula
from text_labeler.audit.planning import AuditPlan
from text_labeler.audit.records import AuditError, Item, Read, Verdict
from text_labeler.label_parts import write_label_batches

CODES: Mapping[Verdict, int | None] = {
    "present": 1,
    "absent": 0,
    "uncertain": -1,
    "not_mentioned": None,
    "0": 0,
    "1": 1,
    "2": 2,
    "3": 3,
}
"""CheXpert's codes, and grades; `unclear` has none, and is no label."""


class Settled(NamedTuple):
    """An item whose verdict is final."""

    item: Item
    verdict: Verdict


class GoldSource(NamedTuple):
    """What gold was made of: the plan, the hash of the log's last event, and the reads' number."""

    plan: AuditPlan
    log_head: str
    reads: int


def settle_items(items: Sequence[Item], reads: Sequence[Read]) -> list[Settled]:
    """Return the items whose verdict is final and says something, in published order."""
    of_item = group_reads(reads)
    verdicts = [(item, settle(item, of_item.get(item.item_id, []))) for item in items]
    return [
        Settled(item, verdict)
        for item, verdict in verdicts
        if verdict is not None and verdict != "unclear"
    ]


def write_gold(path: Path, settled: Sequence[Settled], source: GoldSource) -> LabelTableManifest:
    """Write the settled verdicts as a label table with its manifest, one row per study.

    A finding that is not mentioned is null, as in every label table, and so is one that was not
    read; `write_audited` tells them apart. Raises AuditError where nothing is settled.
    """
    if not settled:
        raise AuditError("no item is settled yet: there is nothing to export")
    rows: dict[str, dict[str, Any]] = {}
    for item, verdict in settled:
        rows.setdefault(item.study_id, {"study_id": item.study_id})[item.finding] = CODES[verdict]
    found = dict.fromkeys(item.finding for item, _ in settled)
    schema = make_schema([name for name in found if name not in (*FINDINGS, SEVERITY)])
    table = pa.Table.from_pylist([rows[study] for study in sorted(rows)], schema=schema)
    written = write_label_batches(path, [table], schema)
    manifest = LabelTableManifest(
        labeler="audit",
        labeler_version=version("kerley"),
        profile="",
        rules_hash=source.log_head,
        corpus=source.plan.labels.corpus,
        corpus_hash=source.plan.labels.corpus_hash,
        table_hash=written.table_hash,
        studies=written.studies,
        counts=written.counts,
        skipped=[],
        seconds=0.0,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        parents=[
            Parent(kind="audited reads", name="audit log", hash=source.log_head),
            Parent(
                kind="label table",
                name=source.plan.labels.name,
                hash=source.plan.labels.table_hash,
            ),
        ],
        parameters={
            "pool": source.plan.pool,
            "reads": source.reads,
            "settled": len(settled),
            "sampling_hash": source.plan.sampling_hash,
        },
    )
    write_manifest(path, manifest)
    return manifest


def write_audited(folder: Path, settled: Sequence[Settled]) -> Path:
    """Write what `kerley combine --audited` takes, `audited.csv`; an empty cell was not read.

    There a finding that is not mentioned counts as absent. Where a study id would be run as a
    formula it is `audited.jsonl`: escaped, the id would be another study's.
    """
    found = list(dict.fromkeys(item.finding for item, _ in settled))
    rows: dict[str, dict[str, object]] = {}
    for item, verdict in settled:
        code = CODES[verdict]
        if code is None and item.finding != SEVERITY:
            code = 0
        row = rows.setdefault(item.study_id, {"study_id": item.study_id})
        if code is not None:
            row[item.finding] = code
    ordered = [rows[study] for study in sorted(rows)]
    if any(is_formula(study) for study in rows):
        path = folder / "audited.jsonl"
        empty = dict.fromkeys(found)
        write_text(path, "".join(canonical_json({**empty, **row}) + "\n" for row in ordered))
        return path
    path = folder / "audited.csv"
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["study_id", *found], restval="")
    writer.writeheader()
    writer.writerows(ordered)
    write_text(path, text.getvalue())
    return path
