"""CSV files read strictly: every row whole, every value text, every character kept."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data_cards.study import CorpusError

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

LONGEST_FIELD_CHARACTERS = 1 << 30
"""A report may be long; Python's own limit (131,072 characters) is too small for it."""


@dataclass(frozen=True)
class CsvRow:
    """One row: its number (the first below the header is 1), its last line, and its values."""

    number: int
    line: int
    values: dict[str, str]

    @property
    def place(self) -> str:
        """The row in words, for messages."""
        return f"row {self.number} (line {self.line})"


def read_csv_rows(path: Path, required: Sequence[str]) -> list[CsvRow]:
    """Read a CSV file with a header; values stay text as they are (`007` stays `007`).

    Raises CorpusError naming the file and the line: no file, no text encoding that fits, a column
    of `required` missing, a column named twice, a NUL byte, a row with too few or too many values,
    a quote that is never closed.
    """
    text = read_text(path)
    nul = text.find("\0")
    if nul >= 0:
        line = text.count("\n", 0, nul) + 1
        raise CorpusError(f"{path}, line {line}: holds a NUL byte; expected CSV text")
    limit = csv.field_size_limit(LONGEST_FIELD_CHARACTERS)
    try:
        return _parse(path, text, required)
    finally:
        csv.field_size_limit(limit)


def read_text(path: Path) -> str:
    """Read a text file as UTF-8 (with or without a byte order mark), else as Windows-1252.

    One encoding holds for the whole file, so that no character is lost or replaced. Raises
    CorpusError when the file is missing or fits neither encoding.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        raise CorpusError(
            f"{path}, line {line}: the bytes are neither UTF-8 nor Windows-1252 text"
        ) from None


def check_columns(
    where: str, columns: Sequence[str], required: Sequence[str], *, are_names: bool = False
) -> None:
    """Raise CorpusError when a column is missing or named twice; it lists those that are there.

    are_names: these cannot be the first row of a file without a header.
    """
    missing = [name for name in required if name not in columns]
    if missing:
        # A file without a header shows a row of patients here: name nothing in it then.
        is_header = are_names or len(missing) < len(required) or all(map(_WORD.fullmatch, columns))
        found = ", ".join(columns) if is_header else f"{len(columns)} other columns"
        raise CorpusError(
            f"{where}: columns missing: {', '.join(missing)}"
            f" (expected {', '.join(required)}; found {found})"
        )
    repeated = sorted({name for name in columns if name and columns.count(name) > 1})
    if repeated:
        raise CorpusError(f"{where}: columns named more than once: {', '.join(repeated)}")


def _parse(path: Path, text: str, required: Sequence[str]) -> list[CsvRow]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[CsvRow] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        if not header:
            raise CorpusError(f"{path}: empty; expected a header with {', '.join(required)}")
        check_columns(str(path), header, required)
        for values in reader:
            if not values:
                continue
            row = CsvRow(len(rows) + 1, reader.line_num, dict(zip(header, values, strict=False)))
            if len(values) != len(header):
                raise CorpusError(
                    f"{path}, {row.place}: {len(values)} values; expected {len(header)}"
                )
            rows.append(row)
    except csv.Error as error:
        raise CorpusError(f"{path}, line {reader.line_num}: not readable as CSV: {error}") from None
    return rows
