"""Writes the labels that a corpus comes with as a label table, so that training can take them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from configs.files import hash_json
from data_cards.corpora import Corpus
from data_cards.csv_rows import CsvRow
from data_cards.findings import CHEXPERT_OBSERVATIONS, LabelCode
from data_cards.label_table import (
    LabelTableManifest,
    list_findings,
    write_label_table,
    write_manifest,
)
from data_cards.lineage import describe_parent
from data_cards.study import CorpusError

SEVERITY = "edema_severity"
ALIASES = {"Airspace Opacity": "Lung Opacity"}
"""What some tables call a finding of CheXpert's (MIMIC-CXR's test set does)."""
STRONGEST = (None, LabelCode.NEGATIVE, LabelCode.UNCERTAIN, LabelCode.POSITIVE)
"""Of two codes for one study the later holds, as CheXpert's labeler joins mentions."""
COUNTED = {LabelCode.POSITIVE: "positive", LabelCode.NEGATIVE: "negative", -1: "uncertain"}

LabelRow = Mapping[str, Any]
"""`study_id`, and codes by finding or an `edema_severity`."""


class PublishedTable(NamedTuple):
    """A table of labels as a corpus comes with it: its files, and its rows, one or more a study."""

    files: tuple[Path, ...]
    rows: Iterable[LabelRow]


Tables = Mapping[str, Callable[[Path], PublishedTable]]
"""The tables of a corpus by name, each with its reader (root → table); the first is the usual."""


def list_tables(corpus: Corpus) -> Tables:
    """Give a corpus's tables of labels; raises CorpusError when it comes with none."""
    if not corpus.labels:
        raise CorpusError(f"corpus {corpus.name!r}: comes with no labels that Kerley reads")
    module, _, name = corpus.labels.partition(":")
    tables: Tables = getattr(import_module(module), name)
    return tables


def write_published_labels(
    corpus: Corpus, root: Path, out: Path, *, table: str | None = None
) -> LabelTableManifest:
    """Write one table of `corpus` under `root` as the label table `out`, with its manifest.

    Rows of one study are joined: present before uncertain, before denied, before not mentioned;
    of grades the highest. Raises CorpusError for an unknown table, a file that is missing or not
    as expected, or a table without a row.
    """
    began = time.monotonic()
    tables = list_tables(corpus)
    name = table or next(iter(tables))
    if name not in tables:
        raise CorpusError(f"{name!r}: corpus {corpus.name!r} has the tables {', '.join(tables)}")
    published = tables[name](root)
    rows = list(join_studies(published.rows))
    if not rows:
        raise CorpusError(f"{published.files[0]}: holds no row; expected labels of studies")
    table_hash = write_label_table(out, rows)
    parents = [describe_parent("label file", file, out) for file in published.files]
    manifest = LabelTableManifest(
        labeler=f"published: {corpus.name} {name}",
        labeler_version=version("kerley"),
        profile="",
        rules_hash=hash_json([parent.hash for parent in parents]),
        corpus=corpus.name,
        corpus_hash="",
        table_hash=table_hash,
        studies=len(rows),
        counts=_count(rows),
        skipped=[],
        seconds=round(time.monotonic() - began, 3),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        parents=parents,
    )
    write_manifest(out, manifest)
    return manifest


def join_studies(rows: Iterable[LabelRow]) -> Iterator[LabelRow]:
    """Give one row for each study, in the order in which they first come."""
    joined: dict[str, dict[str, Any]] = {}
    for row in rows:
        into = joined.setdefault(row["study_id"], {})
        for name, value in row.items():
            if name == SEVERITY:
                known = [grade for grade in (value, into.get(name)) if grade is not None]
                into[name] = max(known, default=None)
            elif name == "study_id":
                into[name] = value
            else:
                into[name] = max(value, into.get(name), key=STRONGEST.index)
    yield from joined.values()


def _count(rows: list[LabelRow]) -> dict[str, dict[str, int]]:
    names = dict.fromkeys(name for row in rows for name in row)
    counts = {}
    for name in (*list_findings(names), *([SEVERITY] if SEVERITY in names else [])):
        found = Counter(row.get(name) for row in rows)
        words = {grade: str(grade) for grade in range(4)} if name == SEVERITY else COUNTED
        counts[name] = {word: found[code] for code, word in words.items()}
        counts[name]["not mentioned"] = found[None]
    return counts


CODES = {"": None} | {
    f"{number}{rest}": LabelCode(number) for number in (1, 0, -1) for rest in ("", ".0")
}


def read_codes(
    where: str, values: Mapping[str, str], findings: Iterable[str] = CHEXPERT_OBSERVATIONS
) -> dict[str, LabelCode | None]:
    """Read the cells of findings (`1.0`, `0.0`, `-1.0`, empty); a column that is not there is not.

    Raises CorpusError naming the place and the column, not the cell.
    """
    codes: dict[str, LabelCode | None] = {}
    for finding in findings:
        names = [name for name in (finding, *ALIASES) if ALIASES.get(name, name) == finding]
        column = next((name for name in names if name in values), None)
        if column is None:
            continue
        text = values[column].strip()
        if text not in CODES:
            raise CorpusError(f"{where}, {column}: expected 1, 0, -1 or nothing")
        codes[finding] = CODES[text]
    return codes


def read_code_rows(
    table: Path, rows: Iterable[CsvRow], name_study: Callable[[CsvRow], str]
) -> Iterator[LabelRow]:
    """Read codes of CheXpert's findings row by row; raises CorpusError for a table with none."""
    for row in rows:
        codes = read_codes(f"{table}, {row.place}", row.values)
        if not codes:
            raise CorpusError(
                f"{table}: none of its columns is a finding; expected"
                f" {', '.join(CHEXPERT_OBSERVATIONS[:3])} …"
            )
        yield {"study_id": name_study(row), **codes}
