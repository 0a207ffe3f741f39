"""The little that a grader needs of a DICOM header's patient: a child or not, chest or not."""

from __future__ import annotations

from datetime import date

import pydicom

ADULT_YEARS = 18
DAYS_OF_AGE_UNIT = {"D": 1.0, "W": 7.0, "M": 30.44, "Y": 365.25}
CHEST_PARTS = frozenset({"THORAX", "LUNG", "LUNGS", "HEART", "RIBS", "RIB"})
"""What is taken for the chest, beside all that begins with CHEST."""


def is_child(dataset: pydicom.Dataset) -> bool | None:
    """Say whether the patient is under 18; None where the header does not tell.

    Of Patient's Age (0010,1010), else of the birth date and the study's. The age itself is
    personal and is not kept.
    """
    age = str(dataset.get("PatientAge") or "").strip().upper()
    if len(age) > 1 and age[:-1].isdecimal() and age[-1] in DAYS_OF_AGE_UNIT:
        return int(age[:-1]) * DAYS_OF_AGE_UNIT[age[-1]] < ADULT_YEARS * DAYS_OF_AGE_UNIT["Y"]
    born, seen = (_read_date(dataset, name) for name in ("PatientBirthDate", "StudyDate"))
    if born is None or seen is None or seen < born:
        return None
    return (seen - born).days < ADULT_YEARS * DAYS_OF_AGE_UNIT["Y"]


def shows_other_part(dataset: pydicom.Dataset) -> bool | None:
    """Say whether Body Part Examined (0018,0015) is not the chest; None where it is empty."""
    part = "".join(str(dataset.get("BodyPartExamined") or "").upper().split())
    return part not in CHEST_PARTS and not part.startswith("CHEST") if part else None


def _read_date(dataset: pydicom.Dataset, name: str) -> date | None:
    text = str(dataset.get(name) or "").strip()
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8])) if len(text) == 8 else None
    except ValueError:
        return None
