"""Reads Open-i's reports in the two tables of their Kaggle copy."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from data_cards.csv_rows import read_csv_rows
from data_cards.image_rows import LISTED_AGAIN, Folders
from data_cards.known_counts import report_counts
from data_cards.openi.sections import compose_report
from data_cards.study import Listing, Skipped, Study, StudyImage, list_studies

REPORTS, PROJECTIONS = "indiana_reports.csv", "indiana_projections.csv"
SECTIONS = ("comparison", "indication", "findings", "impression")
"""In the order of the original files, so that the text is the same as theirs."""
IMAGE_FOLDERS = ("images/images_normalized/", "images_normalized/", "images/", "")
VIEWS = {"lateral": "LATERAL", "frontal": None}
"""A frontal image is PA or AP, and the table does not say which."""
KNOWN_COUNTS = {"reports": 3_851, "images": 7_466}


def read_kaggle(root: Path) -> Listing:
    """List the studies of `indiana_reports.csv` with the images of `indiana_projections.csv`.

    Ids and texts are those of the original archive. Images are looked up in
    `images/images_normalized/<filename>`; those that are not there, or of no report, are in
    `skipped`. Raises CorpusError when a table is missing or not as expected.
    """
    skipped: list[Skipped] = []
    images, listed = _read_images(root, skipped)
    studies: dict[str, Study] = {}
    for row in read_csv_rows(root / REPORTS, ("uid", *SECTIONS)):
        uid = row.values["uid"].strip()
        if not uid or uid in studies:
            reason = "has the uid of an earlier row" if uid else "no uid"
            skipped.append(Skipped(f"{REPORTS}, {row.place}", reason))
            continue
        studies[uid] = {
            "corpus": "openi",
            "study_id": uid,
            "patient_id": uid,  # the collection holds one report of each patient
            "images": images.pop(uid, []),
            "report": compose_report((name, row.values[name]) for name in SECTIONS),
        }
    skipped += [
        Skipped(image["path"].removeprefix(f"{root}/"), "of no report in the table")
        for left in images.values()
        for image in left
    ]
    report_counts("Open-i", {"reports": len(studies), "images": listed}, KNOWN_COUNTS)
    return list_studies("openi", root, studies.values(), skipped)


def _read_images(root: Path, skipped: list[Skipped]) -> tuple[dict[str, list[StudyImage]], int]:
    files = Folders(root)
    images: dict[str, list[StudyImage]] = defaultdict(list)
    number = 0
    for row in read_csv_rows(root / PROJECTIONS, ("uid", "filename", "projection")):
        number = row.number
        name, view = row.values["filename"].strip(), row.values["projection"].strip()
        places = (files.find(f"{folder}{name}") for folder in IMAGE_FOLDERS)
        path = next(filter(None, places), None)
        listed = images[row.values["uid"].strip()]
        if path is None:
            skipped.append(Skipped(name, "no such image"))
        elif any(image["path"] == path for image in listed):
            skipped.append(Skipped(name, LISTED_AGAIN))
        else:
            listed.append({"path": path, "view": VIEWS.get(view.lower(), view or None)})
    return images, number
