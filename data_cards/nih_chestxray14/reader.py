"""Reads NIH ChestX-ray14: one table of images, twelve folders of them, and the official split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from data_cards.csv_rows import CsvRow, read_csv_rows, read_text
from data_cards.image_rows import (
    ImageRow,
    group_studies,
    list_names,
    read_age,
    read_sex,
    refuse_outside,
)
from data_cards.known_counts import report_counts
from data_cards.study import CorpusError, Listing, Skipped, list_studies

TABLES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
IMAGE = "Image Index"
COLUMNS = (IMAGE, "Finding Labels", "Patient ID", "Patient Age", "Patient Gender", "View Position")
SPLIT_LISTS = {"train_val_list.txt": "train", "test_list.txt": "test"}
PARTS = re.compile(r"images(_\d{3})?")
KNOWN_COUNTS = {"images": 112_120, "patients": 30_805, "train": 86_524, "test": 25_596}


def read_nih_chestxray14(root: Path) -> Listing:
    """List one study per image (a follow-up has one), as `Data_Entry_2017_v2020.csv` names them.

    Images lie in `images_001/images` to `images_012/images`, in `images`, or in `root` itself.
    The study id is the file's name without its ending. Split: `train_val_list.txt` is train, from
    which `assign_splits` carves validate, and `test_list.txt` is test; without these lists there
    is no official split. Images that the table lists and the folders lack are in `skipped`.
    Raises CorpusError when the table is missing or not as expected.
    """
    table = find_table(root)
    splits = _read_splits(root)
    files = _find_images(root)
    skipped: list[Skipped] = []
    patients: set[str] = set()
    counts: Counter[str] = Counter()

    def read_rows() -> Iterator[ImageRow]:
        for row in read_csv_rows(table, COLUMNS):
            name = row.values[IMAGE].strip()
            refuse_outside(name)
            counts["images"] += 1
            counts[splits.get(name, "in no split")] += 1
            patients.add(row.values["Patient ID"])
            if name in files:
                yield _make_row(table, row, f"{root}/{files[name]}", splits.get(name))
            else:
                skipped.append(Skipped(name, "no such image"))

    rows = list(read_rows())
    report_counts("ChestX-ray14", counts | {"patients": len(patients)}, KNOWN_COUNTS)
    corpus = "nih_chestxray14"
    return list_studies(corpus, root, group_studies(corpus, root, rows, skipped), skipped)


def find_table(root: Path) -> Path:
    """Find the table of images, of 2020 before that of 2017; raises CorpusError without one."""
    found = [root / name for name in TABLES if (root / name).is_file()]
    if not found:
        raise CorpusError(f"{root / TABLES[0]}: no such file; expected ChestX-ray14's table")
    return found[0]


def _make_row(table: Path, row: CsvRow, path: str, split: str | None) -> ImageRow:
    values = row.values
    patient = values["Patient ID"].strip()
    if not patient:
        raise CorpusError(f"{table}, {row.place}, Patient ID: empty")
    return ImageRow(
        study_id=Path(values[IMAGE].strip()).stem,
        patient_id=patient,
        path=path,
        view=values["View Position"].strip() or None,
        split=split,
        sex=read_sex(values["Patient Gender"]),
        age=read_age(values["Patient Age"]),
    )


def _read_splits(root: Path) -> Mapping[str, str]:
    """Give the split of each image that the official lists name."""
    splits: dict[str, str] = {}
    for name, split in SPLIT_LISTS.items():
        if not (root / name).is_file():
            continue
        for image in read_text(root / name).split():
            if splits.setdefault(image, split) != split:
                raise CorpusError(f"{root / name}: lists an image that {splits[image]} has as well")
    return splits


def _find_images(root: Path) -> dict[str, str]:
    """List every folder that images are unpacked to, once; give their places by name."""
    places: dict[str, str] = {}
    parts = sorted(name for name in list_names(str(root)) if PARTS.fullmatch(name))
    for folder in ("", *parts, *(f"{part}/images" for part in parts)):
        for name in list_names(f"{root}/{folder}"):
            if name.endswith(".png"):
                places.setdefault(name, f"{folder}/{name}".lstrip("/"))
    return places
