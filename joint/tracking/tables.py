"""The tables of a mirrored evaluation: confusion, cumulative ROC and reliability, as counts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from data_cards.findings import SEVERITY_LEVELS
from joint.predictions import CALIBRATED, report_columns
from joint.tracking.wandb_run import NumberTable
from vision.figures import FEWEST_IN_BIN, RELIABILITY_BINS
from vision.metrics import THRESHOLD_NAMES, confusion, exceedance, predict_levels

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ROC_POINTS = 51
"""Points of a mirrored ROC curve: evenly spaced, so that it does not tell single images apart."""

CONFUSION = ("reference", "graded", "images")
ROC = ("threshold", "false_positive_rate", "true_positive_rate")
RELIABILITY = ("threshold", "stated", "observed", "images")


def tabulate_curves(
    predictions: pd.DataFrame, reference: pd.Series | None
) -> dict[str, NumberTable]:
    """Give `<report|reference>/<confusion|roc|reliability>` of the test images with a grade.

    Columns as `evaluate_predictions` holds them against each. A reference without a graded test
    image has no table, and a threshold without both sides no curve.
    """
    test = predictions[predictions["split"] == "test"]
    graded: dict[str, tuple[pd.Series, tuple[str, ...]]] = {
        "report": (test["report_severity"], report_columns(test)[1])
    }
    if reference is not None:
        graded["reference"] = (test["study_id"].map(reference), CALIBRATED)
    tables: dict[str, NumberTable] = {}
    for name, (grades, columns) in graded.items():
        known = grades.notna().to_numpy()
        if known.any():
            levels = grades[known].to_numpy(np.int64)
            made = _tabulate(test.loc[known, list(columns)].to_numpy(np.float64), levels)
            tables |= {f"{name}/{kind}": table for kind, table in made.items()}
    return tables


def _tabulate(probabilities: FloatArray, levels: IntArray) -> Mapping[str, NumberTable]:
    counts = confusion(levels, predict_levels(probabilities))
    grades = range(SEVERITY_LEVELS)
    cells = [(str(i), str(j), float(counts[i, j])) for i in grades for j in grades]
    above = exceedance(probabilities)
    roc: list[tuple[str | float, ...]] = []
    reliability: list[tuple[str | float, ...]] = []
    for k, threshold in enumerate(THRESHOLD_NAMES):
        is_above = levels > k
        if is_above.any() and not is_above.all():
            roc += [(threshold, *point) for point in _thin_roc(above[:, k], is_above)]
        reliability += [(threshold, *point) for point in _bin(above[:, k], is_above)]
    return {
        "confusion": NumberTable(CONFUSION, list(cells)),
        "roc": NumberTable(ROC, roc),
        "reliability": NumberTable(RELIABILITY, reliability),
    }


def _thin_roc(stated: FloatArray, is_above: NDArray[np.bool_]) -> list[tuple[float, float]]:
    false_rate, true_rate, _ = roc_curve(is_above, stated)
    # The highest sensitivity at each false positive rate, as the curve's steps have it.
    at = np.linspace(0, 1, ROC_POINTS)
    last = np.searchsorted(false_rate, at, side="right") - 1
    return [(float(x), float(true_rate[row])) for x, row in zip(at, last, strict=True)]


def _bin(stated: FloatArray, is_above: NDArray[np.bool_]) -> list[tuple[float, float, float]]:
    bins = np.minimum((stated * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    points = []
    for number in range(RELIABILITY_BINS):
        inside = bins == number
        if inside.sum() >= FEWEST_IN_BIN:
            share = float(is_above[inside].mean())
            points.append((float(stated[inside].mean()), share, float(inside.sum())))
    return points
