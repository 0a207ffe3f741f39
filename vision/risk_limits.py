"""Grading only what is sure enough: a confidence above which few grades are wrong, with a bound."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field
from scipy.special import betaincinv

from configs.settings import Settings
from vision.metrics import MetricsError, check_severity, predict_levels
from vision.weighted_metrics import FloatArray, IntArray


class RiskThreshold(Settings):
    """Grades with at least `least_confidence` are wrong in at most `target_risk` of images.

    That holds with probability 1 - delta over the draw of the `images` it was set on: `bound`
    is the upper limit found, `observed_risk` the share wrong and `coverage` the share graded
    among those images. The confidence is the probability of the most probable grade. `tolerance`
    is by how many grades a grade may be off without counting as wrong.
    """

    target_risk: float = Field(gt=0, lt=1)
    delta: float = Field(gt=0, lt=1)
    tolerance: int = Field(ge=0, le=2)
    least_confidence: float
    observed_risk: float
    bound: float
    coverage: float
    images: int

    def reason_for(self, probabilities: ArrayLike) -> str | None:
        """Why not to trust the grade of one image (probabilities [4]); None to trust it."""
        confidence = float(np.max(probabilities))
        if confidence >= self.least_confidence:
            return None
        return (
            f"low confidence ({confidence:.2f}; from {self.least_confidence:.2f} on at most "
            f"{self.target_risk:.0%} of grades are wrong)"
        )


def select_risk_threshold(
    probabilities: ArrayLike,
    levels: ArrayLike,
    *,
    target_risk: float,
    delta: float = 0.05,
    tolerance: int = 0,
) -> RiskThreshold:
    """Find the lowest confidence at which the share of wrong grades stays under a target.

    probabilities: [n, 4], calibrated; levels: [n]; one image per patient
    (`draw_one_per_patient`). Selection with guaranteed risk (Geifman and El-Yaniv 2017): a
    binary search over ⌈log2 n⌉ + 1 candidate thresholds, each held to Clopper and Pearson's
    upper limit at delta divided by their number. Raises MetricsError, with the best limit
    reached, when no threshold keeps the promise on so few images.
    """
    p, y = check_severity(probabilities, levels)
    thresholds, graded, errors = _count_errors(p, y, tolerance)
    each = delta / (np.ceil(np.log2(max(2, len(thresholds)))) + 1)
    best, lowest = None, 1.0
    low, high = 0, len(thresholds) - 1
    while low <= high:
        middle = (low + high) // 2
        bound = upper_risk_limit(int(errors[middle]), int(graded[middle]), each)
        lowest = min(lowest, bound)
        if bound <= target_risk:
            best, low = (middle, bound), middle + 1
        else:
            high = middle - 1
    if best is None:
        raise MetricsError(
            f"no confidence keeps the share of wrong grades under {target_risk:.0%}: the limit "
            f"reached on {len(y)} images is {lowest:.0%}; use more images or a larger risk"
        )
    chosen, bound = best
    return RiskThreshold(
        target_risk=target_risk,
        delta=delta,
        tolerance=tolerance,
        least_confidence=float(thresholds[chosen]),
        observed_risk=float(errors[chosen] / graded[chosen]),
        bound=bound,
        coverage=float(graded[chosen] / len(y)),
        images=len(y),
    )


def upper_risk_limit(errors: int, images: int, delta: float) -> float:
    """Give the largest risk that shows this few errors with probability delta.

    Clopper and Pearson 1934, one-sided; 1 where everything is wrong or nothing is seen.
    """
    return 1.0 if errors >= images else float(betaincinv(errors + 1, images - errors, 1 - delta))


def risk_coverage_curve(
    probabilities: ArrayLike, levels: ArrayLike, *, tolerance: int = 0
) -> dict[str, FloatArray]:
    """Give the share of wrong grades among the most confident images, by the share graded.

    Returns `coverage`, `risk` and `confidence`, one value per distinct confidence, the highest
    first (El-Yaniv and Wiener 2010).
    """
    p, y = check_severity(probabilities, levels)
    thresholds, graded, errors = _count_errors(p, y, tolerance)
    return {
        "coverage": graded / max(1, len(y)),
        "risk": errors / graded,
        "confidence": thresholds,
    }


def _count_errors(
    probabilities: FloatArray, levels: IntArray, tolerance: int
) -> tuple[FloatArray, IntArray, IntArray]:
    """Give the distinct confidences, highest first, and how many images and errors reach each."""
    confidence = probabilities.max(axis=1)
    wrong = np.abs(predict_levels(probabilities) - levels) > tolerance
    order = np.argsort(-confidence, kind="stable")
    last = np.flatnonzero(np.diff(confidence[order], append=-1.0))
    return confidence[order][last], last + 1, np.cumsum(wrong[order])[last]
