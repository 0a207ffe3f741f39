"""Reads MIMIC-CXR-JPG's tables: which image is of which study, its view, its official split."""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import csv

from data_cards.csv_rows import check_columns
from data_cards.mimic_cxr.tree import IMAGE_ENDING, Key
from data_cards.study import SPLITS, CorpusError

METADATA = ("dicom_id", "subject_id", "study_id", "ViewPosition", "StudyDate")
VIEW_MEANING = "ViewCodeSequence_CodeMeaning"
SPLIT = ("dicom_id", "study_id", "subject_id", "split")
VIEWS = {
    **{"PA": "PA", "postero-anterior": "PA", "AP": "AP", "antero-posterior": "AP"},
    **{"LL": "LATERAL", "LATERAL": "LATERAL", "XTABLE LATERAL": "LATERAL"},
    **{"lateral": "LATERAL", "left lateral": "LATERAL", "Erect": None, "": None},
}
"""Views as the tables write them; the few others (oblique, decubitus) stay as they are."""


class ListedImage(NamedTuple):
    """An image of the metadata: its file name, view, and the (shifted) day it was taken."""

    file: str
    view: str | None
    acquired: str | None


def find_home(root: Path, name: str) -> Path:
    """Find one of PhysioNet's projects: `root/name/<version>`, `root/name`, or `root` itself."""
    folder = root / name
    versions = sorted(folder.glob("[0-9]*.[0-9]*"))
    if len(versions) > 1:
        raise CorpusError(f"{folder}: holds {len(versions)} versions; expected one of them")
    return versions[0] if versions else folder if folder.is_dir() else root


def read_images(home: Path) -> dict[Key, list[ListedImage]]:
    """Give the images of each study, from `mimic-cxr-*-metadata.csv` or `.csv.gz`."""
    file = find_table(home, "metadata")
    rows = _read_columns(file, (*METADATA, VIEW_MEANING))
    images: dict[Key, list[ListedImage]] = defaultdict(list)
    for dicom, key, view, meaning, day in zip(
        rows["dicom_id"],
        _read_keys(file, rows),
        rows["ViewPosition"],
        rows[VIEW_MEANING],
        rows["StudyDate"],
        strict=True,
    ):
        name = VIEWS.get(view, view) or VIEWS.get(meaning, meaning)
        images[key].append(ListedImage(dicom + IMAGE_ENDING, name, _as_iso(day)))
    return dict(images)


def read_splits(home: Path) -> dict[Key, str]:
    """Give the official split of each study, from `mimic-cxr-*-split.csv` or `.csv.gz`."""
    file = find_table(home, "split")
    rows = _read_columns(file, SPLIT)
    unknown = set(rows["split"]) - set(SPLITS)
    if unknown:
        raise CorpusError(f"{file}: {len(unknown)} unknown splits; expected {', '.join(SPLITS)}")
    return dict(zip(_read_keys(file, rows), rows["split"], strict=True))


def find_table(home: Path, what: str) -> Path:
    """Find `mimic-cxr-<version>-<what>.csv` or `.csv.gz`; raises CorpusError but for one."""
    found = sorted(home.glob(f"mimic-cxr-*-{what}.csv*"))
    packed = [file for file in found if file.name.endswith((".csv", ".csv.gz"))]
    if len({file.name.removesuffix(".gz") for file in packed}) != 1:
        names = ", ".join(file.name for file in packed) or "none"
        raise CorpusError(f"{home}: expected one mimic-cxr-*-{what}.csv.gz, found {names}")
    return packed[0]


def _read_columns(file: Path, columns: Sequence[str]) -> dict[str, list[str]]:
    """Read these columns as text; a third of a million rows take a second, unlike row by row."""
    options: Any = csv.ConvertOptions(
        include_columns=list(columns), column_types=dict.fromkeys(columns, pa.string())
    )
    try:
        with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as text:
            header = text.readline().rstrip("\r\n").lstrip("\ufeff").split(",")
        check_columns(str(file), header, columns)
        table = csv.read_csv(str(file), convert_options=options)
    except (OSError, EOFError, UnicodeDecodeError, pa.ArrowInvalid) as error:
        # Arrow's own messages quote the row that is wrong, which names a patient.
        raise CorpusError(f"{file}: not readable as CSV ({type(error).__name__})") from None
    return {name: table[name].to_pylist() for name in columns}


def _read_keys(file: Path, rows: dict[str, list[str]]) -> list[Key]:
    try:
        pairs = zip(rows["subject_id"], rows["study_id"], strict=True)
        return [(int(patient), int(study)) for patient, study in pairs]
    except ValueError:
        raise CorpusError(f"{file}: a subject_id or study_id is no whole number") from None


def _as_iso(day: str) -> str | None:
    is_date = len(day) == 8 and day.isdecimal()
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if is_date else None
