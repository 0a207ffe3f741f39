"""How good the probabilities of findings are, where a label says what is there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from vision.metrics import MetricsError, check_weights, defined
from vision.weighted_metrics import (
    BoolArray,
    FloatArray,
    ratio,
    weighted_auc,
    weighted_average_precision,
    weighted_calibration_error,
    weighted_equal_mass_error,
    weighted_sensitivity_at,
)

OPERATING_RATE = 0.95
"""The specificity at which a sensitivity is given, and the other way round."""

FINDING_LABELS = {
    "auc": "AUROC",
    "average_precision": "AP",
    "f1": "F1",
    "sensitivity_at_specificity": f"Sensitivity at {OPERATING_RATE:.0%} specificity",
    "specificity_at_sensitivity": f"Specificity at {OPERATING_RATE:.0%} sensitivity",
    "ece": "ECE",
    "ece_equal_mass": "ECE equal mass",
    "brier": "Brier",
}
"""The metrics of a finding in the order in which they are printed, with their short names."""


def finding_metrics(
    probabilities: ArrayLike,
    labels: ArrayLike,
    names: Sequence[str],
    *,
    weights: ArrayLike | None = None,
) -> dict[str, dict[str, float | None]]:
    """Compare the probability of each finding with its labels, where there is a label.

    probabilities: [n, k]; labels: [n, k] of 1, 0 or NaN (no label: left out); names: k.
    Per finding the metrics of FINDING_LABELS, `n` labelled and `positives`; None where the
    labels do not define one. AP is Σ (R_i - R_{i-1}) P_i; F1 is of "probability at least ½";
    `ece` compares the probability of presence with its frequency, 15 bins; `brier` is the mean
    of (p - t)², 0 to 1. Raises MetricsError for shapes or labels that do not fit.
    """
    p, t = check_findings(probabilities, labels, names)
    w = np.ones(len(p)) if weights is None else check_weights(weights, len(p))
    metrics = {}
    for column, name in enumerate(names):
        known = ~np.isnan(t[:, column])
        positive = t[known, column] > 0
        values = weighted_finding_metrics(p[known, column], positive, w[None, known])
        metrics[name] = {metric: defined(value[0]) for metric, value in values.items()}
        metrics[name] |= {"n": len(positive), "positives": int(positive.sum())}
    return metrics


def weighted_finding_metrics(
    scores: FloatArray, positive: BoolArray, weights: FloatArray
) -> dict[str, FloatArray]:
    """Give the metrics of one finding under each weighting; nothing is checked here.

    scores, positive: [n]; weights: [b, n]; each value: [b], NaN where undefined.
    """
    called = scores >= 0.5
    hits = weights @ (called & positive)
    misses = weights @ (called != positive)
    some = np.where(weights @ positive > 0, 1.0, np.nan)
    return {
        "auc": weighted_auc(scores, positive, weights),
        "average_precision": weighted_average_precision(scores, positive, weights),
        "f1": ratio(2 * hits, 2 * hits + misses) * some,
        "sensitivity_at_specificity": weighted_sensitivity_at(
            scores, positive, weights, specificity=OPERATING_RATE
        ),
        "specificity_at_sensitivity": weighted_sensitivity_at(
            -scores, ~positive, weights, specificity=OPERATING_RATE
        ),
        "ece": weighted_calibration_error(scores, positive, weights),
        "ece_equal_mass": weighted_equal_mass_error(scores, positive, weights),
        "brier": ratio(weights @ (scores - positive) ** 2, weights.sum(axis=1)),
    }


def check_findings(
    probabilities: ArrayLike, labels: ArrayLike, names: Sequence[str]
) -> tuple[FloatArray, FloatArray]:
    """Return both as arrays [n, k]; raise MetricsError for shapes or labels that do not fit."""
    p, t = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if p.ndim != 2 or p.shape != t.shape or p.shape[1] != len(names):
        raise MetricsError(
            f"findings: probabilities {p.shape} and labels {t.shape}; expected both"
            f" [images, {len(names)}]"
        )
    if not np.isin(t[~np.isnan(t)], (0.0, 1.0)).all():
        raise MetricsError("findings: labels other than 1, 0 and NaN; map uncertain ones first")
    if not ((p >= 0) & (p <= 1)).all():
        raise MetricsError("findings: a probability is not a number from 0 to 1")
    return p, t
