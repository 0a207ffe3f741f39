"""CheXpert's labels: mined from reports in train, read from images in valid and test."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from data_cards.chexpert.reader import find_tables, read_place
from data_cards.csv_rows import CsvRow, read_csv_rows
from data_cards.published_labels import LabelRow, PublishedTable, Tables, read_code_rows


def read_labels(root: Path) -> PublishedTable:
    """Give the labels of every table that `read_chexpert` reads."""
    tables = find_tables(root)

    def read_rows() -> Iterator[LabelRow]:
        for table in tables:
            rows = read_csv_rows(table, ("Path",))
            yield from read_code_rows(table, rows, partial(_name_study, table))

    return PublishedTable(tuple(tables), read_rows())


def _name_study(table: Path, row: CsvRow) -> str:
    return read_place(table, row).study_id


TABLES: Tables = {"chexpert": read_labels}
