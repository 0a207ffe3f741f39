"""How good graded severities are: every metric with its formula and its source."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from data_cards.findings import SEVERITY_LEVELS
from vision.weighted_metrics import (
    FloatArray,
    IntArray,
    ratio,
    weighted_auc,
    weighted_calibration_error,
    weighted_equal_mass_error,
    weighted_risk_coverage_area,
)

THRESHOLD_NAMES = ("0v123", "01v23", "012v3")
"""The three cumulative questions of Chauhan et al. 2020: is the grade above 0, 1, 2?"""

PAIRS = tuple(combinations(range(SEVERITY_LEVELS), 2))

METRIC_LABELS = {
    **{f"auc_{name}": f"AUC {name}" for name in THRESHOLD_NAMES},
    **{f"auc_{low}v{high}": f"AUC {low}v{high}" for low, high in PAIRS},
    "accuracy": "Accuracy",
    "macro_f1": "Macro-F1",
    "quadratic_kappa": "Quadratic κ",
    "over_call": "Over-call",
    "under_call": "Under-call",
    "mean_absolute_error": "MAE of E[y]",
    "ece": "ECE",
    "ece_equal_mass": "ECE equal mass",
    "ece_cumulative": "ECE cumulative",
    "brier": "Brier",
    "ranked_probability_score": "RPS",
    "aurc": "AURC",
}
"""The severity metrics in the order in which they are printed, with their short names."""

LOWER_IS_BETTER = frozenset(
    {
        "over_call",
        "under_call",
        "mean_absolute_error",
        "ece",
        "ece_equal_mass",
        "ece_cumulative",
        "brier",
        "ranked_probability_score",
        "aurc",
    }
)


class MetricsError(ValueError):
    """Predictions and references that cannot be compared; the message names both shapes."""


def severity_metrics(
    probabilities: ArrayLike, levels: ArrayLike, *, weights: ArrayLike | None = None
) -> dict[str, float | None]:
    """Compare graded severities with reference grades; keys are those of METRIC_LABELS.

    probabilities: [n, 4], rows sum to one; levels: [n], 0 to 3; weights: [n], none negative.
    A metric that the sample does not define (an AUC without one of its sides, anything of no
    images) is None. Raises MetricsError for shapes or values that do not fit.

    - `auc_0v123`, `auc_01v23`, `auc_012v3`: AUC of P(y > k) for "is the grade above k"
      (Chauhan et al. 2020); `auc_1v3` and the like: AUC of p_b / (p_a + p_b) on the images of
      the two grades alone (Horng et al. 2021).
    - `accuracy`, `macro_f1`, `over_call`, `under_call` of the most probable grade; macro-F1 is
      the mean F1 over the grades that occur in the reference.
    - `quadratic_kappa`: 1 - Σ w o / Σ w e with w = (i - j)², e the product of the margins
      (Cohen 1968).
    - `mean_absolute_error`: mean |E[y] - y|, E[y] = Σ k p_k.
    - `ece`: Σ_bins share · |accuracy - confidence| of the most probable grade, 15 bins of equal
      width (Guo et al. 2017); `ece_equal_mass`: the same in bins of equally many images (Nixon
      et al. 2019); `ece_cumulative`: in bins of equal width for P(y > k) against y > k, mean
      of the three thresholds.
    - `brier`: mean Σ_k (p_k - [y = k])², 0 to 2 (Brier 1950).
    - `ranked_probability_score`: mean Σ_k (P(y > k) - [y > k])² / 3, 0 to 1 (Epstein 1969).
    - `aurc`: mean share of wrong grades among the i most confident images, over all i
      (Geifman et al. 2019); 0 is best, and a random order gives 1 - accuracy.
    """
    p, y = check_severity(probabilities, levels)
    w = np.ones((1, len(y))) if weights is None else check_weights(weights, len(y))[None]
    values = weighted_severity_metrics(p, y, w)
    return {name: defined(value[0]) for name, value in values.items()}


def weighted_severity_metrics(
    probabilities: FloatArray, levels: IntArray, weights: FloatArray
) -> dict[str, FloatArray]:
    """Give every severity metric under each of `b` weightings of the same images.

    probabilities: [n, 4]; levels: [n]; weights: [b, n]; each value: [b], NaN where undefined.
    Nothing is checked here (`check_severity` does).
    """
    above = exceedance(probabilities)
    truth = levels[:, None] > np.arange(SEVERITY_LEVELS - 1)
    values: dict[str, FloatArray] = {}
    for k, name in enumerate(THRESHOLD_NAMES):
        values[f"auc_{name}"] = weighted_auc(above[:, k], truth[:, k], weights)
    for low, high in PAIRS:
        pair = np.flatnonzero((levels == low) | (levels == high))
        both = probabilities[pair, low] + probabilities[pair, high]
        share = np.full(len(pair), 0.5)
        np.divide(probabilities[pair, high], both, out=share, where=both > 0)
        values[f"auc_{low}v{high}"] = weighted_auc(share, levels[pair] == high, weights[:, pair])
    values |= _agreement(predict_levels(probabilities), levels, weights)
    total = weights.sum(axis=1)
    expected = probabilities @ np.arange(SEVERITY_LEVELS)
    hits = levels[:, None] == np.arange(SEVERITY_LEVELS)
    per_image = {
        "mean_absolute_error": np.abs(expected - levels),
        "brier": ((probabilities - hits) ** 2).sum(axis=1),
        "ranked_probability_score": ((above - truth) ** 2).mean(axis=1),
    }
    values |= {name: ratio(weights @ value, total) for name, value in per_image.items()}
    correct = predict_levels(probabilities) == levels
    confidence = probabilities.max(axis=1)
    values["ece"] = weighted_calibration_error(confidence, correct, weights)
    values["ece_equal_mass"] = weighted_equal_mass_error(confidence, correct, weights)
    values["aurc"] = weighted_risk_coverage_area(confidence, (~correct).astype(float), weights)
    gaps = [weighted_calibration_error(above[:, k], truth[:, k], weights) for k in range(3)]
    values["ece_cumulative"] = np.mean(gaps, axis=0)
    return {name: values[name] for name in METRIC_LABELS}


def predict_levels(probabilities: FloatArray) -> IntArray:
    """Give the most probable grade of each image, the lower one of two equal ones; [n]."""
    return np.asarray(np.argmax(probabilities, axis=1), dtype=np.int64)


def exceedance(probabilities: FloatArray) -> FloatArray:
    """Turn grade probabilities [n, 4] into P(y > k), k = 0, 1, 2: [n, 3]."""
    above = np.cumsum(probabilities[:, ::-1], axis=1)[:, -2::-1]
    return np.clip(above, 0.0, 1.0)


def confusion(
    levels: ArrayLike, predicted: ArrayLike, *, weights: ArrayLike | None = None
) -> FloatArray:
    """Count [4, 4]: row = reference grade, column = predicted grade, weighted where asked."""
    truth, guess = _check_levels(levels), _check_levels(predicted)
    if truth.shape != guess.shape:
        raise MetricsError(f"levels have shape {truth.shape}, predictions {guess.shape}")
    w = np.ones(len(truth)) if weights is None else check_weights(weights, len(truth))
    counts = np.zeros((SEVERITY_LEVELS, SEVERITY_LEVELS))
    np.add.at(counts, (truth, guess), w)
    return counts


def check_severity(probabilities: ArrayLike, levels: ArrayLike) -> tuple[FloatArray, IntArray]:
    """Return both as arrays; raise MetricsError when they are not [n, 4] and [n] of 0 to 3."""
    p, y = np.asarray(probabilities, dtype=np.float64), _check_levels(levels)
    if p.shape != (len(y), SEVERITY_LEVELS):
        raise MetricsError(f"severity: probabilities {p.shape}; expected {(len(y), 4)}")
    if not np.isfinite(p).all() or (p < 0).any() or (np.abs(p.sum(axis=1) - 1) > 1e-3).any():
        raise MetricsError("severity: a row of probabilities is not a distribution over 0 to 3")
    return p, y


def check_weights(weights: ArrayLike, images: int) -> FloatArray:
    """Return weights as an array [images]; raise MetricsError for another shape or a negative."""
    w = np.asarray(weights, dtype=np.float64)
    if w.shape != (images,) or not np.isfinite(w).all() or (w < 0).any():
        raise MetricsError(f"weights have shape {w.shape}; expected {images}, none negative")
    return w


def _agreement(predicted: IntArray, levels: IntArray, weights: FloatArray) -> dict[str, FloatArray]:
    cells = np.zeros((len(levels), SEVERITY_LEVELS**2))
    cells[np.arange(len(levels)), levels * SEVERITY_LEVELS + predicted] = 1.0
    counts = (weights @ cells).reshape(-1, SEVERITY_LEVELS, SEVERITY_LEVELS)
    total = counts.sum(axis=(1, 2))
    actual, guessed = counts.sum(axis=2), counts.sum(axis=1)
    hits = np.diagonal(counts, axis1=1, axis2=2)
    f1 = np.divide(2 * hits, actual + guessed, out=np.zeros_like(hits), where=actual > 0)
    distance = np.subtract.outer(np.arange(SEVERITY_LEVELS), np.arange(SEVERITY_LEVELS)) ** 2
    observed = (counts * distance).sum(axis=(1, 2)) * total
    expected = np.einsum("bi,bj,ij->b", actual, guessed, distance)
    return {
        "accuracy": ratio(hits.sum(axis=1), total),
        "macro_f1": ratio(f1.sum(axis=1), (actual > 0).sum(axis=1).astype(np.float64)),
        "quadratic_kappa": 1 - ratio(observed, expected),
        "over_call": ratio(np.triu(counts, 1).sum(axis=(1, 2)), total),
        "under_call": ratio(np.tril(counts, -1).sum(axis=(1, 2)), total),
    }


def _check_levels(levels: ArrayLike) -> IntArray:
    values = np.asarray(levels)
    if values.ndim != 1 or not np.isin(values, range(SEVERITY_LEVELS)).all():
        raise MetricsError(
            f"severity: expected one grade of 0 to 3 per image, shape {values.shape}"
        )
    return values.astype(np.int64)


def defined(value: float) -> float | None:
    """Turn NaN, which JSON does not have, into None."""
    return None if np.isnan(value) else float(value)
