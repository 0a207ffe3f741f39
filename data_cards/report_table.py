"""Reads a table of reports that a user brings: CSV, JSON lines or Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data_cards.csv_rows import check_columns, read_csv_rows, read_text
from data_cards.study import SPLITS, CorpusError, Listing, Skipped, Study, StudyImage, list_studies

REQUIRED_COLUMNS = ("study_id", "report")
TABLE_ENDINGS = (".csv", ".jsonl", ".parquet")
PATH_SEPARATOR = ";"


def read_report_table(path: Path) -> Listing:
    """List the studies of a table with the columns `study_id` and `report`.

    Optional columns: `patient_id` (else the study id stands for it), `split`, `image_path` (one
    path) or `image_paths` (a list; in CSV separated by `;`), relative to the table's folder and
    beneath it. Other columns are ignored. Ids stay text as written (`007`); whole numbers of JSON
    and Parquet become text. An empty report is null. An image that is not there is left out of
    its study and listed. Raises CorpusError naming file, row and column, never report text.
    """
    rows = _READERS.get(path.suffix.lower())
    if rows is None:
        raise CorpusError(f"{path}: not a table of reports; expected {', '.join(TABLE_ENDINGS)}")
    if not path.is_file():
        raise CorpusError(f"{path}: no such file")
    first_place: dict[str, str] = {}
    studies: list[Study] = []
    skipped: list[Skipped] = []
    for place, values in rows(path):
        where = f"{path}, {place}"
        study_id = _read_id(values.get("study_id"), f"{where}, study_id")
        if study_id is None:
            raise CorpusError(f"{where}, study_id: empty")
        if study_id in first_place:
            raise CorpusError(f"{where}, study_id: the same as in {first_place[study_id]}")
        first_place[study_id] = place
        images = list(_find_images(values, path, place, skipped))
        studies.append(
            {
                "corpus": "report_table",
                "study_id": study_id,
                "patient_id": _read_id(values.get("patient_id"), f"{where}, patient_id")
                or study_id,
                "split": _read_split(values.get("split"), f"{where}, split"),
                "images": images,
                "report": _read_text(values.get("report"), f"{where}, report"),
            }
        )
    if not studies:
        raise CorpusError(f"{path}: holds no row; expected at least one report")
    return list_studies("report_table", path.parent, studies, skipped)


Rows = Iterator[tuple[str, Mapping[str, Any]]]


def _read_csv(path: Path) -> Rows:
    for row in read_csv_rows(path, REQUIRED_COLUMNS):
        yield row.place, row.values


def _read_jsonl(path: Path) -> Rows:
    # Not `splitlines`, which would break a line at U+2028 and the like inside of a report.
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else "too long or deep"
            raise CorpusError(f"{path}, line {number}: not a line of JSON: {reason}") from None
        if not isinstance(values, dict):
            raise CorpusError(f"{path}, line {number}: expected an object with named values")
        check_columns(f"{path}, line {number}", list(values), REQUIRED_COLUMNS)
        yield f"line {number}", values


def _read_parquet(path: Path) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            check_columns(str(path), file.schema_arrow.names, REQUIRED_COLUMNS)
            names = [name for name in file.schema_arrow.names if name in _KNOWN_COLUMNS]
            number = 0
            for batch in file.iter_batches(batch_size=4096, columns=names):
                for values in batch.to_pylist():
                    number += 1
                    yield f"row {number}", values
    except (OSError, pa.ArrowException):
        raise CorpusError(f"{path}: not a readable Parquet file") from None


_KNOWN_COLUMNS = {*REQUIRED_COLUMNS, "patient_id", "split", "image_path", "image_paths"}
_READERS = {".csv": _read_csv, ".jsonl": _read_jsonl, ".parquet": _read_parquet}


def _read_id(value: Any, where: str) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        raise CorpusError(f"{where}: a number with a decimal point; expected text or whole number")
    text = _read_text(value, where)
    return text.strip() if text else None


def _read_split(value: Any, where: str) -> str | None:
    split = _read_text(value, where)
    if split is not None and split.strip() not in SPLITS:
        raise CorpusError(f"{where}: not a split; expected {', '.join(SPLITS)} or nothing")
    return split.strip() if split else None


def _read_text(value: Any, where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise CorpusError(f"{where}: a {type(value).__name__}; expected text")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise CorpusError(f"{where}: holds a NUL character or half a character; expected text")
    return value if value.strip() else None


def _find_images(
    values: Mapping[str, Any], table: Path, place: str, skipped: list[Skipped]
) -> Iterator[StudyImage]:
    given = values.get("image_paths") or values.get("image_path") or []
    paths = given.split(PATH_SEPARATOR) if isinstance(given, str) else given
    if not isinstance(paths, list):
        raise CorpusError(f"{table}, {place}, image_paths: expected a path or a list of paths")
    for item in paths:
        name = _read_text(item, f"{table}, {place}, image_paths")
        if name is None:
            continue
        image = table.parent / name.strip()
        if image.is_file():
            yield {"path": str(image)}
        else:
            skipped.append(Skipped(f"{table.name}, {place}", f"no image file {name.strip()!r}"))
