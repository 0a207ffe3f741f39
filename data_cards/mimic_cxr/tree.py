"""Lists MIMIC-CXR's folders: one listing per folder, and no question about any single file."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

_GROUP, _PATIENT = re.compile(r"p(\d\d)"), re.compile(r"p(\d+)")
_STUDY, _REPORT = re.compile(r"s(\d+)"), re.compile(r"s(\d+)\.txt")
IMAGE_ENDING = ".jpg"

Key = tuple[int, int]
"""A patient's number and a study's."""


class Tree(NamedTuple):
    """What lies below `files`: the path of each report, and of each study's images by name."""

    reports: dict[Key, str]
    images: dict[Key, dict[str, str]]


def list_tree(files: Path) -> Tree:
    """List `p10/p10000032/s50414267.txt` and `p10/p10000032/s50414267/<dicom_id>.jpg`.

    Whatever is called otherwise is left alone. 65,000 patients have 228,000 study folders: a
    listing tells files from folders without asking the disk for each.
    """
    tree = Tree({}, {})
    for group in _folders(str(files), _GROUP):
        for patient in _folders(group.path, _PATIENT):
            _list_patient(patient.path, int(patient.name[1:]), tree)
    return tree


def name_study(patient: int, study: int) -> str:
    """Name a study's folder below the root, as PhysioNet lays it out."""
    return f"files/p{str(patient)[:2]}/p{patient}/s{study}"


def _list_patient(folder: str, patient: int, tree: Tree) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if report := _REPORT.fullmatch(entry.name):
                tree.reports[patient, int(report[1])] = entry.path
            elif (study := _STUDY.fullmatch(entry.name)) and entry.is_dir():
                names = os.listdir(entry.path)  # noqa: PTH208 - names are all that is asked
                tree.images[patient, int(study[1])] = {
                    name: f"{entry.path}{os.sep}{name}"
                    for name in names
                    if name.endswith(IMAGE_ENDING)
                }


def _folders(folder: str, name: re.Pattern[str]) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if name.fullmatch(entry.name) and entry.is_dir()]
    return sorted(found, key=lambda entry: entry.name)
