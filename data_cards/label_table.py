"""The label table: one row per study, CheXpert's codes, soft labels, and the words behind them.

A label table is a version: it is written once, atomically, with a manifest beside it, and never
changed in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from configs.files import hash_file, write_atomically, write_text
from configs.settings import Settings
from data_cards.findings import FINDINGS, SEVERITY_LEVELS, LabelCode

SEVERITY_PROBABILITY_COLUMNS = tuple(f"edema_p{level}" for level in range(SEVERITY_LEVELS))

EVIDENCE_TYPE = pa.struct(
    [
        ("finding", pa.string()),
        ("section", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("assertion", pa.string()),
        ("rule", pa.string()),
        ("cue_start", pa.int32()),
        ("cue_end", pa.int32()),
    ]
)


class LabelTableError(ValueError):
    """A label table that breaks its schema; the message names file, row, column and value."""


class EvidenceRow(TypedDict):
    """One mention behind a label: half-open character offsets into the raw report."""

    finding: str
    section: str
    start: int
    end: int
    assertion: str
    rule: str
    cue_start: int | None
    cue_end: int | None


class LabelTableManifest(Settings):
    """What made a label table: stored as JSON beside it."""

    labeler: str
    labeler_version: str
    profile: str
    rules_hash: str
    corpus: str
    corpus_hash: str
    table_hash: str
    studies: int
    counts: dict[str, dict[str, int]]
    skipped: list[dict[str, str]]
    seconds: float
    created: str


def probability_column(finding: str) -> str:
    """Name the soft-label column of a finding."""
    return f"{finding}_p"


LABEL_TABLE_SCHEMA = pa.schema(
    [
        ("study_id", pa.string()),
        *((finding, pa.int8()) for finding in FINDINGS),
        ("edema_severity", pa.int8()),
        *((name, pa.float32()) for name in SEVERITY_PROBABILITY_COLUMNS),
        *((probability_column(finding), pa.float32()) for finding in FINDINGS),
        ("evidence", pa.list_(EVIDENCE_TYPE)),
    ]
)
"""Columns of a label table; every column but `study_id` may be null."""


def write_label_table(path: Path, rows: Sequence[Mapping[str, Any]] | pa.Table) -> str:
    """Check and write rows as Parquet atomically; return the file's SHA-256."""
    table = (
        rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows), LABEL_TABLE_SCHEMA)
    )
    check_label_table(table.to_pandas(), path)
    with write_atomically(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return hash_file(path)


def read_label_table(path: Path) -> pd.DataFrame:
    """Read a label table with nullable integer codes, indexed by nothing, checked."""
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise LabelTableError(f"{path}: not a readable Parquet file: {error}") from error
    missing = [name for name in ("study_id", "edema_severity") if name not in table.column_names]
    if missing:
        raise LabelTableError(f"{path}: not a label table, columns missing: {', '.join(missing)}")
    integers = {pa.int8(): pd.Int8Dtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=integers.get)
    check_label_table(frame, path)
    return frame


def check_label_table(frame: pd.DataFrame, path: Path) -> None:
    """Raise LabelTableError for a repeated study, an unknown code, or a severity outside 0–3."""
    repeated = frame["study_id"][frame["study_id"].duplicated()]
    if len(repeated):
        raise LabelTableError(f"{path}: {len(repeated)} study ids occur more than once")
    codes = {int(code) for code in LabelCode}
    allowed = {finding: codes for finding in FINDINGS if finding in frame}
    allowed["edema_severity"] = set(range(SEVERITY_LEVELS))
    for column, values in allowed.items():
        wrong = frame[column].dropna()
        wrong = wrong[~wrong.isin(values)]
        if len(wrong):
            raise LabelTableError(
                f"{path}, row {wrong.index[0] + 1}, {column}: {wrong.iloc[0]} is not a label code"
                f" (expected one of {sorted(values)} or nothing)"
            )


def manifest_path(table: Path) -> Path:
    """Return where a table's manifest lies: `labels.parquet` → `labels.manifest.json`."""
    return table.with_suffix(".manifest.json")


def write_manifest(table: Path, manifest: LabelTableManifest) -> None:
    """Write the manifest beside its table, atomically."""
    write_text(manifest_path(table), manifest.model_dump_json(indent=2) + "\n")


def read_manifest(table: Path) -> LabelTableManifest:
    """Read the manifest beside a label table; refuse it when the table has other bytes."""
    file = manifest_path(table)
    if not file.is_file():
        raise LabelTableError(f"{file}: the label table has no manifest")
    manifest = LabelTableManifest.model_validate_json(file.read_text(encoding="utf-8"))
    if manifest.table_hash != hash_file(table):
        raise LabelTableError(f"{table}: its bytes differ from those its manifest names")
    return manifest
