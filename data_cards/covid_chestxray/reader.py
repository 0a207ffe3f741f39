"""Reads covid-chestxray-dataset: X-rays with free-text notes, listed in `metadata.csv`."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path

from data_cards.csv_rows import CsvRow, read_csv_rows
from data_cards.image_sources import name_source
from data_cards.study import CorpusError, Listing, Skipped, Study, list_studies

METADATA = "metadata.csv"
COLUMNS = ("patientid", "sex", "age", "finding", "view", "modality", "date", "folder", "filename")
NOTES = "clinical_notes"
URL, DOI = "url", "doi"
FRONTAL_VIEWS = {
    "PA": "PA",
    "AP": "AP",
    "AP Supine": "AP",
    "APS": "AP",
    "AP Erect": "AP",
    "AP semi erect": "AP",
}
NO_FINDING_YET = {"", "todo", "unknown"}
DATE_FORMATS = ("%B %d, %Y", "%m/%d/%y", "%m/%d/%Y", "%Y-%m-%d")


def read_covid_chestxray(root: Path) -> Listing:
    """List the frontal X-rays of `root/metadata.csv`, one study per image file.

    The study id is the image's file name, the report is `clinical_notes` and nothing else, the
    class is the last part of `finding` (later copies write `Pneumonia/Viral/COVID-19`). Left out
    and listed: rows that are no X-ray or no frontal view, whose image is not there, or whose image
    an earlier row has. Two patient numbers that share an image are
    one patient: the earlier number holds for both. Raises CorpusError when `metadata.csv` is
    missing or not as expected.
    """
    table = root / METADATA
    if not table.is_file():
        raise CorpusError(f"{table}: no such file; expected covid-chestxray-dataset's {METADATA}")
    studies: dict[str, Study] = {}
    same_patient: dict[str, str] = {}
    skipped = []
    for row in read_csv_rows(table, (*COLUMNS, NOTES)):
        where = f"{METADATA}, {row.place}"
        path = Path(row.values["folder"].strip(), row.values["filename"].strip())
        earlier = studies.get(path.name)
        reason = _reason_to_leave_out(row, root / path)
        if earlier and not reason:
            _join_patients(same_patient, earlier["patient_id"], row.values["patientid"].strip())
            reason = f"lists {path} again"
        if reason:
            skipped.append(Skipped(where, reason))
        else:
            studies[path.name] = _make_study(row, root / path)
    for study in studies.values():
        study["patient_id"] = _first_number(same_patient, study["patient_id"])
    return list_studies("covid_chestxray", root, studies.values(), skipped)


def _reason_to_leave_out(row: CsvRow, image: Path) -> str | None:
    view, modality = row.values["view"].strip(), row.values["modality"].strip()
    if modality != "X-ray":
        return f"modality {modality[:20]!r}; expected 'X-ray'"
    if view not in FRONTAL_VIEWS:
        return f"view {view[:20]!r}; expected one of {', '.join(FRONTAL_VIEWS)}"
    if not row.values["patientid"].strip():
        return "no patientid"
    if not row.values["filename"].strip() or not image.is_file():
        return f"no image file {image.name!r} in folder {image.parent.name!r}"
    return None


def _make_study(row: CsvRow, image: Path) -> Study:
    values = {name: value.strip() for name, value in row.values.items()}
    return {
        "corpus": "covid_chestxray",
        "study_id": image.name,
        "patient_id": values["patientid"],
        "images": [{"path": str(image), "view": FRONTAL_VIEWS[values["view"]]}],
        "report": values[NOTES] or None,
        "class_name": _read_finding(values["finding"]),
        "sex": values["sex"] if values["sex"] in {"M", "F"} else None,
        "age": _read_age(values["age"]),
        "acquired": _read_date(values["date"]),
        "source": _read_source(values),
    }


def _read_finding(text: str) -> str | None:
    finding = text.rpartition("/")[2].strip()
    return finding if finding.lower() not in NO_FINDING_YET else None


def _read_source(values: dict[str, str]) -> str | None:
    """Name the host of the case; of a DOI its publisher, since the rest is one article."""
    publisher = values.get(DOI, "").rpartition("doi.org/")[2].partition("/")[0]
    return name_source(values.get(URL, "")) or (f"doi {publisher}" if publisher else None)


def _read_age(text: str) -> float | None:
    try:
        age = float(text)
    except ValueError:
        return None
    return age if math.isfinite(age) and age >= 0 else None


def _read_date(text: str) -> str | None:
    """Return an ISO date; a year alone stays a year, and anything else is nothing."""
    if len(text) == 4 and text.isdecimal():
        return text
    for form in DATE_FORMATS:
        try:
            return datetime.strptime(text, form).date().isoformat()
        except ValueError:
            continue
    return None


def _join_patients(same_patient: dict[str, str], one: str, other: str) -> None:
    first, second = _first_number(same_patient, one), _first_number(same_patient, other)
    if first != second:
        same_patient[second] = first


def _first_number(same_patient: dict[str, str], number: str) -> str:
    while number in same_patient:
        number = same_patient[number]
    return number
