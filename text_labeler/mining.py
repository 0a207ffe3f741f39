"""Labels the reports of a whole corpus: in parallel, resumable, the same bytes every time."""

from __future__ import annotations

import multiprocessing
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset
from tqdm import tqdm

from configs.files import hash_json, write_atomically
from data_cards.findings import FINDINGS
from data_cards.label_table import (
    LABEL_TABLE_SCHEMA,
    SEVERITY_PROBABILITY_COLUMNS,
    LabelTableManifest,
    probability_column,
    write_label_table,
    write_manifest,
)
from data_cards.study import Listing
from text_labeler.labeler import LABELED_CHARACTERS, Labeler

CHUNK_REPORTS = 2000
CHUNKS_AHEAD = 2
"""Chunks handed to each worker before earlier ones come back: memory stays flat."""

Chunk = list[tuple[str, str | None]]
CODE_NAMES = {1: "positive", 0: "negative", -1: "uncertain"}


class MiningError(ValueError):
    """Mining that could not go on; the message says what to do."""


def mine(listing: Listing, out: Path, *, profile: str, workers: int = 1) -> LabelTableManifest:
    """Label every study of `listing` and write the label table `out` with its manifest.

    The table's bytes depend on the listing, the rules and the profile alone, whatever `workers`.
    Finished chunks are kept beside `out` and taken up again after an interruption. A study
    without a report keeps its row, empty, and is named in the manifest, as is a report of which
    only the first LABELED_CHARACTERS were read. Raises MiningError when a worker process dies.
    """
    if workers < 1:
        raise MiningError(f"workers: {workers}; expected 1 or more")
    began = time.monotonic()
    labeler = _make_labeler(profile)
    labeler_version = version("kerley")
    key = hash_json(
        [listing.content_hash, labeler.rules_hash, profile, labeler_version, CHUNK_REPORTS]
    )
    parts = out.with_name(f".{out.name}.parts-{key[:16]}")
    _label_missing_parts(listing.studies, parts, profile, workers)
    count = _count_chunks(listing.studies)
    tables = [
        pq.read_table(_part(parts, index), schema=LABEL_TABLE_SCHEMA) for index in range(count)
    ]
    table = pa.concat_tables(tables).combine_chunks()
    manifest = LabelTableManifest(
        labeler="kerley rules",
        labeler_version=labeler_version,
        profile=profile,
        rules_hash=labeler.rules_hash,
        corpus=listing.corpus,
        corpus_hash=listing.content_hash,
        table_hash=write_label_table(out, table),
        studies=table.num_rows,
        counts=_count_labels(table),
        skipped=[{"where": skip.where, "reason": skip.reason} for skip in listing.skipped]
        + list(_list_unread(listing.studies)),
        seconds=round(time.monotonic() - began, 3),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_manifest(out, manifest)
    for folder in out.parent.glob(f".{out.name}.parts-*"):
        shutil.rmtree(folder)
    return manifest


@cache
def _make_labeler(profile: str) -> Labeler:
    return Labeler(profile)


def _label_missing_parts(studies: Dataset, parts: Path, profile: str, workers: int) -> None:
    count = _count_chunks(studies)
    missing = [index for index in range(count) if not _part(parts, index).is_file()]
    done = len(studies) - sum(_size(studies, index) for index in missing)
    chunks = ((index, _read_chunk(studies, index)) for index in missing)
    label = _label_in_process if workers == 1 else _label_in_workers
    with tqdm(
        total=len(studies), initial=done, unit=" reports", desc="mine", mininterval=0.5
    ) as bar:
        for index, rows in label(chunks, profile, workers):
            with write_atomically(_part(parts, index)) as temporary:
                pq.write_table(pa.Table.from_pylist(rows, LABEL_TABLE_SCHEMA), temporary)
            bar.update(len(rows))


def _label_in_process(
    chunks: Iterator[tuple[int, Chunk]], profile: str, _workers: int
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    for index, chunk in chunks:
        yield index, label_chunk(chunk, profile)


def _label_in_workers(
    chunks: Iterator[tuple[int, Chunk]],
    profile: str,
    workers: int,
    label: Callable[[Chunk, str], list[dict[str, Any]]] | None = None,
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    # `spawn`: a forked child of a process with threads (torch, Arrow) may hang.
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    waiting: deque[tuple[int, Future[list[dict[str, Any]]]]] = deque()
    try:
        for index, chunk in chunks:
            waiting.append((index, pool.submit(label or label_chunk, chunk, profile)))
            if len(waiting) >= CHUNKS_AHEAD * workers:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    except BrokenProcessPool as error:
        raise MiningError(
            "a worker process died (out of memory?); what was finished is kept: run the same"
            " command again to go on, with fewer workers if need be"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def label_chunk(chunk: Chunk, profile: str) -> list[dict[str, Any]]:
    """Label (study id, report) pairs; rows of the label table, plain values only."""
    labeler = _make_labeler(profile)
    return [_make_row(labeler, study_id, report) for study_id, report in chunk]


def _make_row(labeler: Labeler, study_id: str, report: str | None) -> dict[str, Any]:
    result = labeler(report or "")
    return {
        "study_id": study_id,
        **result.labels,
        "edema_severity": result.severity,
        **dict(
            zip(
                SEVERITY_PROBABILITY_COLUMNS,
                result.severity_probabilities or (None,) * len(SEVERITY_PROBABILITY_COLUMNS),
                strict=True,
            )
        ),
        **{probability_column(name): value for name, value in result.probabilities.items()},
        "evidence": [evidence.to_row() for evidence in result.evidence],
    }


def _part(parts: Path, index: int) -> Path:
    return parts / f"{index:06d}.parquet"


def _count_chunks(studies: Dataset) -> int:
    return -(-len(studies) // CHUNK_REPORTS)


def _size(studies: Dataset, index: int) -> int:
    return min(CHUNK_REPORTS, len(studies) - index * CHUNK_REPORTS)


def _read_chunk(studies: Dataset, index: int) -> Chunk:
    start = index * CHUNK_REPORTS
    columns = studies.select_columns(["study_id", "report"])[start : start + CHUNK_REPORTS]
    return list(zip(columns["study_id"], columns["report"], strict=True))


def _list_unread(studies: Dataset) -> Iterator[dict[str, str]]:
    for index in range(_count_chunks(studies)):
        for study_id, report in _read_chunk(studies, index):
            if report is None:
                yield {"where": study_id, "reason": "no report"}
            elif not report.strip():
                yield {"where": study_id, "reason": "empty report"}
            elif len(report) > LABELED_CHARACTERS:
                reason = f"{len(report)} characters: only the first {LABELED_CHARACTERS} were read"
                yield {"where": study_id, "reason": reason}


def _count_labels(table: pa.Table) -> dict[str, dict[str, int]]:
    columns: Sequence[str] = (*FINDINGS, "edema_severity")
    counts = {}
    for column in columns:
        values = pd.Series(table[column].to_pandas(types_mapper={pa.int8(): pd.Int8Dtype()}.get))
        names = CODE_NAMES if column in FINDINGS else {level: str(level) for level in range(4)}
        counts[column] = {name: int((values == code).sum()) for code, name in names.items()}
        counts[column]["not mentioned"] = int(values.isna().sum())
    return counts
