"""A label table's rows as training targets with masks: what is not known is not taught."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_cards.findings import SEVERITY_LEVELS, LabelCode
from data_cards.label_table import SEVERITY_PROBABILITY_COLUMNS, probability_column

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
UncertainPolicy = Literal["soft", "ignore", "ones", "zeros"]


class Targets(NamedTuple):
    """values: [studies, …]; known: bool, where a value may be taught."""

    values: FloatArray
    known: BoolArray


def severity_targets(table: pd.DataFrame) -> Targets:
    """Give each study's distribution over grades 0–3: [studies, 4] and known [studies].

    The soft label where there is one, else all on the grade; unknown where there is neither.
    """
    grades = table["edema_severity"].astype("Float64").to_numpy(np.float64, na_value=np.nan)
    levels = np.arange(SEVERITY_LEVELS)
    values = (grades[:, None] == levels).astype(np.float32)
    if set(SEVERITY_PROBABILITY_COLUMNS) <= set(table.columns):
        soft = table[list(SEVERITY_PROBABILITY_COLUMNS)].to_numpy(np.float32, na_value=np.nan)
        has_soft = np.isfinite(soft).all(axis=1) & (soft.sum(axis=1) > 0)
        values[has_soft] = soft[has_soft] / soft[has_soft].sum(axis=1, keepdims=True)
    return Targets(values, values.sum(axis=1) > 0)


def finding_targets(
    table: pd.DataFrame, findings: Sequence[str], *, uncertain: UncertainPolicy
) -> Targets:
    """Give each study's target per finding: [studies, findings], 0 to 1, and known alike.

    Present and absent are 1 and 0, whatever probability stands beside them is used instead
    where there is one. `uncertain` says what −1 teaches (see `DataSettings`). Not mentioned is
    not known, and not absent.
    """
    columns = [_finding_column(table, finding, uncertain) for finding in findings]
    values = np.stack(columns, axis=1) if columns else np.zeros((len(table), 0), np.float32)
    known = np.isfinite(values)
    return Targets(np.where(known, values, 0).astype(np.float32), known)


def _finding_column(table: pd.DataFrame, finding: str, uncertain: UncertainPolicy) -> FloatArray:
    missing = pd.Series(np.nan, index=table.index)
    codes = table.get(finding, missing).astype("Float64").to_numpy(np.float32, na_value=np.nan)
    soft = table.get(probability_column(finding), missing).to_numpy(np.float32, na_value=np.nan)
    is_uncertain = codes == LabelCode.UNCERTAIN
    values = np.where(np.isfinite(soft) & np.isfinite(codes), soft, codes)
    policy = {"soft": soft, "ignore": np.nan, "ones": 1.0, "zeros": 0.0}[uncertain]
    return np.where(is_uncertain, policy, values).astype(np.float32)
