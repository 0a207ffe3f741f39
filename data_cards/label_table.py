"""The label table: one row per study, CheXpert's codes, soft labels, and the words behind them.

A label table is a version: it is written once, atomically, with a manifest beside it, and never
changed in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from configs.files import hash_file, write_atomically, write_text
from configs.settings import Settings
from data_cards.findings import FINDINGS, SEVERITY_LEVELS, LabelCode

SUM_TOLERANCE = 1e-3
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
    """Check and write rows as Parquet atomically; return the file's SHA-256.

    A column that a row does not name is null there. Raises LabelTableError for a column outside
    of LABEL_TABLE_SCHEMA, a value of another type, and all that `check_label_table` refuses.
    """
    columns = (
        rows.column_names if isinstance(rows, pa.Table) else {name for r in rows for name in r}
    )
    unknown = sorted(set(columns) - set(LABEL_TABLE_SCHEMA.names))
    if unknown:
        raise LabelTableError(f"{path}: columns unknown to the label table: {', '.join(unknown)}")
    table = pa.Table.from_arrays(
        [_build_column(rows, field, path) for field in LABEL_TABLE_SCHEMA],
        schema=LABEL_TABLE_SCHEMA,
    )
    _check_evidence(table["evidence"], path)
    check_label_table(_to_frame(table.drop_columns("evidence")), path)
    with write_atomically(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return hash_file(path)


def read_label_table(path: Path, *, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read a label table, checked: codes as nullable integers, evidence as lists of EvidenceRow.

    `columns` reads these only (and `study_id`); without `evidence`, which is most of the file, a
    large table reads many times faster. Raises LabelTableError when the file is no label table.
    """
    wanted = None if columns is None else list(dict.fromkeys(("study_id", *columns)))
    if not path.is_file():
        raise LabelTableError(f"{path}: no such file; expected a label table in Parquet")
    try:
        names = pq.read_schema(path).names
        missing = [name for name in wanted or ("study_id", "edema_severity") if name not in names]
        if missing:
            raise LabelTableError(
                f"{path}: not a label table, columns missing: {', '.join(missing)}"
            )
        table = pq.read_table(path, columns=wanted)
    except (OSError, pa.ArrowException) as error:
        raise LabelTableError(f"{path}: not a readable Parquet file: {error}") from error
    if "evidence" not in table.column_names:
        frame = _to_frame(table)
    else:
        _check_evidence(table["evidence"], path)
        frame = _to_frame(table.drop_columns("evidence"))
        # Through pandas, an offset beside a null would come back as a float.
        frame["evidence"] = pd.Series(table["evidence"].to_pylist(), dtype=object)
    check_label_table(frame, path)
    return frame


def check_label_table(frame: pd.DataFrame, path: Path) -> None:
    """Raise LabelTableError naming row (the first is 1), column and value.

    Refused: a study without id or with two rows, an unknown code, a severity outside 0–3, a
    probability outside of 0–1, severity probabilities that do not sum to 1.
    """
    if frame["study_id"].isna().any():
        row = int(frame["study_id"].isna().to_numpy().argmax()) + 1
        raise LabelTableError(f"{path}, row {row}, study_id: empty")
    repeated = frame["study_id"].duplicated().to_numpy()
    if repeated.any():
        raise LabelTableError(
            f"{path}, row {repeated.argmax() + 1}, study_id: {repeated.sum()} study ids occur more"
            " than once, this one first"
        )
    codes = sorted(int(code) for code in LabelCode)
    for finding in FINDINGS:
        _check_values(frame, finding, path, codes)
        _check_probabilities(frame, probability_column(finding), path)
    _check_values(frame, "edema_severity", path, list(range(SEVERITY_LEVELS)))
    for name in SEVERITY_PROBABILITY_COLUMNS:
        _check_probabilities(frame, name, path)
    if set(SEVERITY_PROBABILITY_COLUMNS) <= set(frame.columns):
        _check_sums(frame, path)


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
    try:
        manifest = LabelTableManifest.model_validate_json(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LabelTableError(f"{file}: not a label table's manifest: {error}") from error
    if manifest.table_hash != hash_file(table):
        raise LabelTableError(f"{table}: its bytes differ from those its manifest names")
    return manifest


def _build_column(
    rows: Sequence[Mapping[str, Any]] | pa.Table, field: pa.Field, path: Path
) -> pa.Array | pa.ChunkedArray:
    if isinstance(rows, pa.Table):
        if field.name not in rows.column_names:
            return pa.nulls(rows.num_rows, field.type)
        try:
            return rows[field.name].cast(field.type)
        except pa.ArrowException as error:
            raise LabelTableError(f"{path}, {field.name}: {error}") from error
    values = [row.get(field.name) for row in rows]
    try:
        return pa.array(values, field.type)
    except (pa.ArrowException, TypeError, OverflowError):
        row = next(n for n, value in enumerate(values) if not _fits(value, field.type))
        raise LabelTableError(
            f"{path}, row {row + 1}, {field.name}: a {type(values[row]).__name__} that does not fit"
            f" the column's type {field.type}"
        ) from None


def _fits(value: Any, kind: pa.DataType) -> bool:
    try:
        pa.array([value], kind)
    except (pa.ArrowException, TypeError, OverflowError):
        return False
    return True


def _to_frame(table: pa.Table) -> pd.DataFrame:
    integers = {pa.int8(): pd.Int8Dtype()}
    frame: pd.DataFrame = table.to_pandas(types_mapper=integers.get)
    return frame


def _check_values(frame: pd.DataFrame, column: str, path: Path, allowed: list[int]) -> None:
    if column not in frame:
        return
    wrong = (frame[column].notna() & ~frame[column].isin(allowed)).to_numpy(bool)
    if wrong.any():
        row = int(wrong.argmax())
        raise LabelTableError(
            f"{path}, row {row + 1}, {column}: {frame[column].iloc[row]} is not a label code"
            f" (expected one of {allowed} or nothing)"
        )


def _check_probabilities(frame: pd.DataFrame, column: str, path: Path) -> None:
    if column not in frame:
        return
    values = frame[column].to_numpy(float, na_value=np.nan)
    wrong = (values < 0) | (values > 1)
    if wrong.any():
        row = int(wrong.argmax())
        raise LabelTableError(
            f"{path}, row {row + 1}, {column}: {values[row]:g} is no probability"
            " (expected 0 to 1 or nothing)"
        )


def _check_sums(frame: pd.DataFrame, path: Path) -> None:
    levels = frame[list(SEVERITY_PROBABILITY_COLUMNS)].to_numpy(float, na_value=np.nan)
    total = levels.sum(axis=1)
    # A sum with a null in it is NaN, and so not close to 1.
    wrong = ~np.isclose(total, 1, rtol=0, atol=SUM_TOLERANCE) & ~np.isnan(levels).all(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise LabelTableError(
            f"{path}, row {row + 1}, edema_p0 to edema_p3: sum to {total[row]:g}"
            " (expected 1, or nothing in all four)"
        )


def _check_evidence(column: pa.ChunkedArray, path: Path) -> None:
    mentions = column.combine_chunks().flatten() if column.num_chunks else None
    for first, last in (("start", "end"), ("cue_start", "cue_end")):
        if not mentions:
            return
        begin, end = mentions.field(first), mentions.field(last)
        wrong = pc.or_(pc.less(begin, 0), pc.greater(begin, end))
        if pc.any(wrong).as_py():
            raise LabelTableError(
                f"{path}, evidence: {pc.sum(wrong)} spans {first}–{last} begin below 0 or after"
                " their end"
            )
