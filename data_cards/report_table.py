"""Reads a table of reports that a user brings: CSV, JSON lines or Parquet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from data_cards.csv_rows import check_columns, read_csv_rows, read_text
from data_cards.study import SPLITS, CorpusError, Listing, Skipped, Study, StudyImage, list_studies

TABLE_ENDINGS = (".csv", ".jsonl", ".parquet")
PATH_SEPARATOR = ";"


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
    beneath it. Other columns are ignored. Ids stay text as written (`007`); whole numbers of JSON
    and Parquet become text. An empty report is null. An image that is not there is left out of
    its study and listed. Raises CorpusError naming file, row and column, never report text.
    """
    rows = _READERS.get(path.suffix.lower())
    if rows is None:
        raise CorpusError(f"{path}: not a table of reports; expected {', '.join(TABLE_ENDINGS)}")
    if not path.is_file():
        raise CorpusError(f"{path}: no such file")
    skipped: list[Skipped] = []
    studies = read_studies(
        rows(path, columns), str(path), columns, images=(path.parent, path.name, skipped)
    )
    return list_studies("report_table", path.parent, studies, skipped)


Rows = Iterator[tuple[str, Mapping[str, Any]]]
Images = tuple[Path, str, list[Skipped]]


def read_studies(
    rows: Rows, source: str, columns: ReportColumns, *, images: Images | None = None
) -> Iterator[Study]:
    """Turn rows (place, values by column) into studies, one by one; raises CorpusError.

    images: the folder of image paths, the name of the table, and where to list missing ones.
    """
    first_place: dict[str, str] = {}
    for place, values in rows:
        where = f"{source}, {place}"
        study_id = _read_id(values.get(columns.study), f"{where}, {columns.study}")
        if study_id is None:
            raise CorpusError(f"{where}, {columns.study}: empty")
        if study_id in first_place:
            raise CorpusError(f"{where}, {columns.study}: the same as in {first_place[study_id]}")
        first_place[study_id] = place
        patient = columns.patient or "patient_id"
        yield {
            "corpus": "report_table",
            "study_id": study_id,
            "patient_id": _read_id(values.get(patient), f"{where}, {patient}") or study_id,
            "split": _read_split(values.get("split"), f"{where}, split"),
            "images": list(_find_images(values, place, *images)) if images else [],
            "report": _read_text(values.get(columns.report), f"{where}, {columns.report}"),
        }
    if not first_place:
        raise CorpusError(f"{source}: holds no row; expected at least one report")


def _read_csv(path: Path, columns: ReportColumns) -> Rows:
    for row in read_csv_rows(path, columns.required):
        yield row.place, row.values


def _read_jsonl(path: Path, columns: ReportColumns) -> Rows:
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
        check_columns(f"{path}, line {number}", list(values), columns.required, are_names=True)
        yield f"line {number}", values


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
    known = {*columns.required, "patient_id", "split", "image_path", "image_paths"}
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


_NO_TEXT = re.compile("[\0\ud800-\udfff]")


def _read_text(value: Any, where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise CorpusError(f"{where}: a {type(value).__name__}; expected text")
    if _NO_TEXT.search(value):
        raise CorpusError(f"{where}: holds a NUL character or half a character; expected text")
    return value if value.strip() else None


def _find_images(
    values: Mapping[str, Any], place: str, folder: Path, table: str, skipped: list[Skipped]
) -> Iterator[StudyImage]:
    given = values.get("image_paths") or values.get("image_path") or []
    paths = given.split(PATH_SEPARATOR) if isinstance(given, str) else given
    where = f"{folder / table}, {place}, image_paths"
    if not isinstance(paths, list):
        raise CorpusError(f"{where}: expected a path or a list of paths")
    for item in paths:
        name = _read_text(item, where)
        if name is None:
            continue
        image = folder / name.strip()
        if image.is_file():
            yield {"path": str(image)}
        else:
            skipped.append(Skipped(f"{table}, {place}", f"no image file {name.strip()!r}"))
