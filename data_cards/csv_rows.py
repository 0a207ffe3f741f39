"""CSV files read strictly: every row whole, every value text, every character kept."""

from __future__ import annotations

import codecs
import csv
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, cast

from data_cards.study import CorpusError

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

BLOCK_BYTES = 1 << 20
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


def read_csv_rows(path: Path, required: Sequence[str]) -> Iterator[CsvRow]:
    """Read a CSV file with a header, row by row; values stay text as they are (`007` stays `007`).

    Raises CorpusError naming the file and the line: no file, no text encoding that fits, a column
    of `required` missing, a column named twice, a NUL byte, a row with too few or too many values,
    a quote that is never closed.
    """
    limit = csv.field_size_limit(LONGEST_FIELD_CHARACTERS)
    try:
        with open_text(path) as file:
            yield from _parse(path, _refuse_nul(path, file), required)
    finally:
        csv.field_size_limit(limit)


def _refuse_nul(path: Path, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if "\0" in line:
            raise CorpusError(f"{path}, line {number}: holds a NUL byte; expected CSV text")
        yield line


def read_text(path: Path) -> str:
    """Read a whole text file as `open_text` opens it."""
    with open_text(path) as file:
        return file.read()


def open_text(path: Path) -> TextIOWrapper:
    """Open a text file as UTF-8 (with or without a byte order mark), else as Windows-1252.

    One encoding holds for the whole file, so that no character is lost or replaced; line ends stay
    as they are. A file named `.gz` is unpacked as it is read. Raises CorpusError when the file is
    missing, cannot be unpacked, or fits neither encoding.
    """
    try:
        line = _find_undecodable_line(path, "utf-8-sig")
        if line is None:
            return TextIOWrapper(_open_bytes(path), encoding="utf-8-sig", newline="")
        if _find_undecodable_line(path, "cp1252") is None:
            return TextIOWrapper(_open_bytes(path), encoding="cp1252", newline="")
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise CorpusError(f"{path}: not a whole gzip file") from None
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read: {error.strerror}") from error
    raise CorpusError(f"{path}, line {line}: the bytes are neither UTF-8 nor Windows-1252 text")


def _open_bytes(path: Path) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _find_undecodable_line(path: Path, encoding: str) -> int | None:
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    with _open_bytes(path) as file:
        block = b"begin"
        while block:
            block = file.read(BLOCK_BYTES)
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return line + error.object.count(b"\n", 0, error.start)
            line += block.count(b"\n")
    return None


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


def _parse(path: Path, lines: Iterable[str], required: Sequence[str]) -> Iterator[CsvRow]:
    reader = csv.reader(lines, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not header:
            raise CorpusError(f"{path}: empty; expected a header with {', '.join(required)}")
        check_columns(str(path), header, required)
        for number, values in enumerate(filter(None, reader), start=1):
            row = CsvRow(number, reader.line_num, dict(zip(header, values, strict=False)))
            if len(values) != len(header):
                raise CorpusError(
                    f"{path}, {row.place}: {len(values)} values; expected {len(header)}"
                )
            yield row
    except csv.Error as error:
        raise CorpusError(f"{path}, line {reader.line_num}: not readable as CSV: {error}") from None
