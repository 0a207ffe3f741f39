"""Reads CheXmask's tables: lung and heart masks of other corpora's images, by image."""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data_cards.chexmask.runs import decode_runs
from data_cards.csv_rows import LONGEST_FIELD_CHARACTERS, check_columns
from data_cards.study import CorpusError

logger = logging.getLogger(__name__)

LEAST_DICE = 0.7
"""Estimated Dice below which the authors advise against using a mask."""
ID_COLUMNS = ("dicom_id", "Image ID", "Image Index", "ImageID", "image_id", "Path")
QUALITY = "Dice RCA (Mean)"
LEFT, RIGHT, HEART = "Left Lung", "Right Lung", "Heart"
HEIGHT, WIDTH = "Height", "Width"
MOST_LINES = 1000
"""Of one row; 166 landmarks take as many."""
COLUMNS = (QUALITY, LEFT, RIGHT, HEART, HEIGHT, WIDTH)


@dataclass(frozen=True)
class CheXmask:
    """The masks of one table that are good enough; each is read from disk when it is asked for.

    offsets: where the row of an image (`name_image`) starts in the table. below: rows of too low a
    quality, or of none. damaged: rows that are not whole, by number (the first is 1).
    """

    table: Path
    columns: tuple[str, ...]
    offsets: Mapping[str, int]
    below: int
    damaged: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.offsets)

    def __contains__(self, image: str) -> bool:
        return name_image(image) in self.offsets

    def read_lungs(self, image: str) -> NDArray[np.bool_] | None:
        """Give both lungs of an image as one mask [height, width] of its original size.

        image: its id, its file name or its path. None where the table has no mask of it that is
        good enough. Raises CorpusError for runs that cannot be decoded.
        """
        return self._read(image, (LEFT, RIGHT))

    def read_heart(self, image: str) -> NDArray[np.bool_] | None:
        """Give the heart of an image in the same way."""
        return self._read(image, (HEART,))

    def _read(self, image: str, structures: tuple[str, ...]) -> NDArray[np.bool_] | None:
        offset = self.offsets.get(name_image(image))
        if offset is None:
            return None
        with self.table.open("rb") as file:
            file.seek(offset)
            values = _split(_read_record(file))
        if values is None or len(values) != len(self.columns):
            raise CorpusError(f"{self.table}: changed since it was read")
        row = dict(zip(self.columns, values, strict=True))
        try:
            size = int(float(row[HEIGHT])), int(float(row[WIDTH]))
            masks = [decode_runs(row[name], *size) for name in structures]
        except (ValueError, OverflowError) as error:
            raise CorpusError(f"{self.table}, at byte {offset}: {error}") from error
        joined: NDArray[np.bool_] = np.logical_or.reduce(masks)
        return joined


def read_chexmask(table: Path, *, least_dice: float = LEAST_DICE) -> CheXmask:
    """Look once through a table of `OriginalResolution/`, and note where each image's row is.

    Takes the memory of the ids alone: tables have up to 8 GB. Rows below `least_dice`, in the mean
    of what reverse classification accuracy estimates (Valindria et al. 2017), are counted and not
    kept. Raises CorpusError when the table or a column is missing, or no row is good enough.
    """
    offsets: dict[str, int] = {}
    damaged: list[int] = []
    below = 0
    try:
        with table.open("rb") as file:
            columns = _read_header(table, file)
            places = columns.index(_find_id(table, columns)), columns.index(QUALITY)
            for number, offset, values in _read_rows(table, file):
                if values is None or len(values) != len(columns):
                    damaged.append(number)
                elif _read_share(values[places[1]]) >= least_dice:
                    offsets.setdefault(name_image(values[places[0]]), offset)
                else:
                    below += 1
    except OSError as error:
        raise CorpusError(f"{table}: cannot be read: {error.strerror}") from error
    if damaged:
        logger.warning("%s: %d rows are not whole", table, len(damaged))
    if not offsets:
        raise CorpusError(f"{table}: no row with a {QUALITY} of at least {least_dice}")
    return CheXmask(table, columns, offsets, below, tuple(damaged))


def name_image(image: str) -> str:
    """Name an image as every corpus and table can: its file name without the ending.

    CheXpert's files are all called alike (`view1_frontal.jpg`): there patient and study, and
    whether it is train or valid, come before.
    """
    path = PurePosixPath(image.strip().replace("\\", "/"))
    stem = path.name.removesuffix(path.suffix) if path.suffix.lower() in _ENDINGS else path.name
    if not stem.lower().startswith("view"):
        return stem
    return "/".join((*path.parts[-4:-1], stem))


_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".dcm", ".dicom"})


def _read_header(table: Path, file: BufferedReader) -> tuple[str, ...]:
    header = _split(file.readline().removeprefix(b"\xef\xbb\xbf"))
    columns = tuple(name.strip() for name in header or ())
    check_columns(str(table), columns, COLUMNS)
    return columns


def _find_id(table: Path, columns: tuple[str, ...]) -> str:
    found = next((name for name in ID_COLUMNS if name in columns), None)
    if found is None:
        raise CorpusError(
            f"{table}: column of image ids missing: expected one of {', '.join(ID_COLUMNS)};"
            f" found {', '.join(columns)}"
        )
    return found


def _read_rows(table: Path, file: BufferedReader) -> Iterator[tuple[int, int, list[str] | None]]:
    """Give number, offset and values (None: not CSV) of each row that is not blank."""
    offset = file.tell()
    number = 0
    with tqdm(
        total=table.stat().st_size, unit="B", unit_scale=True, desc="CheXmask", disable=None
    ) as progress:
        while record := _read_record(file):
            number += 1
            if record.strip():
                yield number, offset, _split(record)
            offset += len(record)
            progress.update(len(record))


def _read_record(file: BufferedReader) -> bytes:
    """Read a row, which may go over several lines: some tables hold landmarks as numpy prints them.

    A quote that is never closed ends after MOST_LINES, so that it costs these rows and no more.
    """
    record = file.readline()
    for _ in range(MOST_LINES):
        if record.count(b'"') % 2 == 0:
            break
        record += file.readline()
    return record


def _split(record: bytes) -> list[str] | None:
    limit = csv.field_size_limit(LONGEST_FIELD_CHARACTERS)
    try:
        rows = list(csv.reader(record.decode().splitlines(keepends=True), strict=True))
    except (csv.Error, UnicodeDecodeError):
        return None
    finally:
        csv.field_size_limit(limit)
    return rows[0] if len(rows) == 1 else None


def _read_share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        return -math.inf
    return share if math.isfinite(share) else -math.inf
