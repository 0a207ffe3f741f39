"""Writes a combination of labelers as a label table, with its parents and the model's numbers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from configs.files import hash_json
from data_cards.findings import FINDINGS
from data_cards.label_table import (
    EVIDENCE_TYPE,
    SEVERITY_PROBABILITY_COLUMNS,
    LabelTableManifest,
    make_schema,
    manifest_path,
    probability_column,
    read_label_table,
    read_manifest,
    write_manifest,
)
from data_cards.lineage import Parent, describe_parent
from text_labeler.combining import Combination
from text_labeler.label_matrix import SEVERITY
from text_labeler.label_model import LabelModelFit
from text_labeler.label_model_fit import ABSTAIN, UNCERTAIN, Array, Parameters
from text_labeler.label_parts import write_label_batches

ROWS_AT_ONCE = 20_000
DIGITS = 6


@dataclass(frozen=True)
class CombinedFiles:
    """What was combined: each labeler file, the audited reads, and studies a labeler lacks."""

    labels: tuple[Path, ...]
    audited: Path | None
    missing: dict[str, int]


def write_combined(
    out: Path, combination: Combination, files: CombinedFiles, *, began: float
) -> LabelTableManifest:
    """Write the label table and its manifest; `began` is `time.monotonic()` of the work's begin.

    Evidence is that of all label tables among the files, in their order: offsets into the same
    report. Raises LabelTableError where a parent's bytes are not those of its manifest.
    """
    manifests = [read_manifest(path) for path in files.labels if _has_manifest(path)]
    parents = _name_parents(out, files)
    own = [name for name in combination.matrix.columns if name not in (*FINDINGS, SEVERITY)]
    table = make_table(combination, files.labels)
    joined = write_label_batches(out, _slice(table), make_schema(own))
    settings = asdict(combination.settings)
    # A corpus is named where the studies are its own, and no file has others.
    studies = len(combination.matrix.study_ids)
    corpora = {
        (one.corpus, one.corpus_hash) for one in manifests if one.corpus and one.studies == studies
    }
    corpus, corpus_hash = corpora.pop() if len(corpora) == 1 else ("", "")
    manifest = LabelTableManifest(
        labeler="combined",
        labeler_version=version("kerley"),
        profile="",
        rules_hash=hash_json(settings),
        corpus=corpus,
        corpus_hash=corpus_hash,
        table_hash=joined.table_hash,
        studies=joined.studies,
        counts=joined.counts,
        skipped=[],
        seconds=round(time.monotonic() - began, 3),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        parents=parents,
        parameters=_describe(combination, files, settings),
    )
    write_manifest(out, manifest)
    return manifest


def make_table(combination: Combination, labels: Sequence[Path] = ()) -> pa.Table:
    """Make the label table, in the order of the matrix's studies; other columns are null."""
    matrix = combination.matrix
    own = [name for name in matrix.columns if name not in (*FINDINGS, SEVERITY)]
    columns: dict[str, pa.Array] = {"study_id": pa.array(matrix.study_ids, pa.string())}
    for column in matrix.columns:
        codes, probabilities = combination.codes[column], combination.probabilities[column]
        values = np.where(codes == UNCERTAIN, -1, codes)
        columns[column] = pa.array(values, pa.int8(), mask=codes == ABSTAIN)
        names = (
            SEVERITY_PROBABILITY_COLUMNS if column == SEVERITY else (probability_column(column),)
        )
        for name, soft in zip(names, probabilities.T[-len(names) :], strict=True):
            columns[name] = pa.array(np.clip(soft, 0, 1), pa.float32(), mask=np.isnan(soft))
    columns["evidence"] = unite_evidence(matrix.study_ids, labels)
    schema = make_schema(own)
    arrays = [
        columns.get(field.name, pa.nulls(len(matrix.study_ids), field.type)) for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def unite_evidence(study_ids: Sequence[str], labels: Sequence[Path]) -> pa.Array:
    """Put the evidence of all label tables together by study, in the order of the files.

    A mention that two labelers found stands there twice: each is a labeler's own.
    """
    row_of = {study: row for row, study in enumerate(study_ids)}
    rows = [np.zeros(0, dtype=np.int64)]
    mentions = [pa.array([], EVIDENCE_TYPE)]
    for path in labels:
        if _has_evidence(path):
            table = pq.read_table(path, columns=["study_id", "evidence"])
            evidence = _read_evidence(path, table)
            places = np.array([row_of[str(study)] for study in table["study_id"].to_pylist()])
            lengths = np.diff(evidence.offsets.to_numpy())
            rows.append(np.repeat(places, lengths))
            mentions.append(evidence.flatten())
    joined = np.concatenate(rows)
    ordered = pa.concat_arrays(mentions).take(pa.array(np.argsort(joined, kind="stable")))
    counts = np.bincount(joined, minlength=len(study_ids))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), ordered)


