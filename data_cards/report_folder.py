"""Reads a folder of reports, one text file for each study; MIMIC-CXR's is one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_cards.csv_rows import read_text
from data_cards.study import CorpusError, Listing, Skipped, Study, list_studies

MIMIC_PATH = re.compile(r"(?:^|/)p(?P<patient>\d+)/s(?P<study>\d+)\.txt$")
"""The last parts of `files/p10/p10000032/s50414267.txt` (Johnson et al. 2019, MIMIC-CXR 2.0.0)."""


def read_report_folder(folder: Path) -> Listing:
    """List the `.txt` files beneath `folder`, in the order of their paths.

    A path of MIMIC-CXR names patient and study, as the plain numbers of its tables. Else the path
    under `folder` without its ending is the study's id and stands for the patient too. A file that
    is empty, is no text, or repeats an id is left out and listed. Raises CorpusError when no file
    is left.
    """
    files = sorted(
        (path.relative_to(folder).as_posix(), path)
        for path in folder.rglob("*.txt")
        if path.is_file()
    )
    if not files:
        raise CorpusError(f"{folder}: holds no .txt file; expected one report in each")
    skipped: list[Skipped] = []
    return list_studies("report_folder", folder, _read_files(files, skipped), skipped)


def _read_files(files: list[tuple[str, Path]], skipped: list[Skipped]) -> Iterator[Study]:
    seen: set[str] = set()
    for where, path in files:
        in_mimic = MIMIC_PATH.search(where)
        study_id = in_mimic["study"] if in_mimic else where.removesuffix(".txt")
        reason, report = _read_report(path)
        if study_id in seen:
            reason = f"has the study id of an earlier file: {study_id}"
        if reason is not None:
            skipped.append(Skipped(where, reason))
            continue
        seen.add(study_id)
        yield {
            "corpus": "report_folder",
            "study_id": study_id,
            "patient_id": in_mimic["patient"] if in_mimic else study_id,
            "images": [],
            "report": report,
        }


def _read_report(path: Path) -> tuple[str | None, str]:
    """Return why a file is left out, or None, and its text."""
    try:
        report = read_text(path)
    except CorpusError as error:
        return str(error).removeprefix(str(path)).lstrip(":, "), ""
    if "\0" in report:
        return "holds a NUL character; expected text", ""
    return (None, report) if report.strip() else ("empty file", "")
