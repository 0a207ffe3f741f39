"""MIMIC-CXR's published labels: two labelers', the test set's, and the grades of edema."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from data_cards.csv_rows import CsvRow, read_csv_rows
from data_cards.findings import SEVERITY_LEVELS
from data_cards.known_counts import report_counts
from data_cards.mimic_cxr.tables import find_home, find_table
from data_cards.published_labels import (
    SEVERITY,
    LabelRow,
    PublishedTable,
    Tables,
    read_code_rows,
)
from data_cards.study import CorpusError

IMAGES, SEVERITY_HOME = "mimic-cxr-jpg", "mimic-cxr-pe-severity"
GRADES = tuple(str(grade) for grade in range(SEVERITY_LEVELS))
KNOWN_GRADES = {
    "regex_report": {
        "rows": 6_710,
        "patients": 1_678,
        "0": 2_801,
        "1": 1_497,
        "2": 1_736,
        "3": 676,
    },
    "expert_report": {"rows": 485, "patients": 156, "0": 216, "1": 98, "2": 105, "3": 66},
    "consensus_image": {"rows": 141, "patients": 123, "0": 61, "1": 44, "2": 20, "3": 16},
}
"""mimic-cxr-pe-severity 1.0.1: patterns over reports, experts reading reports, four radiologists
reading images (Horng et al. 2021; Liao et al., MICCAI 2021)."""


def read_labeler(name: str, root: Path) -> PublishedTable:
    """Give the codes of `mimic-cxr-2.0.0-<name>.csv.gz`: CheXpert's or NegBio's labeler."""
    table = find_table(find_home(root, IMAGES), name)
    return _read_codes(table, ("subject_id", "study_id"))


def read_test_set(root: Path) -> PublishedTable:
    """Give the codes that radiologists read from 687 reports (2.1.0); study ids, no patients.

    Its column Airspace Opacity is CheXpert's Lung Opacity.
    """
    return _read_codes(find_table(find_home(root, IMAGES), "test-set-labeled"), ("study_id",))


def read_grades(kind: str, root: Path) -> PublishedTable:
    """Give the grades of edema 0 to 3 in `<kind>_edema_severity.csv`.

    Held against its published counts. Raises CorpusError when the table is not there, or a cell
    is no grade.
    """
    table = find_home(root, SEVERITY_HOME) / f"{kind}_edema_severity.csv"
    if not table.is_file():
        raise CorpusError(f"{table}: no such file; expected one of mimic-cxr-pe-severity's tables")
    return PublishedTable((table,), _read_grades(kind, table))


def _read_codes(table: Path, ids: tuple[str, ...]) -> PublishedTable:
    rows = read_csv_rows(table, ids)
    return PublishedTable((table,), read_code_rows(table, rows, partial(_read_id, table)))


def _read_grades(kind: str, table: Path) -> Iterator[LabelRow]:
    counts: Counter[str] = Counter()
    patients = set()
    for row in read_csv_rows(table, ("subject_id", "study_id", SEVERITY)):
        grade = row.values[SEVERITY].strip().removesuffix(".0")
        if grade not in GRADES:
            raise CorpusError(f"{table}, {row.place}, {SEVERITY}: expected {', '.join(GRADES)}")
        counts["rows"] += 1
        counts[grade] += 1
        patients.add(row.values["subject_id"])
        yield {"study_id": _read_id(table, row), SEVERITY: int(grade)}
    report_counts(table.name, counts | {"patients": len(patients)}, KNOWN_GRADES[kind])


def _read_id(table: Path, row: CsvRow) -> str:
    study_id = row.values["study_id"].strip().removesuffix(".0")
    if not study_id.isdecimal():
        raise CorpusError(f"{table}, {row.place}, study_id: expected a whole number")
    return study_id


TABLES: Tables = {
    "chexpert": partial(read_labeler, "chexpert"),
    "negbio": partial(read_labeler, "negbio"),
    "test_set": read_test_set,
    **{kind: partial(read_grades, kind) for kind in KNOWN_GRADES},
}
