"""The checks that every label table passes, each naming file, row, column and value."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

SUM_TOLERANCE = 1e-3


class LabelTableError(ValueError):
    """A label table that breaks its schema; the message names file, row, column and value."""


def check_values(
    frame: pd.DataFrame, column: str, path: Path, allowed: Sequence[int | str]
) -> None:
    """Refuse a value that is neither allowed nor null; a column that is not there is well."""
    if column not in frame:
        return
    wrong = (frame[column].notna() & ~frame[column].isin(allowed)).to_numpy(bool)
    if wrong.any():
        row = int(wrong.argmax())
        raise LabelTableError(
            f"{path}, row {row + 1}, {column}: {frame[column].iloc[row]} is not a label code"
            f" (expected one of {allowed} or nothing)"
        )


def check_probabilities(frame: pd.DataFrame, column: str, path: Path) -> None:
    """Refuse a number outside of 0 to 1; null and a column that is not there are well."""
    if column not in frame:
        return
    values = frame[column].to_numpy(float, na_value=np.nan)
    wrong = (values < 0) | (values > 1)
    if wrong.any():
        row = int(wrong.argmax())
        raise LabelTableError(
            f"{path}, row {row + 1}, {column}: {values[row]:g} is no probability"
            " (expected 0 to 1 or nothing)"
        )


def check_sums(frame: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    """Refuse a row in which the severity probabilities do not sum to 1, unless all are null."""
    levels = frame[list(columns)].to_numpy(float, na_value=np.nan)
    total = levels.sum(axis=1)
    # A sum with a null in it is NaN, and so not close to 1.
    wrong = ~np.isclose(total, 1, rtol=0, atol=SUM_TOLERANCE) & ~np.isnan(levels).all(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise LabelTableError(
            f"{path}, row {row + 1}, edema_p0 to edema_p3: sum to {total[row]:g}"
            " (expected 1, or nothing in all four)"
        )


def check_evidence(column: pa.ChunkedArray, path: Path) -> None:
    """Refuse character offsets that begin below 0 or after their end."""
    if pa.types.is_null(column.type):  # a table in which no study has any
        return
    mentions = column.combine_chunks().flatten() if column.num_chunks else None
    for first, last in (("start", "end"), ("cue_start", "cue_end")):
        if not mentions:
            return
        begin, end = mentions.field(first), mentions.field(last)
        wrong = pc.or_(pc.less(begin, 0), pc.greater(begin, end))
        if pc.any(wrong).as_py():
            raise LabelTableError(
                f"{path}, evidence: {pc.sum(wrong)} spans {first}–{last} begin below 0 or after"
                " their end"
            )
