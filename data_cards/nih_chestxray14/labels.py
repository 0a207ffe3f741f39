"""ChestX-ray14's labels: what a report names, and 0 for the others of the fourteen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data_cards.csv_rows import read_csv_rows
from data_cards.findings import CHESTXRAY14_TO_FINDING, LabelCode
from data_cards.nih_chestxray14.reader import COLUMNS, IMAGE, find_table
from data_cards.published_labels import LabelRow, PublishedTable, Tables
from data_cards.study import CorpusError

NO_FINDING = "No Finding"
FINDINGS = {name: CHESTXRAY14_TO_FINDING[name] for name in CHESTXRAY14_TO_FINDING} | {
    NO_FINDING: NO_FINDING
}


def read_labels(root: Path) -> PublishedTable:
    """Give the labels of `Data_Entry_2017_v2020.csv`, split at `|`."""
    table = find_table(root)
    return PublishedTable((table,), _read_rows(table))


def _read_rows(table: Path) -> Iterator[LabelRow]:
    absent = dict.fromkeys(FINDINGS.values(), LabelCode.NEGATIVE)
    for row in read_csv_rows(table, COLUMNS):
        named = [name.strip() for name in row.values["Finding Labels"].split("|")]
        unknown = [name for name in named if name not in FINDINGS]
        if unknown:
            raise CorpusError(
                f"{table}, {row.place}, Finding Labels: {len(unknown)} names unknown to"
                f" ChestX-ray14; expected some of {', '.join(FINDINGS)}, joined by |"
            )
        present = {FINDINGS[name]: LabelCode.POSITIVE for name in named}
        yield {"study_id": Path(row.values[IMAGE].strip()).stem, **absent, **present}


TABLES: Tables = {"chestxray14": read_labels}
