"""Reads references to score labels against: Open-i's gold tables, and tables of known truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data_cards.findings import CHESTXRAY14_TO_FINDING, FINDINGS
from text_labeler.scoring import ScoringError

MESH_LEVEL = "edema_level_from_mesh"
MESH_WITHOUT_LEVEL = "edema_coded_without_level"
SEVERITY_COLUMNS = ("reported_severity", "edema_severity", "severity")
REPORTED = "_reported"


@dataclass(frozen=True)
class Gold:
    """A reference: `findings` (study_id and codes) or `severity` (study_id, severity, group), or
    both. `presence_only`: it says what is present and nothing else."""

    findings: pd.DataFrame | None
    severity: pd.DataFrame | None
    presence_only: bool


def read_gold(path: Path) -> Gold:
    """Read a reference (CSV or Parquet), told apart by its columns.

    - `uid` and ChestX-ray14's names (`gold_findings.csv` of Open-i): presence only; a column
      that never says present is left out;
    - `uid`, `edema_level_from_mesh`, `edema_coded_without_level`: levels that coders' MeSH terms
      imply; the other rows mention edema or have it coded without a level;
    - `study_id` with any of `reported_severity`, `edema_severity`, `severity`, and findings as
      codes, as `<finding>_reported` or `<finding>`: a known truth, or another label table.

    Raises ScoringError for anything else.
    """
    if not path.is_file():
        raise ScoringError(f"{path}: no such file")
    try:
        frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (ValueError, OSError) as error:
        raise ScoringError(f"{path}: not a readable table: {type(error).__name__}") from error
    frame = frame.rename(columns={"uid": "study_id"})
    if "study_id" not in frame:
        raise ScoringError(f"{path}: expected a column `study_id` or `uid`")
    frame["study_id"] = frame["study_id"].astype(str)
    if MESH_LEVEL in frame:
        return Gold(None, _read_mesh_levels(frame), presence_only=True)
    renamed = {name: finding for name, finding in CHESTXRAY14_TO_FINDING.items() if name in frame}
    if {"Effusion", "normal"} & renamed.keys():
        never = [name for name in renamed if not frame[name].any()]  # Open-i's Hernia: no reference
        frame = frame.drop(columns=never).rename(columns=renamed)
        return Gold(_take_codes(frame), None, presence_only=True)
    return make_gold(frame, str(path))


def _read_mesh_levels(frame: pd.DataFrame) -> pd.DataFrame:
    without = frame[MESH_WITHOUT_LEVEL] == 1
    return pd.DataFrame(
        {
            "study_id": frame["study_id"],
            "severity": frame[MESH_LEVEL].astype("Int8"),
            "group": without.map({True: "edema, no level", False: "not coded"}),
        }
    )


def make_gold(frame: pd.DataFrame, where: str) -> Gold:
    """Make a reference of a known truth or another label table; `where` names it in errors.

    What a report says (`reported_severity`, `<finding>_reported`) goes before what the image
    shows; with a column `states_severity`, only studies whose report states it have a level.
    """
    reported = {
        name: name.removesuffix(REPORTED) for name in map(str, frame) if name.endswith(REPORTED)
    }
    if reported:
        frame = frame.drop(columns=[name for name in reported.values() if name in frame])
        frame = frame.rename(columns=reported)
    findings = _take_codes(frame)
    column = next((name for name in SEVERITY_COLUMNS if name in frame), None)
    if column is None and findings is None:
        raise ScoringError(
            f"{where}: has neither findings nor one of {', '.join(SEVERITY_COLUMNS)}"
        )
    severity = None
    if column is not None:
        levels = frame[column].astype("Int8")
        if "states_severity" in frame:
            levels = levels.where(frame["states_severity"].astype(bool))
        severity = pd.DataFrame({"study_id": frame["study_id"], "severity": levels})
    return Gold(findings, severity, presence_only=False)


def _take_codes(frame: pd.DataFrame) -> pd.DataFrame | None:
    names = [name for name in FINDINGS if name in frame]
    if not names:
        return None
    codes = frame[["study_id", *names]].copy()
    codes[names] = codes[names].astype("Int8")
    return codes
