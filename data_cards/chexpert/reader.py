"""Reads CheXpert: the full and the small download, and CheXlocalize's validation and test sets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from data_cards.csv_rows import CsvRow, read_csv_rows
from data_cards.image_rows import (
    Folders,
    ImageRow,
    group_studies,
    list_names,
    read_age,
    read_sex,
    refuse_outside,
)
from data_cards.known_counts import report_counts
from data_cards.study import CorpusError, Listing, Skipped, list_studies

HOMES = ("CheXpert-v1.0", "CheXpert-v1.0-small", "CheXpert", "")
BATCHES = "CheXpert-v1.0 batch *"
"""The full download comes in folders of this name; unpacked side by side they are read as one."""
TABLES = {
    "train.csv": "train",
    "valid.csv": "validate",
    "val_labels.csv": "validate",
    "test_labels.csv": "test",
    "test.csv": "test",
}
"""Split of each table; of two tables of one split the first is read."""
SPLIT_FOLDERS = ("train", "valid", "val", "test")
ALIKE = {"val": "valid"}
"""CheXlocalize's table names the images of its folder `val` as CheXpert does."""
PLACE = re.compile(r"(?:.*/)?(train|valid|val|test)/(patient\d+)/(study\d+)/([^/]+)")
KNOWN_IMAGES = {"train": 223_414, "validate": 234, "test": 668}
"""Rows of the tables (Irvin et al. 2019; the test set as CheXlocalize publishes it)."""


class Place(NamedTuple):
    """Where a `Path` points to, below the folder of its split."""

    folder: str
    patient: str
    study: str
    file: str

    @property
    def study_id(self) -> str:
        """A study number is a patient's own, so that the patient's is part of the id."""
        return f"{self.patient}/{self.study}"


def read_chexpert(root: Path) -> Listing:
    """List the studies of each table found: train, validate (`valid`), test.

    root: the folder of `train.csv`, or the one above. Study ids are `patient00001/study1`. The
    test set has no age or sex; the view is then that of the file's name. Images that a table
    lists and the folders lack are in `skipped`. Raises CorpusError when there is no table, or
    when one is not as expected.
    """
    skipped: list[Skipped] = []
    files = _Images(root)
    counts: Counter[str] = Counter()

    def read_rows() -> Iterator[ImageRow]:
        for table, split in find_tables(root).items():
            for row in read_csv_rows(table, ("Path",)):
                counts[split] += 1
                place = read_place(table, row)
                path = files.find(place)
                if path is None:
                    where = f"{place.folder}/{place.study_id}/{place.file}"
                    skipped.append(Skipped(where, "no such image"))
                else:
                    yield _make_row(row, place, path, split)

    rows = list(read_rows())
    for split, count in counts.items():
        name = f"{split} images"
        report_counts("CheXpert", {name: count}, {name: KNOWN_IMAGES[split]})
    studies = group_studies("chexpert", root, rows, skipped)
    return list_studies("chexpert", root, studies, skipped)


def find_tables(root: Path) -> dict[Path, str]:
    """Find CheXpert's tables below `root` and their splits; raises CorpusError without one."""
    found: dict[str, Path] = {}
    homes = [root / name for name in HOMES] + sorted(root.glob(BATCHES))
    for name, split in TABLES.items():
        for home in homes:
            if split not in found and (home / name).is_file():
                found[split] = home / name
    if not found:
        raise CorpusError(
            f"{root}: none of {', '.join(TABLES)} here or in {', '.join(filter(None, HOMES))};"
            " expected CheXpert's tables"
        )
    return {table: split for split, table in found.items()}


def read_place(table: Path, row: CsvRow) -> Place:
    """Read `CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg` of any download."""
    given = row.values["Path"].strip()
    refuse_outside(given)
    match = PLACE.fullmatch(given)
    if match is None:
        raise CorpusError(
            f"{table}, {row.place}, Path: expected …/train/patient00001/study1/view1_frontal.jpg"
        )
    return Place(*match.groups())


def _make_row(row: CsvRow, place: Place, path: str, split: str) -> ImageRow:
    values = row.values
    return ImageRow(
        study_id=place.study_id,
        patient_id=place.patient,
        path=path,
        view=_read_view(values, place.file),
        split=split,
        sex=read_sex(values.get("Sex", "")),
        age=read_age(values.get("Age", "")) or None,  # 0 stands for one that is not known
    )


def _read_view(values: dict[str, str], file: str) -> str | None:
    """Give LATERAL, or how a frontal image was taken where that is said."""
    taken = values.get("Frontal/Lateral", "").strip() or file
    if "lateral" in taken.lower():
        return "LATERAL"
    return values.get("AP/PA", "").strip().upper() or None


class _Images:
    """Finds images in whichever folder a download unpacked their patient to."""

    def __init__(self, root: Path) -> None:
        self._files = Folders(root)
        self._home: dict[tuple[str, str], str] = {}
        for home in filter(lambda name: (root / name).is_dir(), HOMES):
            for folder in SPLIT_FOLDERS:
                self._add(root, f"{home}/{folder}".lstrip("/"), folder)
        for batch in sorted(root.glob(BATCHES)):
            self._add(root, batch.name, "train")
            for folder in SPLIT_FOLDERS:
                self._add(root, f"{batch.name}/{folder}", folder)

    def find(self, place: Place) -> str | None:
        home = self._home.get((ALIKE.get(place.folder, place.folder), place.patient))
        return home and self._files.find(f"{home}/{place.study_id}/{place.file}")

    def _add(self, root: Path, home: str, folder: str) -> None:
        for patient in list_names(f"{root}/{home}"):
            self._home.setdefault((ALIKE.get(folder, folder), patient), home)
