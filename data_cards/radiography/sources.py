"""The metadata of the COVID-19 Radiography Database: where each image comes from."""

from __future__ import annotations

import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

from data_cards.csv_rows import check_columns
from data_cards.study import CorpusError

NAME, SOURCE = "FILE NAME", "URL"
COLUMNS = (NAME, "FORMAT", "SIZE", SOURCE)
_UNREADABLE = (BadZipFile, zlib.error, ParseError, EOFError, KeyError, ValueError, OSError)


def read_metadata(table: Path) -> dict[str, str]:
    """Give image → URL from one `<Class>.metadata.xlsx`.

    An image is named by `key_of`: the tables spell `NORMAL-1` where the file is `Normal-1.png`. Of
    a name that is there twice the first row counts. Raises CorpusError naming the table where it
    is no whole workbook, or a column is missing.
    """
    sources: dict[str, str] = {}
    rows = _read_rows(table)
    header = [_text(value) for value in next(rows, ())]
    check_columns(str(table), header, COLUMNS, are_names=True)
    places = [header.index(name) for name in (NAME, SOURCE)]
    for row in rows:
        name, source = (_text(row[place]) if place < len(row) else "" for place in places)
        if name:
            sources.setdefault(key_of(name), source)
    return sources


def key_of(name: str) -> str:
    """Name an image in a way that file and table share: no ending, small, one blank for `_`."""
    stem = name[:-4] if name.lower().endswith(".png") else name
    return " ".join(stem.replace("_", " ").casefold().split())


def share_told(pairs: Mapping[tuple[str, str], int]) -> float:
    """Give the share of images whose class their source alone tells, from (source, class) → count.

    Each source is taken for its commonest class: no classifier that sees only the source is right
    more often.
    """
    most: Counter[str] = Counter()
    for (source, _), count in pairs.items():
        most[source] = max(most[source], count)
    return sum(most.values()) / max(1, sum(pairs.values()))


def _read_rows(table: Path) -> Iterator[tuple[object, ...]]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with warnings.catch_warnings():
            # Of styles and extensions, which nothing here depends on.
            warnings.simplefilter("ignore", UserWarning)
            book = load_workbook(table, read_only=True, data_only=True)
            try:
                rows = list(book.worksheets[0].iter_rows(values_only=True))
            finally:
                book.close()
    except (*_UNREADABLE, InvalidFileException, IndexError) as error:
        raise CorpusError(
            f"{table}: no whole workbook ({type(error).__name__}); expected .xlsx with the columns"
            f" {', '.join(COLUMNS)}"
        ) from error
    yield from rows


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()
