"""A label table's rows as training targets with masks: what is not known is not taught."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from data_cards.findings import SEVERITY_LEVELS
from data_cards.label_table import SEVERITY_PROBABILITY_COLUMNS, probability_column
from vision.uncertain_labels import FloatArray, Targets, UncertainSettings, teach_codes

UNCERTAIN_STREAM = 0x0C5
"""Keeps what is drawn for uncertain labels apart from other draws of the same seed."""


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
    table: pd.DataFrame, findings: Sequence[str], *, uncertain: UncertainSettings, seed: int
) -> Targets:
    """Give each study's target per finding: [studies, findings], 0 to 1, and known alike.

    `uncertain` says what −1 teaches (`vision/uncertain_labels.py`); `seed` is for what it draws.
    Not mentioned is not known, and not absent.
    """
    shape = (len(findings), len(table))
    codes, probabilities = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
    for row, finding in enumerate(findings):
        codes[row] = _read_column(table, finding)
        probabilities[row] = _read_column(table, probability_column(finding))
    generator = np.random.default_rng((seed, UNCERTAIN_STREAM))
    targets = teach_codes(codes, probabilities, uncertain, generator)
    return Targets(targets.values.T.copy(), targets.known.T.copy())


def _read_column(table: pd.DataFrame, name: str) -> FloatArray:
    column = table.get(name, pd.Series(np.nan, index=table.index))
    values: FloatArray = column.astype("Float64").to_numpy(np.float32, na_value=np.nan)
    return values
