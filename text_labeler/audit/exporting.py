"""Exports an audit: gold as a label table, all reads, the log, Label Studio's JSON, certificate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from configs.files import write_json, write_text
from data_cards.label_table import manifest_path
from text_labeler.audit.certificate import make_certificate, write_certificate
from text_labeler.audit.gold_table import GoldSource, settle_items, write_audited, write_gold
from text_labeler.audit.label_studio import make_labeling_config, make_tasks
from text_labeler.audit.planning import read_plan
from text_labeler.audit.reads_files import list_reads, name_readers, write_events, write_reads
from text_labeler.audit.records import AuditError, Read
from text_labeler.audit.store import AuditStore


class Exported(NamedTuple):
    """What an export holds. reads: all that were ever made; standing: those not undone."""

    folder: Path
    files: tuple[Path, ...]
    log_head: str
    items: int
    settled: int
    reads: int
    standing: int


def export_audit(store: AuditStore, out: Path, *, with_text: bool = False) -> Exported:
    """Write everything that an audit found into a new folder, after its log was verified.

    with_text: Label Studio's tasks hold the reports. Raises AuditError for a folder that holds
    an export, a broken log, and an audit in which nothing is settled.
    """
    gold = out / "gold.parquet"
    if gold.exists():
        raise AuditError(f"{gold}: an export is there already; name another folder")
    store.verify()
    plan, now = read_plan(store.plan()), store.snapshot()
    items, reads, head = now.items, now.reads, now.log_head
    settled = settle_items(items, reads)
    certificate = make_certificate(
        plan, items, reads, log_head=head, created=datetime.now(UTC).date().isoformat()
    )
    names = name_readers(now.events, reads)
    reports = _read_reports(store, reads) if with_text else {}
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    rows = list_reads(now.events, {item.item_id: item for item in items}, names)
    log, tasks, config = (
        out / name for name in ("events.jsonl", "label_studio.json", "label_studio.xml")
    )
    audited = write_audited(out, settled)
    write_events(log, now.events, names)
    write_json(tasks, make_tasks(items, reads, names, reports))
    write_text(config, make_labeling_config())
    others = [audited, log, tasks, config, *write_reads(out, rows)]
    others += write_certificate(certificate, out)
    # Gold last: where it is missing, the export broke off and may be made again.
    write_gold(gold, settled, GoldSource(plan, head, len(reads)))
    # Not what else is in the folder: these are what W&B is given.
    files = tuple(sorted([*others, gold, manifest_path(gold)]))
    for file in files:
        file.chmod(0o600)  # study ids, notes, and reports where they are asked for
    return Exported(out, files, head, len(items), len(settled), len(rows), len(reads))


def _read_reports(store: AuditStore, reads: Sequence[Read]) -> dict[str, str]:
    studies = dict.fromkeys(read.study_id for read in reads)
    return {study: store.document(study).report for study in studies}
