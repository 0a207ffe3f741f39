"""Reads a table of reports that a user brings: CSV, JSON lines or Parquet."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from data_cards.csv_rows import check_columns, open_text, read_csv_rows
from data_cards.study import (
    SPLITS,
    CorpusError,
    Listing,
    RepeatedStudyError,
    Skipped,
    Study,
    StudyImage,
    list_studies,
)

TABLE_ENDINGS = (".csv", ".jsonl", ".parquet")
PATH_SEPARATOR = ";"
PATIENT = "patient_id"
OLDEST = 130
OPTIONAL = ("split", "image_path", "image_paths", "view", "sex", "age")


class ReportColumns(NamedTuple):
    """What a table calls its columns; `patient` None: `patient_id`, where it is there."""

    study: str = "study_id"
    report: str = "report"
    patient: str | None = None

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that must be there: those that have no stand-in."""
        return (self.study, self.report, *filter(None, [self.patient]))


USUAL_COLUMNS = ReportColumns()


def read_report_table(path: Path, columns: ReportColumns = USUAL_COLUMNS) -> Listing:
    """List the studies of a table with the columns `study_id` and `report`, or those named.

    Optional columns: `patient_id` (else the study id stands for it), `split`, `image_path` (one
    path) or `image_paths` (a list; in CSV separated by `;`), relative to the table's folder and
    beneath it, `view` (of one image, or of all in their order, separated by `;`), `sex`, `age` (in
    years). Other columns are ignored. Ids stay text as written (`007`); whole numbers of JSON
    and Parquet become text. An empty report is null. An image that is not there is left out of
    its study and listed. Raises CorpusError naming file, row and column, never report text.
    """
    rows = _READERS.get(path.suffix.lower())
    if rows is None:
        raise CorpusError(f"{path}: not a table of reports; expected {', '.join(TABLE_ENDINGS)}")
    if not path.is_file():
        raise CorpusError(f"{path}: no such file")
    table = Table(str(path), partial(rows, path, columns), columns)
    return replace(list_table(table, "report_table", path.parent, has_images=True), table=path)


Rows = Iterator[tuple[str, Mapping[str, Any]]]
"""Each row's place, in words, and its values by column."""


class Table(NamedTuple):
    """Rows that can be read, and read again: how messages name them, and their columns."""

    name: str
    read: Callable[[], Rows]
    columns: ReportColumns


def list_table(table: Table, corpus: str, folder: Path, *, has_images: bool = False) -> Listing:
    """List a table's studies; its images lie in `folder`. Raises CorpusError."""
    skipped: list[Skipped] = []
    studies = _read_studies(table, (folder, skipped) if has_images else None)
    try:
        return list_studies(corpus, folder, studies, skipped)
    except RepeatedStudyError:
        # Where is only asked for now: to remember each study's row would take much memory.
        raise CorpusError(_describe_repeated(table)) from None


Images = tuple[Path, list[Skipped]]
"""The folder that image paths start from, and where to list those that are not there."""


def _read_studies(table: Table, images: Images | None) -> Iterator[Study]:
    _, report, patient = table.columns
    is_empty = True
    for place, values in table.read():
        is_empty = False
        where = f"{table.name}, {place}"
        study_id = _read_study_id(table, place, values)
        patient_id = _read_id(values.get(patient or PATIENT), f"{where}, {patient or PATIENT}")
        yield {
            "corpus": "report_table",
            "study_id": study_id,
            "patient_id": patient_id or study_id,
            "split": _read_split(values.get("split"), f"{where}, split"),
            "images": list(_find_images(values, where, *images)) if images else [],
            "report": _read_text(values.get(report), f"{where}, {report}"),
            "sex": _read_text(values.get("sex"), f"{where}, sex"),
            "age": _read_age(values.get("age"), f"{where}, age"),
        }
    if is_empty:
        raise CorpusError(f"{table.name}: holds no row; expected at least one report")


