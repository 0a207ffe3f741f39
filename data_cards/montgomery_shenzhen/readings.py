"""Sex and age from the clinical readings of Montgomery and Shenzhen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from data_cards.csv_rows import read_text
from data_cards.image_rows import read_age
from data_cards.study import CorpusError, Skipped

_SEX = re.compile(r"\b(?P<female>f|femal|female)\b|\b(?:m|mal|male)\b", re.IGNORECASE)
_AGE = re.compile(r"(?P<number>\d+)\s*-?\s*(?P<unit>months?|m\b|days?|d\b)?", re.IGNORECASE)
PER_YEAR = {"y": 1.0, "m": 12.0, "d": 365.25}


class Reading(NamedTuple):
    """Who was X-rayed; the age in years. What a reading says of the lungs is not kept."""

    sex: str | None = None
    age: float | None = None


def read_reading(file: Path, where: str, skipped: list[Skipped]) -> Reading:
    """Read one `.txt`; one that is not there, or is no text, is named in `skipped`."""
    if not file.is_file():
        skipped.append(Skipped(where, "no such reading"))
        return Reading()
    try:
        return parse_reading(read_text(file))
    except CorpusError:
        skipped.append(Skipped(where, "a reading that is no text"))
        return Reading()


def parse_reading(text: str) -> Reading:
    """Read `Patient's Sex: F` and `Patient's Age: 026Y`, or `male 45yrs`, `Female, 8 months`.

    The first word that is a sex and the first number count; what is not said is None.
    """
    said = _SEX.search(text)
    sex = None if said is None else "F" if said["female"] else "M"
    number = _AGE.search(text)
    if number is None:
        return Reading(sex)
    years = int(number["number"]) / PER_YEAR[(number["unit"] or "y")[0].lower()]
    return Reading(sex, read_age(str(years)))