def _has_evidence(path: Path) -> bool:
    return path.suffix == ".parquet" and "evidence" in pq.read_schema(path).names


def _read_evidence(path: Path, table: pa.Table) -> pa.ListArray:
    """Give the evidence with no null lists; a table from before all fields goes the slow way."""
    kind = pa.list_(EVIDENCE_TYPE)
    if table.schema.field("evidence").type == kind and not table["evidence"].null_count:
        return table["evidence"].combine_chunks()
    frame = read_label_table(path, columns=["evidence"])
    return pa.array([list(mentions or ()) for mentions in frame["evidence"]], kind)


def _has_manifest(path: Path) -> bool:
    return path.suffix == ".parquet" and manifest_path(path).is_file()


def _name_parents(out: Path, files: CombinedFiles) -> list[Parent]:
    parents = [
        describe_parent("label table" if _has_manifest(path) else "label file", path, out)
        for path in files.labels
    ]
    if files.audited is not None:
        parents.append(describe_parent("audited reads", files.audited, out))
    return parents


def _slice(table: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, table.num_rows, ROWS_AT_ONCE):
        yield table.slice(start, ROWS_AT_ONCE)


def _describe(
    combination: Combination, files: CombinedFiles, settings: dict[str, Any]
) -> dict[str, Any]:
    matrix = combination.matrix
    return {
        "settings": {**settings, "same_rules": [list(group) for group in settings["same_rules"]]},
        "labelers": list(matrix.labelers),
        "studies_missing": files.missing,
        "audited": {
            column: int((reads >= 0).sum())
            for column, reads in zip(matrix.columns, combination.audited, strict=True)
            if (reads >= 0).any()
        },
        "columns": {
            column: _describe_fit(combination, column, combination.fits.get(column))
            for column in matrix.columns
        },
        "warnings": [{"column": column, "says": says} for column, says in combination.warnings],
    }


def _describe_fit(
    combination: Combination, column: str, fit: LabelModelFit | None
) -> dict[str, Any]:
    if fit is None:
        return {"model": "share of votes"}
    voted = (combination.matrix.column(column) != ABSTAIN).any(axis=0)
    names = combination.matrix.labelers
    parameters = fit.parameters
    described: dict[str, Any] = {
        "model": "Dawid–Skene",
        "prior": _round(parameters.prior),
        "confusion": {
            names[place]: _round(_join_doubt(parameters, int(place)))
            for place in np.flatnonzero(voted)
        },
        "iterations": fit.convergence.iterations,
        "converged": fit.convergence.converged,
        "objective": round(fit.convergence.objective, 3),
    }
    if combination.settings.abstention == "informative":
        described["abstention"] = {
            names[place]: _round(parameters.abstention[place]) for place in np.flatnonzero(voted)
        }
    return described


def _join_doubt(parameters: Parameters, place: int) -> Array:
    """A labeler's confusion with what it says of a finding as its last column: uncertain."""
    confusion: Array = parameters.confusion[place]
    if len(confusion) != 2:
        return confusion
    doubt = parameters.doubt[place][:, None]
    joined: Array = np.hstack([confusion * (1 - doubt), doubt])
    return joined


def _round(values: np.ndarray) -> Any:
    return np.round(values, DIGITS).tolist()
