"""Reads CheXpert Plus: the reports of CheXpert's studies beside images in PNG."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from data_cards.csv_rows import CsvRow, read_csv_rows
from data_cards.image_rows import LISTED_AGAIN, Folders, read_age, read_sex, refuse_outside
from data_cards.known_counts import report_counts
from data_cards.study import CorpusError, Listing, Skipped, Study, StudyImage, list_studies

TABLE = "df_chexpert_plus_240401.csv"
PATH = "path_to_image"
COLUMNS = (PATH, "frontal_lateral", "ap_pa", "deid_patient_id", "report", "age", "sex", "split")
SECTION = "section_"
SPLITS = {"train": "train", "valid": "validate"}
PLACE = re.compile(r"(?:.*/)?(?:train|valid)/(patient\d+)/(study\d+)/[^/]+")
IMAGE_FOLDERS = ("PNG/PNG/", "PNG/", "")
KNOWN_COUNTS = {"images": 223_228, "studies": 187_711, "patients": 64_725}
"""Chambon et al. 2024; others count 223,462 rows."""


def read_chexpert_plus(root: Path) -> Listing:
    """List the studies of `df_chexpert_plus_240401.csv` with their reports.

    Study ids are CheXpert's (`patient00001/study1`), the report is the column `report`, and where
    that is empty its `section_*` columns with text as `NAME: text`, one a line. An image is the
    PNG of the same name in `PNG/PNG/`, `PNG/` or the root; the JPEG itself will do. Studies keep
    their report without any image. `valid` is validate. Images that are not there are in
    `skipped`. Raises CorpusError when the table is missing or not as expected.
    """
    table = find_table(root)
    files = Folders(root)
    skipped: list[Skipped] = []
    images: dict[str, list[StudyImage]] = {}
    last = 0
    for row in read_csv_rows(table, COLUMNS):
        last = row.number
        listed = images.setdefault(_read_study_id(table, row), [])
        path = _find_image(files, row.values[PATH].strip())
        if path is None:
            skipped.append(Skipped(row.values[PATH].strip(), "no such image"))
        elif any(image["path"] == path for image in listed):
            skipped.append(Skipped(row.values[PATH].strip(), LISTED_AGAIN))
        else:
            listed.append({"path": path, "view": _read_view(row.values)})
    patients = {study_id.partition("/")[0] for study_id in images}
    counts = {"images": last, "studies": len(images), "patients": len(patients)}
    report_counts("CheXpert Plus", counts, KNOWN_COUNTS)
    return list_studies("chexpert_plus", root, _read_studies(table, images), skipped)


def find_table(root: Path) -> Path:
    """Give the table's path; raises CorpusError where it is not."""
    if not (root / TABLE).is_file():
        raise CorpusError(f"{root / TABLE}: no such file; expected CheXpert Plus's table")
    return root / TABLE


def read_place(given: str, where: str) -> str:
    """Read a study's id, `patient00001/study1`, from the path of one of its images."""
    refuse_outside(given.strip())
    match = PLACE.fullmatch(given.strip())
    if match is None:
        raise CorpusError(f"{where}: expected train/patient00001/study1/view1_frontal.jpg")
    return "/".join(match.groups())


def _read_study_id(table: Path, row: CsvRow) -> str:
    return read_place(row.values[PATH], f"{table}, {row.place}, {PATH}")


def _read_studies(table: Path, images: dict[str, list[StudyImage]]) -> Iterator[Study]:
    """Read the table again, so that memory holds one report and not all of them."""
    for row in read_csv_rows(table, COLUMNS):
        study_id = _read_study_id(table, row)
        if study_id not in images:
            continue  # given with an earlier row: each of its images has one
        values = row.values
        split = values["split"].strip()
        if split not in SPLITS:
            raise CorpusError(f"{table}, {row.place}, split: expected one of {', '.join(SPLITS)}")
        yield {
            "corpus": "chexpert_plus",
            "study_id": study_id,
            "patient_id": values["deid_patient_id"].strip() or study_id.partition("/")[0],
            "images": images.pop(study_id),
            "split": SPLITS[split],
            "report": _read_report(values),
            "sex": read_sex(values["sex"]),
            "age": read_age(values["age"]) or None,  # 0 stands for one that is not known
        }


def _read_view(values: Mapping[str, str]) -> str | None:
    is_lateral = values["frontal_lateral"].strip().lower() == "lateral"
    return "LATERAL" if is_lateral else values["ap_pa"].strip().upper() or None


def _find_image(files: Folders, given: str) -> str | None:
    stem = given.rpartition(".")[0]
    names = [f"{stem}.png", given]
    places = (f"{folder}{name}" for name in names for folder in IMAGE_FOLDERS)
    return next(filter(None, map(files.find, places)), None)


def _read_report(values: Mapping[str, str]) -> str | None:
    if values["report"].strip():
        return values["report"]
    parts = {name: text.strip() for name, text in values.items() if name.startswith(SECTION)}
    lines = [
        f"{name.removeprefix(SECTION).replace('_', ' ').upper()}: {text}"
        for name, text in parts.items()
        if text
    ]
    return "\n".join(lines) or None
