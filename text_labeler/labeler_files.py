"""Reads each labeler's votes from its file: label tables, CheXpert's CSV, JSON lines, Snorkel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from data_cards.findings import FINDINGS, LabelCode
from data_cards.label_table import list_findings
from text_labeler.gold import list_columns, read_gold
from text_labeler.implications import EDEMA
from text_labeler.label_matrix import SEVERITY, LabelerVotes, LabelMatrixError
from text_labeler.label_model_fit import ABSTAIN, UNCERTAIN, Votes
from text_labeler.snorkel_matrix import SNORKEL_ENDING, read_snorkel


def parse_labeler(given: str) -> tuple[str, Path]:
    """Split `name=path`; of a path alone the name is the file's, without its ending."""
    name, equals, path = given.partition("=")
    if equals and not Path(given).exists():
        if not name or not path:
            raise LabelMatrixError(f"{given!r}: expected a path, or name=path")
        return name, Path(path)
    return Path(given).stem, Path(given)


def read_labelers(given: Sequence[str]) -> list[LabelerVotes]:
    """Read each of `path` or `name=path`; a `.npz` brings the names of its own labelers.

    Codes: null abstains, −1 becomes −2 (uncertain), 0 and 1 stay. A null grade abstains, and so
    does one where the same labeler calls Edema uncertain: "possible mild edema" says how severe it
    would be, and a grade has no vote for uncertain. Where a table only says what is present
    (ChestX-ray14's columns), 0 votes for not present. Other columns are ignored; a user's own
    finding is one that has `<finding>_p` in any of the files.
    Raises LabelMatrixError for a file without a vote, and ScoringError naming row and column.
    """
    files = [parse_labeler(one) for one in given]
    findings = _list_all_findings([path for _, path in files])
    votes: list[LabelerVotes] = []
    for name, path in files:
        if path.suffix == SNORKEL_ENDING:
            votes.extend(read_snorkel(path))
        else:
            votes.append(read_votes(name, path, findings))
    return votes


def read_votes(name: str, path: Path, findings: Sequence[str] = FINDINGS) -> LabelerVotes:
    """Read one table of `findings` and `edema_severity` as one labeler's votes, or audited reads.

    A column in which there is no vote is left out. Raises as `read_labelers` does.
    """
    gold = read_gold(path, findings)
    columns: dict[str, pd.Series[int]] = {}
    if gold.findings is not None:
        columns |= {column: gold.findings[column] for column in findings if column in gold.findings}
    if gold.severity is not None:
        columns[SEVERITY] = gold.severity["severity"]
    votes = {column: _take_votes(codes) for column, codes in columns.items()}
    if SEVERITY in votes and EDEMA in votes:
        votes[SEVERITY][votes[EDEMA] == UNCERTAIN] = ABSTAIN
    votes = {column: given for column, given in votes.items() if (given != ABSTAIN).any()}
    if not votes:
        raise LabelMatrixError(f"{path}: no vote in it: every finding and grade is empty")
    frame = next(frame for frame in (gold.findings, gold.severity) if frame is not None)
    return LabelerVotes(name, str(path), tuple(frame["study_id"]), votes)


def _take_votes(codes: pd.Series[int]) -> Votes:
    numbers = codes.astype("Float64").to_numpy(float, na_value=np.nan)
    abstained = np.isnan(numbers)
    votes = np.where(abstained, ABSTAIN, numbers)
    votes[~abstained & (numbers == int(LabelCode.UNCERTAIN))] = UNCERTAIN
    return votes.astype(np.int8)


def _list_all_findings(paths: Sequence[Path]) -> list[str]:
    names = dict.fromkeys(FINDINGS)
    for path in paths:
        if path.suffix != SNORKEL_ENDING:
            names |= dict.fromkeys(list_findings(list_columns(path)))
    return list(names)
