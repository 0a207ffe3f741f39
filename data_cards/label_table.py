"""The label table: one row per study, CheXpert's codes, soft labels, and the words behind them.

A label table is a version: it is written once, atomically, with a manifest beside it, and never
changed in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field, ValidationError

from configs.files import hash_file, write_atomically, write_text
from configs.settings import Settings, tell_first
from data_cards import label_checks
from data_cards.findings import FINDINGS, SEVERITY_CHANGES, SEVERITY_LEVELS, LabelCode
from data_cards.label_checks import check_evidence, check_probabilities, check_sums, check_values
from data_cards.lineage import Parent

LabelTableError = label_checks.LabelTableError

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
        ("change", pa.string()),
        ("grade", pa.string()),
        ("laterality", pa.string()),
        ("anatomy", pa.string()),
    ]
)


class EvidenceRow(TypedDict):
    """One mention behind a label: half-open character offsets into the raw report.

    The last four are "" where nothing is said, as in every table from before they were known.
    """

    finding: str
    section: str
    start: int
    end: int
    assertion: str
    rule: str
    cue_start: int | None
    cue_end: int | None
    change: str
    grade: str
    laterality: str
    anatomy: str


class LabelTableManifest(Settings):
    """What made a label table: stored as JSON beside it.

    parents: what it was made from, by hash; parameters: those of the model that made it. Both
    are empty in manifests from before they were kept.
    """

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
    parents: list[Parent] = Field(default_factory=list)
    parameters: dict[str, Any] = Field(default_factory=dict)


def probability_column(finding: str) -> str:
    """Name the soft-label column of a finding."""
    return f"{finding}_p"


def make_schema(more_findings: Sequence[str] = ()) -> pa.Schema:
    """Return the columns of a label table; `more_findings` are those of a user's own rules."""
    findings = (*FINDINGS, *more_findings)
    return pa.schema(
        [
            ("study_id", pa.string()),
            *((finding, pa.int8()) for finding in findings),
            ("edema_severity", pa.int8()),
            ("edema_change", pa.string()),
            *((name, pa.float32()) for name in SEVERITY_PROBABILITY_COLUMNS),
            *((probability_column(finding), pa.float32()) for finding in findings),
            ("evidence", pa.list_(EVIDENCE_TYPE)),
        ]
    )


LABEL_TABLE_SCHEMA = make_schema()
"""Columns of a label table; every column but `study_id` may be null."""


def list_findings(columns: Iterable[str]) -> list[str]:
    """Return the findings among a table's columns: the known ones first, then a user's own.

    A user's own finding is a column that has a probability column beside it.
    """
    names = dict.fromkeys(columns)
    own = [name for name in names if name not in FINDINGS and probability_column(name) in names]
    return [name for name in FINDINGS if name in names] + own


def write_label_table(path: Path, rows: Sequence[Mapping[str, Any]] | pa.Table) -> str:
    """Check and write rows as Parquet atomically; return the file's SHA-256.

    A column that a row does not name is null there. Raises LabelTableError for a column that is
    neither in LABEL_TABLE_SCHEMA nor a user's own finding with its probability, a value of another
    type, and all that `check_label_table` refuses.
    """
    columns = (
        rows.column_names if isinstance(rows, pa.Table) else {name for r in rows for name in r}
    )
    own = [name for name in list_findings(sorted(columns)) if name not in FINDINGS]
    schema = make_schema(own)
    unknown = sorted(set(columns) - set(schema.names))
    if unknown:
        raise LabelTableError(f"{path}: columns unknown to the label table: {', '.join(unknown)}")
    table = pa.Table.from_arrays(
        [_build_column(rows, field, path) for field in schema], schema=schema
    )
    check_evidence(table["evidence"], path)
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
        check_evidence(table["evidence"], path)
        frame = _to_frame(table.drop_columns("evidence"))
        # Through pandas, an offset beside a null would come back as a float.
        frame["evidence"] = pd.Series(
            [_complete(mentions) for mentions in table["evidence"].to_pylist()], dtype=object
        )
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
    for finding in list_findings(frame.columns):
        check_values(frame, finding, path, codes)
        check_probabilities(frame, probability_column(finding), path)
    check_values(frame, "edema_severity", path, list(range(SEVERITY_LEVELS)))
    check_values(frame, "edema_change", path, list(SEVERITY_CHANGES))
    for name in SEVERITY_PROBABILITY_COLUMNS:
        check_probabilities(frame, name, path)
    if set(SEVERITY_PROBABILITY_COLUMNS) <= set(frame.columns):
        check_sums(frame, SEVERITY_PROBABILITY_COLUMNS, path)


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
    except ValidationError as error:
        raise LabelTableError(
            f"{file}: not a label table's manifest: {tell_first(error)}"
        ) from error
    except UnicodeDecodeError as error:
        raise LabelTableError(f"{file}: not a label table's manifest: not UTF-8 text") from error
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


def _complete(mentions: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    return mentions and [{**_UNSAID, **mention} for mention in mentions]


_UNSAID = {"change": "", "grade": "", "laterality": "", "anatomy": ""}
