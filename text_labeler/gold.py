"""Reads references to score labels against: Open-i's gold tables, and tables of known truth."""

from __future__ import annotations

import json
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from data_cards.findings import CHESTXRAY14_TO_FINDING, FINDINGS, SEVERITY_LEVELS, LabelCode
from text_labeler.scoring import Aspect, ScoringError

MESH_LEVEL = "edema_level_from_mesh"
MESH_WITHOUT_LEVEL = "edema_coded_without_level"
SEVERITY_COLUMNS = ("reported_severity", "edema_severity", "severity")
REPORTED = "_reported"
IDS = {"uid": "study_id", "study_id": "study_id", "patient_id": "patient_id"} | {
    "subject_id": "patient_id"
}
"""Columns of ids, and what they are called here; MIMIC-CXR's files say `subject_id`."""


@dataclass(frozen=True)
class Gold:
    """A reference: `findings` (study_id and codes) or `severity` (study_id, severity, group), or
    both, each with `patient_id` where the reference has it. `presence_only`: it says what is
    present and nothing else."""

    findings: pd.DataFrame | None
    severity: pd.DataFrame | None
    presence_only: bool

    @property
    def aspects(self) -> tuple[Aspect, ...]:
        """What can be asked: presence, and as far as the codes tell it apart, the rest."""
        if self.presence_only or self.findings is None:
            return (Aspect.PRESENCE,)
        codes = self.findings.drop(columns=["study_id", "patient_id"], errors="ignore")
        knows = [
            True,
            bool(codes.isna().any(axis=None)),
            bool((codes == LabelCode.NEGATIVE).any(axis=None)),
            bool((codes == LabelCode.UNCERTAIN).any(axis=None)),
        ]
        return tuple(aspect for aspect, known in zip(Aspect, knows, strict=True) if known)


def read_gold(path: Path, findings: Sequence[str] = FINDINGS) -> Gold:
    """Read a reference (CSV, Parquet or JSON lines), told apart by its columns.

    - `uid` and ChestX-ray14's names (`gold_findings.csv` of Open-i): presence only; a column
      that never says present is left out;
    - `uid`, `edema_level_from_mesh`, `edema_coded_without_level`: levels that coders' MeSH terms
      imply; the other rows mention edema or have it coded without a level;
    - `study_id` with any of `reported_severity`, `edema_severity`, `severity`, and `findings` as
      codes, as `<finding>_reported` or `<finding>`: a known truth, another label table, or files
      in the layout of CheXpert's labeler and MIMIC-CXR (`subject_id`, `study_id`, 1.0, 0.0, -1.0,
      empty). Where every cell is 1 or 0, a 0 says no more than not present.

    Ids are read as text. Raises ScoringError for anything else, naming row and column.
    """
    frame = _read_frame(path)
    for known in dict.fromkeys(IDS.values()):
        names = [name for name in IDS if IDS[name] == known and name in frame]
        if len(names) > 1:
            raise ScoringError(f"{path}: columns {' and '.join(names)} both hold ids; keep one")
        frame = frame.rename(columns=dict.fromkeys(names, known))
    if "study_id" not in frame:
        raise ScoringError(f"{path}: expected a column `study_id` or `uid`")
    _check_ids(frame, str(path))
    if MESH_LEVEL in frame:
        return Gold(None, _read_mesh_levels(frame, str(path)), presence_only=True)
    renamed = {name: finding for name, finding in CHESTXRAY14_TO_FINDING.items() if name in frame}
    if {"Effusion", "normal"} & renamed.keys():
        never = [name for name in renamed if not frame[name].any()]  # Open-i's Hernia: no reference
        frame = frame.drop(columns=never).rename(columns=renamed)
        return Gold(_take_codes(frame, FINDINGS, str(path)), None, presence_only=True)
    return make_gold(frame, str(path), findings)


def list_columns(path: Path) -> list[str]:
    """Name the columns of a reference; raises ScoringError as `read_gold` does."""
    return list(map(str, _read_frame(path, rows=0)))


def _read_frame(path: Path, rows: int | None = None) -> pd.DataFrame:
    """Read a table but its evidence; `rows` 0: its columns alone (JSON lines: all rows)."""
    if not path.is_file():
        what = "a folder, expected a file" if path.is_dir() else "no such file"
        raise ScoringError(f"{path}: {what}")
    try:
        if path.suffix == ".parquet":
            columns = [name for name in pq.read_schema(path).names if name != "evidence"]
            return (
                pd.DataFrame(columns=columns)
                if rows == 0
                else pd.read_parquet(path, columns=columns)
            )
        if path.suffix == ".jsonl":
            return pd.DataFrame(_read_json_lines(path), dtype=object)
        return _read_csv(path, rows)
    except ScoringError:
        raise
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ScoringError(f"{path}: not a readable table: {type(error).__name__}") from error


