"""Reads MIMIC-CXR's reports and MIMIC-CXR-JPG's images and tables from one root."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from data_cards.csv_rows import read_csv_rows
from data_cards.image_rows import LISTED_AGAIN
from data_cards.known_counts import report_counts
from data_cards.mimic_cxr.tables import ListedImage, find_home, read_images, read_splits
from data_cards.mimic_cxr.tree import Tree, list_tree, name_study
from data_cards.study import SPLITS, CorpusError, Listing, Skipped, Study, list_studies

logger = logging.getLogger(__name__)

REPORTS, IMAGES, SEVERITY = "mimic-cxr", "mimic-cxr-jpg", "mimic-cxr-pe-severity"
FILES = "files"
CONSENSUS = "consensus_image_edema_severity.csv"
"""141 images of 123 patients, graded by a panel: what the images show (Horng et al. 2021)."""
KNOWN_CONSENSUS = {"patients": 123}
KNOWN_COUNTS = {
    **{"images": 377_110, "studies": 227_827, "patients": 65_379, "reports": 227_835},
    **{"train": 368_960, "validate": 2_991, "test": 5_159},
}
"""MIMIC-CXR-JPG 2.1.0 and MIMIC-CXR 2.1.0; the splits are counted in images."""


def read_mimic_cxr(root: Path) -> Listing:
    """List the studies, with the patients of the edema consensus set in the test split.

    Ids are the plain numbers of PhysioNet's tables. Only files that a listing of the folders
    holds are named; each that the tables name and the folders lack is in `skipped`. Raises
    CorpusError naming the table or folder that is missing, or a link that leaves the root.
    """
    return _read(root, "mimic_cxr", keep_anchors=False)


def read_mimic_cxr_anchors(root: Path) -> Listing:
    """List the same studies, with half of the consensus patients in the validation split.

    To recalibrate a model on what a panel saw, and still test it on the panel's other patients.
    """
    return _read(root, "mimic_cxr_anchors", keep_anchors=True)


def _read(root: Path, name: str, *, keep_anchors: bool) -> Listing:
    jpg, reports = find_home(root, IMAGES), find_home(root, REPORTS)
    images = read_images(jpg)
    splits = read_splits(jpg)
    for folder in {jpg / FILES, reports / FILES}:
        if not folder.is_dir():
            raise CorpusError(f"{folder}: no such folder; expected p10/p10000032/s50414267 below")
    tree = list_tree(jpg / FILES)
    if reports != jpg:
        tree = Tree(list_tree(reports / FILES).reports, tree.images)
    if not tree.reports:
        raise CorpusError(f"{reports / FILES}: holds no report; expected p10/p10000032/s….txt")
    _compare_counts(images, splits, tree)
    held_out = _read_held_out(root, keep_anchors=keep_anchors)
    skipped = _name_missing(images, tree)
    studies = _make_studies(name, images, tree, skipped)

    def place(study: Study) -> Study:
        patient, number = int(study["patient_id"]), int(study["study_id"])
        study["split"] = held_out.get(patient) or splits.get((patient, number))
        return study

    return list_studies(name, root, map(place, studies), skipped)


def _make_studies(
    name: str,
    images: Mapping[tuple[int, int], list[ListedImage]],
    tree: Tree,
    skipped: list[Skipped],
) -> Iterator[Study]:
    for key in sorted(tree.reports.keys() | images.keys()):
        listed = _list_once(key, images.get(key, []), skipped)
        found = tree.images.get(key, {})
        present = [image for image in listed if image.file in found]
        report = _read_report(key, tree, skipped)
        if report is None and not present:
            skipped.append(Skipped(name_study(*key), "neither a report nor an image"))
            continue
        yield {
            "corpus": name,
            "patient_id": str(key[0]),
            "study_id": str(key[1]),
            "images": [{"path": found[i.file], "view": i.view} for i in present],
            "report": report,
            "acquired": listed[0].acquired if listed else None,
        }


def _list_once(
    key: tuple[int, int], listed: list[ListedImage], skipped: list[Skipped]
) -> list[ListedImage]:
    once = {image.file: image for image in reversed(listed)}
    if len(once) == len(listed):
        return listed
    rows = Counter(image.file for image in listed)
    skipped += [
        Skipped(f"{name_study(*key)}/{file}", LISTED_AGAIN) for file, n in rows.items() if n > 1
    ]
    return [once[file] for file in rows]


def _read_report(key: tuple[int, int], tree: Tree, skipped: list[Skipped]) -> str | None:
    path = tree.reports.get(key)
    if path is None:
        skipped.append(Skipped(f"{name_study(*key)}.txt", "no such report"))
        return None
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a quarter faster than pathlib, 227k times
            report = file.read().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        skipped.append(Skipped(f"{name_study(*key)}.txt", f"no text: {type(error).__name__}"))
        return None
    if not report.strip():
        skipped.append(Skipped(f"{name_study(*key)}.txt", "empty file"))
        return None
    return report


def _name_missing(images: Mapping[tuple[int, int], list[ListedImage]], tree: Tree) -> list[Skipped]:
    """Name the images that the tables list and the folders lack, and the other way round."""
    missing = [
        Skipped(f"{name_study(*key)}/{image.file}", "no such image")
        for key, listed in images.items()
        for image in listed
        if image.file not in tree.images.get(key, {})
    ]
    unlisted = [
        Skipped(f"{name_study(*key)}/{file}", "not in the metadata")
        for key, files in tree.images.items()
        for file in sorted(files.keys() - {image.file for image in images.get(key, [])})
    ]
    return missing + unlisted


def _read_held_out(root: Path, *, keep_anchors: bool) -> dict[int, str]:
    """Give the split of each patient of the consensus set: all in test, or half in validate.

    All 141 images lie in the training folds of the published severity split, so that a model
    trained on it cannot be tested on them.
    """
    table = find_home(root, SEVERITY) / CONSENSUS
    if not table.is_file():
        expected = f"{root / SEVERITY / CONSENSUS}: no such file"
        if keep_anchors:
            raise CorpusError(f"{expected}; mimic_cxr_anchors needs the panel's patients")
        logger.warning("%s; the panel's patients are not kept out of training", expected)
        return {}
    columns = ("subject_id", "study_id", "dicom_id", "edema_severity")
    try:
        patients = {int(row.values["subject_id"]) for row in read_csv_rows(table, columns)}
    except ValueError as error:
        raise CorpusError(f"{table}: a subject_id is no whole number") from error
    report_counts(CONSENSUS, {"patients": len(patients)}, KNOWN_CONSENSUS)
    order = sorted(patients, key=lambda patient: hashlib.sha256(str(patient).encode()).digest())
    anchors = len(order) // 2 if keep_anchors else 0
    parts: tuple[Literal["validate", "test"], ...] = ("validate", "test")
    return {patient: parts[place >= anchors] for place, patient in enumerate(order)}


def _compare_counts(
    images: Mapping[tuple[int, int], list[ListedImage]],
    splits: Mapping[tuple[int, int], str],
    tree: Tree,
) -> None:
    """Warn where the full set does not have the counts that its publishers give."""
    found = {
        "images": sum(map(len, images.values())),
        "studies": len(images),
        "patients": len({patient for patient, _ in images}),
        "reports": len(tree.reports),
        **{
            split: sum(len(images.get(key, [])) for key, name in splits.items() if name == split)
            for split in SPLITS
        },
    }
    report_counts("MIMIC-CXR", found, KNOWN_COUNTS)
