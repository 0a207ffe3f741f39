"""Reads PadChest: one table with Spanish reports, and images by numbered folder."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from data_cards.csv_rows import CsvRow, read_csv_rows
from data_cards.image_rows import Folders, ImageRow, group_studies, read_age, read_sex
from data_cards.known_counts import report_counts
from data_cards.study import CorpusError, Listing, Skipped, list_studies

logger = logging.getLogger(__name__)

TABLES = "PADCHEST_chest_x_ray_images_labels_160K*.csv"
PACKED = ".gz"
COLUMNS = (
    *("ImageID", "ImageDir", "StudyDate_DICOM", "StudyID", "PatientID", "PatientBirth"),
    *("PatientSex_DICOM", "Projection", "Report", "Labels", "MethodLabel"),
)
VIEWS = {"PA": "PA", "AP": "AP", "AP_horizontal": "AP", "L": "LATERAL", "": None}
"""Projections as the table writes them; COSTAL stays as it is."""
EXCLUDED = "EXCLUDE"
"""A projection that its authors gave to what is no chest X-ray of use."""
IMAGE_FOLDERS = ("", "images/", "png/")
KNOWN_COUNTS = {"images": 160_868, "studies": 109_931, "patients": 67_625}
"""Of the table (Bustos et al. 2020 write 160,868 images of 67,625 patients)."""


def read_padchest(root: Path) -> Listing:
    """List the studies of the table; images lie in `<ImageDir>/<ImageID>`, or all in one folder.

    The zips `0.zip` to `54.zip` unpack to folders of these names, which may lie in `images/`.
    Reports are Spanish, in lower case and stemmed: a warning says that the labeler reads English.
    Age is counted from the year of birth. Left out and listed: images that are not there, those
    that the authors exclude, and rows without a patient or study. No official split. Raises
    CorpusError when the table is missing or not as expected.
    """
    table = find_table(root)
    files = Folders(root)
    skipped: list[Skipped] = []
    seen: dict[str, set[str]] = {"images": set(), "studies": set(), "patients": set()}

    def read_rows() -> Iterator[ImageRow]:
        for row in read_csv_rows(table, COLUMNS):
            name = row.values["ImageID"].strip()
            for what, column in zip(seen, ("ImageID", "StudyID", "PatientID"), strict=True):
                seen[what].add(row.values[column])
            path = _find_image(files, row)
            reason = _reason_to_leave_out(row, path)
            if path is None or reason:
                skipped.append(Skipped(name or f"{table.name}, {row.place}", reason or ""))
            else:
                yield _make_row(row, path)

    rows = list(read_rows())
    report_counts("PadChest", {what: len(found) for what, found in seen.items()}, KNOWN_COUNTS)
    if any(row.report for row in rows):
        logger.warning("PadChest: the reports are Spanish, and the labeler reads English alone")
    studies = group_studies("padchest", root, rows, skipped)
    return list_studies("padchest", root, studies, skipped)


def find_table(root: Path) -> Path:
    """Find the one table under its dated name, packed (`.csv.gz`) or not.

    Raises CorpusError without one, or with two of other dates.
    """
    found = sorted(root.glob(TABLES))
    unpacked = {table.name for table in found}
    found += [
        table
        for table in sorted(root.glob(TABLES + PACKED))
        if table.name.removesuffix(PACKED) not in unpacked
    ]
    if len(found) != 1:
        raise CorpusError(f"{root}: expected one {TABLES}, found {len(found)}")
    return found[0]


def _find_image(files: Folders, row: CsvRow) -> str | None:
    name, folder = row.values["ImageID"].strip(), row.values["ImageDir"].strip()
    if not name:
        return None
    folder = folder.removesuffix(".0")  # pandas writes a number so where a cell was empty
    places = [f"{top}{part}{name}" for top in IMAGE_FOLDERS for part in (f"{folder}/", "")]
    return next(filter(None, (files.find(place.lstrip("/")) for place in places)), None)


def _reason_to_leave_out(row: CsvRow, path: str | None) -> str | None:
    values = row.values
    if not values["StudyID"].strip() or not values["PatientID"].strip():
        return "no StudyID or PatientID"
    if values["Projection"].strip() == EXCLUDED:
        return f"projection {EXCLUDED}"
    return "no such image" if path is None else None


def _make_row(row: CsvRow, path: str) -> ImageRow:
    values = {name: row.values[name].strip() for name in COLUMNS}
    day = _read_day(values["StudyDate_DICOM"].removesuffix(".0"))
    return ImageRow(
        study_id=values["StudyID"],
        patient_id=values["PatientID"],
        path=path,
        view=VIEWS.get(values["Projection"], values["Projection"]),
        sex=read_sex(values["PatientSex_DICOM"]),
        age=_count_age(values["PatientBirth"], day),
        acquired=day,
        report=row.values["Report"] if values["Report"] else None,
    )


def _read_day(text: str) -> str | None:
    try:
        return datetime.strptime(text, "%Y%m%d").date().isoformat()
    except ValueError:
        return None


def _count_age(birth: str, day: str | None) -> float | None:
    """Count years from the year of birth (`1945.0`), which is all that is published of it."""
    year = birth.removesuffix(".0")
    if day is None or len(year) != 4 or not year.isdecimal():
        return None
    return read_age(str(int(day[:4]) - int(year)))
