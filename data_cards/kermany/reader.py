"""Reads Kermany's chest X-rays of children: class and patient from file names, by patient."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from data_cards.image_tree import find_folder, find_home, list_folders, list_images, plain
from data_cards.known_counts import report_counts
from data_cards.study import Listing, Skipped, Study, list_studies

logger = logging.getLogger(__name__)

WAYS = {"chestxray", "chestxray2017", "celldata", "zhanglabdata"}
POOLS = {"train": "train", "val": "train", "test": "test"}
"""Folder → pool: the 16 images of `val` are of patients whose other images are in `train`."""
FOLDERS = ("NORMAL", "PNEUMONIA")
CLASSES = {"bacteria": "bacterial", "virus": "viral", "normal": "normal"}
_NAMES = (
    re.compile(r"(?P<kind>NORMAL)\d*-IM-(?P<patient>\d+)-[\d-]+$", re.IGNORECASE),
    re.compile(r"IM-(?P<patient>\d+)-[\d-]+$", re.IGNORECASE),
    re.compile(r"person(?P<patient>\d+)_(?P<kind>bacteria|virus)_[\d_]+$", re.IGNORECASE),
)
_MENDELEY = re.compile(r"(?P<kind>NORMAL|BACTERIA|VIRUS)-(?P<patient>\d+)-[\d-]+$", re.IGNORECASE)
KNOWN_COUNTS = {
    "images": 5_856,
    "images in train+val/NORMAL": 1_349,
    "images in train+val/PNEUMONIA": 3_883,
    "images in test/NORMAL": 234,
    "images in test/PNEUMONIA": 390,
}
"""Kaggle's copy has 16 of them in val; Mendeley's has no val, and the same images in train."""


class _Name(NamedTuple):
    """What a file name says; known_person: its number means the same in train and test."""

    class_name: str
    patient: str
    known_person: bool


def read_kermany(root: Path) -> Listing:
    """List the images by patient: class bacterial, viral or normal, as the file is called.

    `root` holds `train` and `test`, or is a folder above them. `val` is joined to `train`, so
    that `assign_splits` makes a validation part by patient from both; the test folder stays. A
    patient is a number within a class within train+val or within test: the numbers start again
    in test. Raises CorpusError when the folders are not there.
    """
    home = find_home(
        root,
        WAYS,
        lambda folder: any(find_folder(folder, name) for name in POOLS),
        f"Kermany's chest_xray/ with train and test, and {', '.join(FOLDERS)} in each",
    )
    under = home.relative_to(root)
    skipped = [
        Skipped((under / below.name).as_posix(), "a second copy of the corpus; not read")
        for below in list_folders(home)
        if plain(below.name) in WAYS
    ]
    studies = list(_list_pools(home, root, skipped))
    _compare_counts(studies)
    _compare_pools(studies)
    return list_studies("kermany", root, studies, skipped)


def _list_pools(home: Path, root: Path, skipped: list[Skipped]) -> Iterator[Study]:
    for name in POOLS:
        split_folder = find_folder(home, name)
        if split_folder is None:
            if name != "val":  # Mendeley's copy has none
                skipped.append(
                    Skipped((home.relative_to(root) / name).as_posix(), "no such folder")
                )
            continue
        for class_folder in FOLDERS:
            folder = find_folder(split_folder, class_folder)
            if folder is None:
                where = split_folder.relative_to(root) / class_folder
                skipped.append(Skipped(where.as_posix(), "no such folder"))
            else:
                yield from _list_folder(folder, root, f"{name}/{class_folder}", skipped)


def _list_folder(folder: Path, root: Path, place: str, skipped: list[Skipped]) -> Iterator[Study]:
    pool = POOLS[place.partition("/")[0]]
    where = folder.relative_to(root).as_posix()
    for name, path in list_images(folder, root, skipped).items():
        said = _read_name(name)
        if said is None:
            skipped.append(Skipped(f"{where}/{name}", "a name that tells no class and patient"))
        elif (said.class_name == "normal") != place.endswith("NORMAL"):
            skipped.append(Skipped(f"{where}/{name}", f"named {said.class_name}, in that folder"))
        else:
            yield {
                "corpus": "kermany",
                "study_id": f"{place}/{name}",
                "patient_id": f"{pool}/{said.class_name}/{said.patient}",
                "images": [{"path": path}],
                "split": pool,
                "class_name": said.class_name,
            }


def _read_name(name: str) -> _Name | None:
    stem = name.rpartition(".")[0]
    for form in (_MENDELEY, *_NAMES):
        said = form.match(stem)
        if said:
            kind = (said.groupdict().get("kind") or "normal").lower()
            return _Name(CLASSES[kind], said["patient"], form is _MENDELEY)
    return None


def _compare_pools(studies: list[Study]) -> None:
    """Warn where a hospital's own number, as Mendeley's copy has them, is in train and test."""
    numbers: dict[str, set[str]] = {"train": set(), "test": set()}
    for study in studies:
        said = _read_name(study["study_id"].rpartition("/")[2])
        if said and said.known_person:
            numbers[study["split"] or ""].add(f"{said.class_name}/{said.patient}")
    shared = len(numbers["train"] & numbers["test"])
    if shared:
        logger.warning("Kermany: %d patient numbers are in train and in test", shared)


def _compare_counts(studies: list[Study]) -> None:
    pools = {"train": "train+val", "test": "test"}
    counted = Counter(
        f"images in {pools[study['split'] or '']}/{study['study_id'].split('/')[1]}"
        for study in studies
    )
    found = dict.fromkeys(KNOWN_COUNTS, 0) | counted | {"images": len(studies)}
    report_counts("Kermany", found, KNOWN_COUNTS)
