"""Puts the rows of a table of images together to studies, and looks the files up by folder."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from data_cards.study import CorpusError, Skipped, Study, StudyImage

OLDEST_YEARS = 120
FOLDERS_HELD = 4096
"""Listings kept; a table mostly goes from folder to folder, and there may be 200,000 of them."""
LISTED_AGAIN = "listed again in its study"


class ImageRow(NamedTuple):
    """One image that a table lists and that is there; `path` as text, the rest as in `Study`."""

    study_id: str
    patient_id: str
    path: str
    view: str | None = None
    split: str | None = None
    sex: str | None = None
    age: float | None = None
    acquired: str | None = None
    report: str | None = None


def group_studies(
    corpus: str, root: Path, rows: Iterable[ImageRow], skipped: list[Skipped]
) -> Iterator[Study]:
    """Give each study once, with all of its images, in the order of study ids.

    Age, sex and report are those of the study's first row that has them. An image of another
    patient or split than its study's first is left out, and so is one that its study has already;
    both are added to `skipped`.
    """
    ordered = sorted(rows, key=attrgetter("study_id"))
    for study_id, group in groupby(ordered, key=attrgetter("study_id")):
        first, *others = group
        same = [first]
        paths = {first.path}
        for row in others:
            where = row.path.removeprefix(f"{root}{os.sep}")
            if (row.patient_id, row.split) != (first.patient_id, first.split):
                skipped.append(Skipped(where, "of another patient or split than its study"))
            elif row.path in paths:
                skipped.append(Skipped(where, LISTED_AGAIN))
            else:
                paths.add(row.path)
                same.append(row)
        images: list[StudyImage] = [{"path": row.path, "view": row.view} for row in same]
        yield {
            "corpus": corpus,
            "study_id": study_id,
            "patient_id": first.patient_id,
            "images": images,
            "split": first.split,
            "report": next((row.report for row in same if row.report), None),
            "sex": next((row.sex for row in same if row.sex), None),
            "age": next((row.age for row in same if row.age is not None), None),
            "acquired": first.acquired,
        }


class Folders:
    """The files below one folder, each folder of it listed once and when it is first asked for.

    A table of 200,000 images takes a listing per folder, not a question to the disk per image.
    """

    def __init__(self, root: Path) -> None:
        self._root = str(root)
        self._names: dict[str, frozenset[str]] = {}

    def find(self, place: str) -> str | None:
        """Give the path of the file at `place` (relative, with `/`), or None where there is none.

        Raises CorpusError for a place outside of the folder.
        """
        folder, _, name = place.rpartition("/")
        if not name or place.startswith("/") or ".." in place or "\0" in place:
            refuse_outside(place)
        names = self._names.get(folder)
        if names is None:
            if len(self._names) == FOLDERS_HELD:
                self._names.clear()
            names = self._names[folder] = list_names(f"{self._root}/{folder}")
        return f"{self._root}{os.sep}{place}" if name in names else None


def refuse_outside(place: str) -> None:
    """Raise CorpusError for a place in a table that is absolute, climbs up, or is no file's."""
    path = PurePosixPath(place)
    if not path.name or path.is_absolute() or ".." in path.parts or "\0" in place:
        raise CorpusError(
            f"{place[:100]!r}: names no file below the corpus root; expected a relative path"
        )


def list_names(folder: str) -> frozenset[str]:
    """Name what lies in a folder; nothing where it is none."""
    try:
        return frozenset(os.listdir(folder))  # noqa: PTH208 - names are all that is asked
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()


def read_age(text: str) -> float | None:
    """Read years (`58`, `58.0`, `058Y`); None where the text is none, or none of a person's."""
    try:
        age = float(text.strip().removesuffix("Y"))
    except ValueError:
        return None
    return age if math.isfinite(age) and 0 <= age <= OLDEST_YEARS else None


SEXES = {"M": "M", "MALE": "M", "F": "F", "FEMALE": "F"}


def read_sex(text: str) -> str | None:
    """Read M or F from a table's word; anything else (`Unknown`, `O`) is None."""
    return SEXES.get(text.strip().upper())
