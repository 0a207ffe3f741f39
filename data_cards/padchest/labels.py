"""PadChest's labels under Kerley's names, by the map in `labels.yaml`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import yaml

from data_cards.csv_rows import CsvRow, read_csv_rows
from data_cards.findings import LabelCode
from data_cards.padchest.reader import COLUMNS, find_table
from data_cards.published_labels import LabelRow, PublishedTable, Tables
from data_cards.study import CorpusError

MAP = Path(__file__).with_name("labels.yaml")
PHYSICIAN = "Physician"
EMPTY = ("", "nan", "[]")
LONGEST_CELL = 10_000
"""Characters; a cell is a list of a few names, and Python's parser takes what it is given."""


def read_labels(root: Path, *, by_people: bool = False) -> PublishedTable:
    """Give the labels of the table; by_people: only of studies that a physician labelled."""
    table = find_table(root)
    return PublishedTable((table,), _read_rows(table, by_people=by_people))


def _read_rows(table: Path, *, by_people: bool) -> Iterator[LabelRow]:
    known: dict[str, list[str]] = yaml.safe_load(MAP.read_text(encoding="utf-8"))
    for row in read_csv_rows(table, COLUMNS):
        values = row.values
        study_id = values["StudyID"].strip()
        is_left_out = by_people and values["MethodLabel"].strip() != PHYSICIAN
        if is_left_out or not study_id or values["Labels"].strip() in EMPTY:
            continue
        named = _read_names(table, row)
        codes = {
            finding: LabelCode.POSITIVE if named & set(names) else LabelCode.NEGATIVE
            for finding, names in known.items()
        }
        yield {"study_id": study_id, **codes}


def _read_names(table: Path, row: CsvRow) -> set[str]:
    """Read `['normal', ' pleural effusion', '']`; raises CorpusError for anything else."""
    text = row.values["Labels"]
    try:
        names = ast.literal_eval(text.strip()) if len(text) <= LONGEST_CELL else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise CorpusError(f"{table}, {row.place}, Labels: expected a list of names")
    return {name.strip() for name in names}


TABLES: Tables = {"all": read_labels, "physician": partial(read_labels, by_people=True)}
