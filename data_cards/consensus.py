"""Reads a consensus table: what readers saw on images, by study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from configs.files import hash_file
from data_cards.csv_rows import read_csv_rows
from data_cards.findings import FINDINGS, SEVERITY_LEVELS, LabelCode
from data_cards.study import CorpusError

SEVERITY_COLUMNS = ("severity", "edema_severity")
PATIENT_COLUMNS = ("patient_id", "subject_id")


@dataclass(frozen=True)
class Consensus:
    """Consensus reads, one row per image.

    frame: study_id, severity (Int8, null: not graded), cluster (the patient; the study where the
    table has no patient ids), and `findings` (Int8: 1, 0, or null). file: its name without path.
    """

    frame: pd.DataFrame
    findings: tuple[str, ...]
    has_patients: bool
    file: str
    sha256: str


def read_consensus(path: Path) -> Consensus:
    """Read a CSV file with study_id and severity (or edema_severity), 0 to 3.

    patient_id (or subject_id) and columns named as findings (1, 0; anything empty or −1 is
    undecided) are read where they are there; a study may have several images. Raises
    CorpusError naming the file, the row and the column.
    """
    rows = list(read_csv_rows(path, ("study_id",)))
    columns = rows[0].values.keys() if rows else ()
    severity = next((name for name in SEVERITY_COLUMNS if name in columns), None)
    if severity is None:
        raise CorpusError(
            f"{path}: expected rows with study_id and one of severity, edema_severity"
        )
    patient = next((name for name in PATIENT_COLUMNS if name in columns), None)
    findings = tuple(name for name in FINDINGS if name in columns)
    grades = [str(grade) for grade in range(SEVERITY_LEVELS)]
    codes = [str(int(code)) for code in LabelCode]
    read = []
    for row in rows:
        values = row.values
        values_here = {
            "study_id": values["study_id"].strip(),
            "severity": _read(values[severity], grades, f"{path}, {row.place}, {severity}"),
            "cluster": values[patient or "study_id"].strip(),
        }
        for name in findings:
            code = _read(values[name], codes, f"{path}, {row.place}, {name}")
            values_here[name] = None if code == LabelCode.UNCERTAIN else code
        if not values_here["study_id"] or not values_here["cluster"]:
            raise CorpusError(f"{path}, {row.place}: a study or patient id is empty")
        read.append(values_here)
    frame = pd.DataFrame(read).astype(dict.fromkeys(("severity", *findings), "Int8"))
    return Consensus(frame, findings, patient is not None, path.name, hash_file(path))


def _read(text: str, allowed: list[str], where: str) -> int | None:
    """Read one code: `2` or `2.0`; None where it is empty."""
    stripped = text.strip().removesuffix(".0")
    if not stripped:
        return None
    if stripped not in allowed:
        raise CorpusError(f"{where}: not one of {', '.join(allowed)}")
    return int(stripped)
