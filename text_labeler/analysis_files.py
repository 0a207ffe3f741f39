"""An analysis of labelers as JSON or CSV: every row, counts only."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from configs.files import write_json, write_text
from text_labeler.gold import read_gold
from text_labeler.labeler_analysis import AnalysisError, LabelerAnalysis
from text_labeler.score_sheet import to_json


def write_analysis(path: Path, analysis: LabelerAnalysis) -> list[Path]:
    """Write the rows atomically and return the files: one JSON, or of a CSV two, the pairs apart.

    In a CSV an interval is three columns (`…`, `…_lower`, `…_upper`) and a number that is not
    defined is empty. Raises AnalysisError for another ending.
    """
    files = name_analysis_files(path)
    if len(files) == 1:
        write_json(path, to_json(analysis))
    else:
        for file, rows in zip(files, (analysis.rows, analysis.pairs), strict=True):
            write_text(file, _make_csv(map(to_json, rows)))
    return files


def name_analysis_files(path: Path) -> list[Path]:
    """Name the files that `write_analysis` writes; AnalysisError for another ending."""
    ending = path.suffix.lower()
    if ending not in (".json", ".csv"):
        raise AnalysisError(f"{path}: expected a file that ends in .json or .csv")
    return [path] if ending == ".json" else [path, path.with_stem(f"{path.stem}_pairs")]


def read_patients(path: Path, study_ids: Sequence[str]) -> list[str] | None:
    """Return the patient of each study as the file of audited reads names them, if it does.

    A study that is not in it gets its own id: nobody read it. Raises ScoringError as `read_gold`.
    """
    gold = read_gold(path)
    frame = gold.severity if gold.findings is None else gold.findings
    if frame is None or "patient_id" not in frame:
        return None
    known = frame.dropna(subset=["patient_id"])
    patient_of = dict(zip(known["study_id"], known["patient_id"], strict=True))
    return [patient_of.get(study, study) for study in study_ids]


def _make_csv(rows: Iterable[dict[str, Any]]) -> str:
    flat = [_flatten(row) for row in rows]
    names = dict.fromkeys(name for row in flat for name in row)
    file = io.StringIO()
    writer = csv.DictWriter(file, list(names), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return file.getvalue()


def _flatten(row: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            flat |= {name: value["value"]}
            flat |= {f"{name}_{end}": value[end] for end in ("lower", "upper")}
        elif isinstance(value, list):
            flat |= {f"{name}_{place}": entry for place, entry in enumerate(value)}
        else:
            flat[name] = value
    return flat
