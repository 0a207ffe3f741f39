"""Read a phantom corpus as any corpus is read: ids, images and reports, never the truth."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from data_cards.phantom.rows import IMAGE_COLUMNS, STUDY_COLUMNS
from data_cards.study import (
    SPLITS,
    CorpusError,
    Listing,
    Skipped,
    Study,
    StudyImage,
    list_studies,
)


def read_phantom(root: Path) -> Listing:
    """List the studies of the phantom under `root`; `truth/` is never opened.

    A missing or unreadable image or report, and a row that cannot be used, is left out and
    listed. Raises CorpusError when an index is missing or lacks a column.
    """
    skipped: list[Skipped] = []
    images = _read_images(root, skipped)
    studies = []
    for where, row in _read_table(root / "studies.csv", STUDY_COLUMNS):
        problem = _check(row)
        if problem:
            skipped.append(Skipped(where, problem))
            continue
        study = _make_study(root, row, images.get(row["study_id"], []), skipped)
        if study["images"] or study["report"]:
            studies.append(study)
        else:
            skipped.append(Skipped(where, "neither an image nor a report"))
    return list_studies("phantom", root, studies, skipped)


def _read_table(file: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    if not file.is_file():
        raise CorpusError(
            f"{file}: missing; a phantom's index is written last, so this one was not finished"
        )
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            table = csv.DictReader(lines)
            lacking = set(columns) - set(table.fieldnames or ())
            if lacking:
                raise CorpusError(f"{file}: lacks the columns {', '.join(sorted(lacking))}")
            for row in table:
                yield (
                    f"{file.name}, line {table.line_num}",
                    {name: row[name] or "" for name in columns},
                )
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{file}: not readable as CSV: {error}") from error


def _check(row: dict[str, str]) -> str | None:
    """Say what is wrong with a row of studies.csv."""
    if not row["study_id"] or not row["patient_id"]:
        return "no study_id or no patient_id"
    if row["split"] not in ("", *SPLITS):
        return f"split {row['split']!r} is none of {', '.join(SPLITS)}"
    if row["age"] and not row["age"].isdecimal():
        return f"age {row['age']!r} is not a number of years"
    return None


def _read_images(root: Path, skipped: list[Skipped]) -> dict[str, list[StudyImage]]:
    images: dict[str, list[StudyImage]] = defaultdict(list)
    for where, row in _read_table(root / "images.csv", IMAGE_COLUMNS):
        path = root / row["path"]
        if path.is_file():
            images[row["study_id"]].append({"path": str(path), "view": row["view"] or None})
        else:
            skipped.append(Skipped(where, f"{row['path'] or 'image'}: no such file"))
    return images


def _make_study(
    root: Path, row: dict[str, str], images: list[StudyImage], skipped: list[Skipped]
) -> Study:
    return {
        "corpus": "phantom",
        "study_id": row["study_id"],
        "patient_id": row["patient_id"],
        "split": row["split"] or None,
        "images": images,
        "report": _read_report(root, row["study_id"], skipped),
        "sex": row["sex"] or None,
        "age": float(row["age"]) if row["age"] else None,
        "acquired": row["acquired"] or None,
    }


def _read_report(root: Path, study: str, skipped: list[Skipped]) -> str | None:
    file = root / "reports" / f"{study}.txt"
    name = f"reports/{file.name}"
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        skipped.append(Skipped(name, "no such file"))
    except (OSError, UnicodeDecodeError) as error:
        skipped.append(Skipped(name, f"not readable as UTF-8 text: {type(error).__name__}"))
    return None
