"""From a label table and its corpus to an audit's folder: plan.json and the store beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from configs.files import hash_file, write_text
from data_cards.label_table import manifest_path, read_label_table, read_manifest
from data_cards.study import Listing, StudyImage
from text_labeler.audit.place import PLAN_FILE, open_folder
from text_labeler.audit.planning import AuditedLabels, AuditPlan, read_plan
from text_labeler.audit.records import AuditError, Document, Item, Read
from text_labeler.audit.store import AuditStore

LATERAL = ("LATERAL", "LL", "RL")


@dataclass(frozen=True)
class LabelFile:
    """A label table with what names its version."""

    about: AuditedLabels
    table: pd.DataFrame


@dataclass(frozen=True)
class OpenedAudit:
    """An audit as it stands: its plan, items, standing reads and the head of its log."""

    plan: AuditPlan
    items: list[Item]
    reads: list[Read]
    log_head: str


def read_labels(path: Path) -> LabelFile:
    """Read a label table and its manifest; a table without one is named by its file alone."""
    table = read_label_table(path)
    if not manifest_path(path).is_file():
        about = AuditedLabels(
            name=path.name,
            table_hash=hash_file(path),
            labeler="unknown",
            labeler_version="",
            corpus="",
            corpus_hash="",
        )
        return LabelFile(about, table)
    manifest = read_manifest(path)
    about = AuditedLabels(
        name=path.name,
        table_hash=manifest.table_hash,
        labeler=manifest.labeler,
        labeler_version=manifest.labeler_version,
        corpus=manifest.corpus,
        corpus_hash=manifest.corpus_hash,
    )
    return LabelFile(about, table)


def name_others(paths: Sequence[Path]) -> dict[str, tuple[AuditedLabels, pd.DataFrame]]:
    """Read further label tables, named by their files' names; raises AuditError for two alike."""
    others = {path.stem: read_labels(path) for path in paths}
    if len(others) < len(paths):
        raise AuditError("two other label tables have the same file name; expected different ones")
    return {name: (one.about, one.table) for name, one in others.items()}


def check_corpus(labels: LabelFile, listing: Listing) -> None:
    """Raise AuditError unless these are the reports that the labels were made from."""
    made_from = labels.about.corpus_hash
    if made_from and made_from != listing.content_hash:
        raise AuditError(
            f"{labels.about.name}: was made from other reports than those of {listing.corpus}"
            " here (the corpus differs from the one its manifest names); mine them again"
        )


def list_silent(listing: Listing) -> set[str]:
    """Return the ids of the studies without a report, in which nobody can read anything."""
    studies = listing.studies
    return {
        study
        for study, report in zip(studies["study_id"], studies["report"], strict=True)
        if not (report or "").strip()
    }


def gather_documents(
    items: Sequence[Item], labels: LabelFile, listing: Listing
) -> Iterator[Document]:
    """Give what a reader is shown of each study of a sample: report, images, evidence.

    Raises AuditError for a study without a report, and for evidence beyond the report's end.
    """
    wanted = {item.study_id for item in items}
    ids = listing.studies["study_id"]
    rows = [row for row, study in enumerate(ids) if study in wanted]
    if len(rows) < len(wanted):
        raise AuditError(f"{len(wanted) - len(rows)} drawn studies are not in {listing.corpus}")
    evidence = _take_evidence(labels.table, wanted)
    for study in tqdm(listing.studies.select(rows), desc="reports", disable=None):
        report = study["report"]
        if not report:
            raise AuditError("a drawn study has no report; label and audit reports that have text")
        mentions = evidence.get(study["study_id"], ())
        if any(int(mention["end"]) > len(report) for mention in mentions):
            raise AuditError(
                f"{labels.about.name}: evidence lies beyond the end of its report; the labels were"
                " made from other reports"
            )
        yield Document(study["study_id"], report, _order_images(study["images"]), mentions)


def write_audit(
    folder: Path, plan: AuditPlan, items: Sequence[Item], documents: Iterator[Document]
) -> Path:
    """Fill the store, and write plan.json last: a plan that broke off is none. Return its path."""
    file = folder / PLAN_FILE
    if file.exists():
        raise AuditError(f"{folder}: holds an audit already; give another folder")
    read = list(documents)  # a fault in the reports is told before anything is made
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with AuditStore.create(plan.store or folder) as store:
        store.add_plan(plan.to_json(), items, read)
    write_text(file, plan.to_json())
    file.chmod(0o600)  # its salt would let study ids be guessed from item ids
    return file


def open_audit(folder: Path) -> OpenedAudit:
    """Read what an audit holds now; its log is verified. Raises AuditError for what is none."""
    with open_folder(folder) as store:
        store.verify()
        now = store.snapshot()
        return OpenedAudit(read_plan(store.plan()), now.items, now.reads, now.log_head)


def _take_evidence(
    table: pd.DataFrame, wanted: set[str]
) -> Mapping[str, tuple[dict[str, Any], ...]]:
    if "evidence" not in table.columns:
        return {}
    rows = table[table["study_id"].isin(wanted)]
    return {
        study: tuple(mentions or ())
        for study, mentions in zip(rows["study_id"], rows["evidence"], strict=True)
    }


def _order_images(images: Sequence[StudyImage]) -> tuple[tuple[str, str], ...]:
    named = [(str(Path(one["path"]).absolute()), one.get("view") or "") for one in images]
    return tuple(sorted(named, key=lambda pair: pair[1].upper() in LATERAL))
