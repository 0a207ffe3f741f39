"""The strata of an audit: what the labeler said of a finding in each report, and how."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from configs.settings import Settings
from data_cards.findings import SEVERITY_LEVELS
from data_cards.label_table import list_findings
from text_labeler.audit.conflicts import SEVERITY
from text_labeler.audit.records import AuditError

FINDING_STRATA = (
    "pos_certain",
    "pos_hedged",
    "neg_negated",
    "word_without_call",
    "no_mention",
    "labelers_disagree",
)
"""Said to be present; said to be uncertain; said to be absent; the finding's words are there but
no call was made of them; nothing is there; another labeler says something else."""

SEVERITY_STRATA = (
    *(f"grade_{level}" for level in range(SEVERITY_LEVELS)),
    "not_mentioned",
    "labelers_disagree",
)

UncertainAs = Literal["not_positive", "positive"]
"""How a labeler's −1 and a reader's `uncertain` count in precision, recall and the error rate."""


class Cell(Settings):
    """Studies of one sampling stratum that have one call, and how many there are.

    call: the labeler's code (of severity the grade), null for none.
    """

    finding: str
    stratum: str
    call: int | None
    population: int


def list_strata(finding: str) -> tuple[str, ...]:
    """Return the names of the strata of a finding, or of `edema_severity`, in their order."""
    return SEVERITY_STRATA if finding == SEVERITY else FINDING_STRATA


def stratify(
    table: pd.DataFrame, finding: str, others: Sequence[pd.DataFrame] = ()
) -> pd.DataFrame:
    """Return study_id, stratum and call (Int8, null: none) of every study of a label table.

    A study that one of the `others` (label tables) calls otherwise is in `labelers_disagree`;
    absent and not mentioned are no difference. Raises AuditError for a finding that a table
    does not have, and for a study that another table lacks.
    """
    calls = _take_calls(table, finding)
    if finding == SEVERITY:
        strata = _name_grades(calls)
    else:
        strata = _name_codes(calls, _has_words(table, finding))
    for other in others:
        said = _take_calls(other.set_index("study_id", drop=False), finding)
        missing = int((~table["study_id"].isin(said.index)).sum())
        if missing:
            raise AuditError(f"{missing} studies of the label table are not in the other table")
        matched = said.reindex(table["study_id"]).to_numpy(dtype=float, na_value=np.nan)
        strata[_differ(calls.to_numpy(dtype=float, na_value=np.nan), matched, finding)] = (
            "labelers_disagree"
        )
    return pd.DataFrame(
        {"study_id": table["study_id"].to_numpy(), "stratum": strata, "call": calls.to_numpy()}
    ).astype({"call": "Int8"})


def count_cells(strata: pd.DataFrame, finding: str, calls: pd.Series | None = None) -> list[Cell]:
    """Count the studies of each stratum by their call, or by the `calls` of a later version.

    `calls` lie parallel to `strata`. Cells stand in the order of `list_strata`, then by call.
    """
    codes = (strata["call"] if calls is None else calls).astype("Int8")
    counts = Counter(zip(strata["stratum"], list_calls(codes), strict=True))
    order = {name: place for place, name in enumerate(list_strata(finding))}
    return [
        Cell(finding=finding, stratum=stratum, call=call, population=number)
        for (stratum, call), number in sorted(
            counts.items(),
            key=lambda one: (order[one[0][0]], -9 if one[0][1] is None else one[0][1]),
        )
    ]


def list_calls(codes: pd.Series) -> list[int | None]:
    """Return codes as plain integers, None for none."""
    return [None if pd.isna(code) else int(code) for code in codes]


def is_positive(code: int | None, uncertain_as: UncertainAs) -> bool:
    """Whether a labeler's code counts as positive."""
    return code == 1 or (code == -1 and uncertain_as == "positive")


def _take_calls(table: pd.DataFrame, finding: str) -> pd.Series:
    known = [*list_findings(table.columns), SEVERITY]
    if finding not in known or finding not in table.columns:
        raise AuditError(
            f"{finding!r}: no such column in the label table; known: {', '.join(known)}"
        )
    return table[finding]


def _has_words(table: pd.DataFrame, finding: str) -> np.ndarray:
    if "evidence" not in table.columns:
        return np.zeros(len(table), dtype=bool)
    return np.fromiter(
        (
            any(mention["finding"] == finding for mention in mentions or ())
            for mentions in table["evidence"]
        ),
        dtype=bool,
        count=len(table),
    )


def _name_codes(calls: pd.Series, has_words: np.ndarray) -> np.ndarray:
    codes = calls.to_numpy(dtype=float, na_value=np.nan)
    return np.select(
        [codes == 1, codes == -1, codes == 0, has_words],
        ["pos_certain", "pos_hedged", "neg_negated", "word_without_call"],
        "no_mention",
    ).astype(object)


def _name_grades(calls: pd.Series) -> np.ndarray:
    return np.array(
        ["not_mentioned" if grade is None else f"grade_{grade}" for grade in list_calls(calls)],
        dtype=object,
    )


def _differ(first: np.ndarray, second: np.ndarray, finding: str) -> np.ndarray:
    if finding == SEVERITY:
        first, second = np.nan_to_num(first, nan=-1), np.nan_to_num(second, nan=-1)
    else:
        first, second = np.nan_to_num(first), np.nan_to_num(second)
    return np.asarray(first != second)