def _read_csv(path: Path, rows: int | None) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            # Not the first column as index: pandas would take it so where rows have one cell more.
            return pd.read_csv(path, dtype=dict.fromkeys(IDS, str), nrows=rows, index_col=False)
        except pd.errors.ParserWarning:
            raise ScoringError(f"{path}: rows have more cells than the header has names") from None


def _read_json_lines(path: Path) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError:
                row = None
            if not isinstance(row, dict):
                # Without the line itself: it may hold a report.
                raise ScoringError(f"{path}, line {number}: not a JSON object")
            rows.append(row)
    return rows


def _check_ids(frame: pd.DataFrame, where: str) -> None:
    if frame["study_id"].isna().any():
        row = int(frame["study_id"].isna().to_numpy().argmax()) + 1
        raise ScoringError(f"{where}, row {row}, study_id: empty")
    for name in ("study_id", "patient_id"):
        if name in frame:
            frame[name] = frame[name].astype(str).where(frame[name].notna(), None)
    repeated = frame["study_id"].duplicated().to_numpy()
    if repeated.any():
        raise ScoringError(
            f"{where}, row {repeated.argmax() + 1}, study_id: {repeated.sum()} study ids occur more"
            " than once, this one first"
        )


def _read_mesh_levels(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    without = frame[MESH_WITHOUT_LEVEL] == 1
    severity = frame[_list_ids(frame)].copy()
    severity["severity"] = _read_codes(frame, MESH_LEVEL, range(SEVERITY_LEVELS), where)
    severity["group"] = without.map({True: "edema, no level", False: "not coded"})
    return severity


def make_gold(frame: pd.DataFrame, where: str, findings: Sequence[str] = FINDINGS) -> Gold:
    """Make a reference of a known truth or another label table; `where` names it in errors.

    What a report says (`reported_severity`, `<finding>_reported`) goes before what the image
    shows; with a column `states_severity`, only studies whose report states it have a level.
    A report speaks of edema when the reference has a level or a code of Edema for it.
    """
    reported = {
        name: name.removesuffix(REPORTED) for name in map(str, frame) if name.endswith(REPORTED)
    }
    if reported:
        frame = frame.drop(columns=[name for name in reported.values() if name in frame])
        frame = frame.rename(columns=reported)
    codes = _take_codes(frame, findings, where)
    column = next((name for name in SEVERITY_COLUMNS if name in frame), None)
    if column is None and codes is None:
        raise ScoringError(
            f"{where}: has neither findings nor one of {', '.join(SEVERITY_COLUMNS)}"
        )
    severity = None
    if column is not None:
        levels = _read_codes(frame, column, range(SEVERITY_LEVELS), where)
        if "states_severity" in frame:
            levels = levels.where(frame["states_severity"].astype(bool))
        severity = frame[_list_ids(frame)].assign(severity=levels)
        severity["speaks"] = levels.notna()
        if codes is not None and "Edema" in codes:
            severity["speaks"] |= codes["Edema"].notna()
    is_binary = codes is not None and not _has_other_than_0_and_1(codes)
    return Gold(codes, severity, presence_only=is_binary)


def add_patients(gold: Gold, patients: Mapping[str, str]) -> Gold:
    """Return the reference with patient ids, by study id, where it has none of its own."""

    def add(frame: pd.DataFrame | None) -> pd.DataFrame | None:
        if frame is None or "patient_id" in frame:
            return frame
        return frame.assign(patient_id=frame["study_id"].map(patients))

    return Gold(add(gold.findings), add(gold.severity), gold.presence_only)


def _has_other_than_0_and_1(codes: pd.DataFrame) -> bool:
    values = codes.drop(columns=["study_id", "patient_id"], errors="ignore")
    return not values.isin([int(LabelCode.NEGATIVE), int(LabelCode.POSITIVE)]).all(axis=None)


def _list_ids(frame: pd.DataFrame) -> list[str]:
    return [name for name in ("study_id", "patient_id") if name in frame]


def _take_codes(frame: pd.DataFrame, findings: Sequence[str], where: str) -> pd.DataFrame | None:
    names = [name for name in findings if name in frame]
    if not names:
        return None
    codes = frame[_list_ids(frame)].copy()
    for name in names:
        codes[name] = _read_codes(frame, name, sorted(map(int, LabelCode)), where)
    return codes


def _read_codes(
    frame: pd.DataFrame, column: str, allowed: Sequence[int], where: str
) -> pd.Series[int]:
    numbers = pd.to_numeric(frame[column], errors="coerce")
    wrong = (frame[column].notna() & ~numbers.isin(list(allowed))).to_numpy(bool)
    if wrong.any():
        row = int(wrong.argmax())
        # A number may be shown; other text may be a report's.
        given = f"{numbers.iloc[row]:g}" if pd.notna(numbers.iloc[row]) else "a text"
        raise ScoringError(
            f"{where}, row {row + 1}, {column}: {given} is not one of"
            f" {', '.join(map(str, allowed))}, or nothing"
        )
    return numbers.astype("Float64").astype("Int8")
