"""A corpus's label table in parts: reports to Arrow columns, and parts to one Parquet file."""

from __future__ import annotations

import gc
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import version
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from configs.files import hash_file, hash_json, write_atomically
from data_cards.findings import FINDINGS, SEVERITY_LEVELS
from data_cards.label_table import (
    EVIDENCE_TYPE,
    SEVERITY_PROBABILITY_COLUMNS,
    LabelTableError,
    check_label_table,
    list_findings,
    make_schema,
    probability_column,
)
from text_labeler.labeler import Evidence, ReportLabels
from text_labeler.labelers import LabelerSettings, ReportLabeler, make_labeler

ROW_GROUP_REPORTS = 32_000
ROW_GROUP_BYTES = 256 << 20
"""A row group is written when it holds so many reports or bytes: all that is in memory at once."""

T = TypeVar("T")
CODE_NAMES = {1: "positive", 0: "negative", -1: "uncertain"}


class LabelPartError(ValueError):
    """A part of a label table that cannot be made or read; the message says what to do."""


def describe_labeler(settings: LabelerSettings, labeler: ReportLabeler) -> str:
    """SHA-256 over all that labels depend on beside the report: settings, rules, and version."""
    choice = settings.model_dump(mode="json", exclude={"rules"})
    return hash_json([choice, labeler.rules_hash, version("kerley")])


def label_chunk(chunk: bytes, settings: LabelerSettings, expected: str) -> bytes:
    """Label the table (study_id, report) in `chunk`; both are Arrow streams. Runs on any machine.

    Raises LabelPartError when this machine's labeler is not the `expected` one
    (`describe_labeler`): other rules or another version would give other labels.
    """
    with _ONE_AT_A_TIME:
        labeler = _load_labeler(settings, expected)
        table = read_stream(chunk)
        reports = (report or "" for report in table["report"].to_pylist())
        with _without_collection():
            part = build_part(table["study_id"], map(labeler, reports), labeler.findings)
    return write_stream(part)


_ONE_AT_A_TIME = threading.Lock()
"""A labeler is not made for threads, which some clusters' workers have."""


@lru_cache(maxsize=1)
def _load_labeler(settings: LabelerSettings, expected: str) -> ReportLabeler:
    """Make a labeler once in each process: it remembers the sentences it has read."""
    labeler = make_labeler(settings)
    if describe_labeler(settings, labeler) != expected:
        raise LabelPartError(
            "a worker has other rules or another version of Kerley than this process: install the"
            " same version everywhere, lay --rules where every worker sees it, and start workers"
            " anew that began with other rules"
        )
    return labeler


@contextmanager
def _without_collection() -> Iterator[None]:
    """Keep Python from looking for cycles: labels have none, and looking took half of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def build_part(
    study_ids: pa.ChunkedArray, results: Iterable[ReportLabels], findings: Sequence[str]
) -> pa.Table:
    """Put what was read into the columns of a label table, parallel to `study_ids`."""
    labels, probabilities, *severity, mentions, _ = zip(*results, strict=True)
    levels, level_probabilities, changes = severity
    unknown = (None,) * len(SEVERITY_PROBABILITY_COLUMNS)
    columns = {
        "study_id": study_ids,
        **_turn(labels, findings),
        "edema_severity": levels,
        "edema_change": changes,
        **dict(
            zip(
                SEVERITY_PROBABILITY_COLUMNS,
                zip(*(given or unknown for given in level_probabilities), strict=True),
                strict=True,
            )
        ),
        **{
            probability_column(name): values
            for name, values in _turn(probabilities, findings).items()
        },
        "evidence": _build_evidence(mentions),
    }
    schema = make_schema([name for name in findings if name not in FINDINGS])
    arrays = [
        values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, field.type)
        for field in schema
        for values in (columns[field.name],)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _turn(rows: Sequence[dict[str, T]], names: Sequence[str]) -> dict[str, tuple[T, ...]]:
    """Rows by name to columns by name."""
    columns = zip(*map(itemgetter(*names), rows), strict=True)
    return dict(zip(names, columns, strict=True))


def _build_evidence(mentions: Sequence[Sequence[Evidence]]) -> pa.Array:
    # Column by column: a list of dicts for each report took three times as long to build.
    columns = list(zip(*(piece for pieces in mentions for piece in pieces), strict=True))
    named = dict(zip(Evidence._fields, columns or [()] * len(Evidence._fields), strict=True))
    fields = [pa.array(named[field.name], field.type) for field in EVIDENCE_TYPE]
    offsets = [0]
    for pieces in mentions:
        offsets.append(offsets[-1] + len(pieces))
    flat = pa.StructArray.from_arrays(fields, fields=list(EVIDENCE_TYPE))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat)


def write_stream(table: pa.Table) -> bytes:
    """Encode a table as an Arrow stream."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def read_stream(encoded: bytes) -> pa.Table:
    """Decode what `write_stream` made."""
    with pa.ipc.open_stream(encoded) as reader:
        return reader.read_all()


def read_part(path: Path) -> pa.Table:
    """Read a part's file; raises LabelPartError when it is not whole."""
    try:
        return read_stream(path.read_bytes())
    except (OSError, pa.ArrowException) as error:
        raise LabelPartError(f"{path}: not a readable part; delete it and run again") from error


class JoinedTable(NamedTuple):
    """What was written: the file's SHA-256, its rows, and counts by column and value."""

    table_hash: str
    studies: int
    counts: dict[str, dict[str, int]]


def write_label_batches(out: Path, parts: Iterable[pa.Table], schema: pa.Schema) -> JoinedTable:
    """Join parts to one label table, checked, with no more than a row group in memory.

    Raises LabelTableError for all that `check_label_table` refuses.
    """
    studies = 0
    counts: dict[str, Counter[int | None]] = {}
    with write_atomically(out) as temporary:
        with pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
            for group in _gather(parts):
                check_label_table(group.drop_columns("evidence").to_pandas(), out)
                _count(group, counts)
                studies += group.num_rows
                writer.write_table(group, row_group_size=max(1, group.num_rows))
        _refuse_repeated(pq.read_table(temporary, columns=["study_id"])["study_id"], out)
    return JoinedTable(hash_file(out), studies, _name_counts(counts))


def _gather(parts: Iterable[pa.Table]) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    for part in parts:
        waiting.append(part)
        rows = sum(table.num_rows for table in waiting)
        if rows >= ROW_GROUP_REPORTS or sum(t.nbytes for t in waiting) >= ROW_GROUP_BYTES:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _refuse_repeated(study_ids: pa.ChunkedArray, out: Path) -> None:
    repeated = len(study_ids) - pc.count_distinct(study_ids).as_py()
    if repeated:
        raise LabelTableError(f"{out}: {repeated} rows have the study id of an earlier one")


def _count(group: pa.Table, counts: dict[str, Counter[int | None]]) -> None:
    for column in (*list_findings(group.column_names), "edema_severity"):
        found = counts.setdefault(column, Counter())
        for pair in pc.value_counts(group[column]).to_pylist():
            found[pair["values"]] += pair["counts"]


def _name_counts(counts: dict[str, Counter[int | None]]) -> dict[str, dict[str, int]]:
    levels = {level: str(level) for level in range(SEVERITY_LEVELS)}
    return {
        column: {
            name: found[code]
            for code, name in (
                *(levels if column == "edema_severity" else CODE_NAMES).items(),
                (None, "not mentioned"),
            )
        }
        for column, found in counts.items()
    }
