"""The parts of an evaluation as text and tables: what page, card and JSON hold alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from configs.files import hash_file, write_json
from joint.report_content import Cell, ResultTable
from joint.run_folder import RunFolder
from vision.intervals import Interval

SUMMARY_NAME = "summary.json"


class NotMeasured(NamedTuple):
    """Why something stands as not measured; it is said wherever the number would stand."""

    reason: str


@dataclass(frozen=True)
class EvaluationSection:
    """One part: `key` is its anchor on the page; text: sentences; tables below them.

    It holds no word of a report, no id and no path, so that it can be shown to others.
    """

    key: str
    title: str
    text: tuple[str, ...]
    tables: tuple[ResultTable, ...] = ()


def name_reference(reference: str) -> str:
    """Say what grades are held against."""
    return {"report": "the report's grade", "reference": "what the image shows"}[reference]


def not_measured(title: str, missing: NotMeasured) -> str:
    """Say that something was not measured, and why."""
    return f"{title}: not measured. {missing.reason[:1].upper()}{missing.reason[1:]}."


def name_evaluated(folder: RunFolder, *, is_default: bool) -> dict[str, Any]:
    """Name the predictions that an evaluation is of, and whether it was the default one."""
    return {"predictions": hash_file(folder.predictions), "is_default": is_default}


def write_sections(
    folder: Path, sections: Sequence[EvaluationSection], facts: Mapping[str, Any]
) -> None:
    """Write sections as `summary.json`, every value with the ends of its interval, atomically."""
    write_json(folder / SUMMARY_NAME, {**facts, "sections": [_to_json(part) for part in sections]})


def read_sections(folder: Path, facts: Mapping[str, Any]) -> tuple[EvaluationSection, ...] | None:
    """Read sections back; None where there are none, or they were written about other facts."""
    file = folder / SUMMARY_NAME
    if not file.is_file():
        return None
    record = json.loads(file.read_text(encoding="utf-8"))
    if any(record.get(name) != value for name, value in facts.items()):
        return None
    return tuple(_from_json(part) for part in record["sections"])


def _to_json(section: EvaluationSection) -> dict[str, Any]:
    tables = [
        {
            "title": table.title,
            "note": table.note,
            "row_heading": table.row_heading,
            "kind": table.kind,
            "rows": {
                row: {name: _cell_to_json(cell) for name, cell in cells.items()}
                for row, cells in table.rows.items()
            },
        }
        for table in section.tables
    ]
    return {"key": section.key, "title": section.title, "text": section.text, "tables": tables}


def _from_json(record: Mapping[str, Any]) -> EvaluationSection:
    tables = []
    for table in record["tables"]:
        rows = {
            row: {name: _cell_from_json(cell) for name, cell in cells.items()}
            for row, cells in table["rows"].items()
        }
        tables.append(ResultTable(**{**table, "rows": rows}))
    return EvaluationSection(record["key"], record["title"], tuple(record["text"]), tuple(tables))


def _cell_to_json(cell: Cell) -> Any:
    return cell._asdict() if isinstance(cell, Interval) else cell


def _cell_from_json(value: Any) -> Cell:
    cell: Cell = Interval(**value) if isinstance(value, dict) else value
    return cell
