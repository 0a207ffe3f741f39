"""CheXbert's labels of CheXpert Plus: of the whole reports, the impressions, or the findings."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from data_cards.chexpert_plus.reader import PATH, read_place
from data_cards.csv_rows import open_text
from data_cards.published_labels import LabelRow, PublishedTable, Tables, read_codes
from data_cards.study import CorpusError

FOLDERS = ("chexbert_labels", "")


def read_labels(part: str, root: Path) -> PublishedTable:
    """Give the labels of one part of the reports: `report`, `impression`, or `findings`."""
    name = f"{part}_fixed.json"
    files = [root / folder / name for folder in FOLDERS if (root / folder / name).is_file()]
    if not files:
        raise CorpusError(f"{root / FOLDERS[0] / name}: no such file; expected CheXbert's labels")
    return PublishedTable((files[0],), _read_lines(files[0]))


def _read_lines(file: Path) -> Iterator[LabelRow]:
    """Read JSON lines keyed by `path_to_image`; raises CorpusError naming the line."""
    with open_text(file) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                where = f"{file}, line {number}"
                values = _parse(line, where)
                study_id = read_place(str(values.get(PATH, "")), f"{where}, {PATH}")
                texts = {name: _write(value) for name, value in values.items()}
                yield {"study_id": study_id, **read_codes(where, texts)}


def _parse(line: str, where: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        raise CorpusError(f"{where}: not a line of JSON") from None
    if not isinstance(values, dict):
        raise CorpusError(f"{where}: expected an object with named values")
    return values


def _write(value: Any) -> str:
    """Give a code as a table's cell would have it; a null and a NaN are empty."""
    is_nan = isinstance(value, float) and math.isnan(value)
    return "" if value is None or is_nan else str(value)


TABLES: Tables = {part: partial(read_labels, part) for part in ("report", "impression", "findings")}