def _describe_repeated(table: Table) -> str:
    first_place: dict[str, str] = {}
    for place, values in table.read():
        study_id = _read_study_id(table, place, values)
        if study_id in first_place:
            where = f"{table.name}, {place}, {table.columns.study}"
            return f"{where}: the same as in {first_place[study_id]}"
        first_place[study_id] = place
    return f"{table.name}: changed while it was read"


def _read_study_id(table: Table, place: str, values: Mapping[str, Any]) -> str:
    where = f"{table.name}, {place}, {table.columns.study}"
    study_id = _read_id(values.get(table.columns.study), where)
    if study_id is None:
        raise CorpusError(f"{where}: empty")
    return study_id


def _read_csv(path: Path, columns: ReportColumns) -> Rows:
    for row in read_csv_rows(path, columns.required):
        yield row.place, row.values


def _read_jsonl(path: Path, columns: ReportColumns) -> Rows:
    with open_text(path) as file:
        # Of all that a file's lines may end with, JSON lines end with this.
        file.reconfigure(newline="\n")
        for number, line in enumerate(file, start=1):
            if line.strip():
                where = f"{path}, line {number}"
                values = _parse_json(line, where)
                check_columns(where, list(values), columns.required, are_names=True)
                yield f"line {number}", values


def _parse_json(line: str, where: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "too long or deep"
        raise CorpusError(f"{where}: not a line of JSON: {reason}") from None
    if not isinstance(values, dict):
        raise CorpusError(f"{where}: expected an object with named values")
    return values


def _read_parquet(path: Path, columns: ReportColumns) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            found = file.schema_arrow.names
            check_columns(str(path), found, columns.required, are_names=True)
            number = 0
            for batch in file.iter_batches(batch_size=4096, columns=keep_known(found, columns)):
                for values in batch.to_pylist():
                    number += 1
                    yield f"row {number}", values
    except (OSError, pa.ArrowException):
        raise CorpusError(f"{path}: not a readable Parquet file") from None


def keep_known(names: Sequence[str], columns: ReportColumns) -> list[str]:
    """Return those columns that are read."""
    known = {*columns.required, PATIENT, *OPTIONAL}
    return [name for name in names if name in known]


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


def _read_age(value: Any, where: str) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        age = float(value)
    except (TypeError, ValueError):
        raise CorpusError(f"{where}: not a number of years") from None
    if not 0 <= age <= OLDEST:
        raise CorpusError(f"{where}: {age:g} is no age in years; expected 0 to {OLDEST}")
    return age


_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")


def _read_text(value: Any, where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise CorpusError(f"{where}: a {type(value).__name__}; expected text")
    if "\0" in value or (not value.isascii() and _HALF_A_CHARACTER.search(value)):
        raise CorpusError(f"{where}: holds a NUL character or half a character; expected text")
    return value if value.strip() else None


def _find_images(
    values: Mapping[str, Any], where: str, folder: Path, skipped: list[Skipped]
) -> Iterator[StudyImage]:
    given = values.get("image_paths") or values.get("image_path") or []
    paths = given.split(PATH_SEPARATOR) if isinstance(given, str) else given
    if not isinstance(paths, list):
        raise CorpusError(f"{where}, image_paths: expected a path or a list of paths")
    views = _read_views(values.get("view"), len(paths), f"{where}, view")
    for item, view in zip(paths, views, strict=True):
        name = _read_text(item, f"{where}, image_paths")
        if name is None:
            continue
        image = folder / name.strip()
        if image.is_file():
            yield {"path": str(image), "view": view}
        else:
            place = where.removeprefix(f"{folder}/")
            skipped.append(Skipped(place, f"no image file {name.strip()!r}"))


def _read_views(value: Any, images: int, where: str) -> list[str | None]:
    text = _read_text(value, where)
    views: list[str | None] = [None]
    if text:
        views = [view.strip() or None for view in text.split(PATH_SEPARATOR)]
    if len(views) == 1:
        return views * images
    if len(views) != images:
        raise CorpusError(f"{where}: {len(views)} views of {images} images")
    return views
