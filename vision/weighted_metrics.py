"""Metrics of scores against yes or no, each for many weightings of the same images at a time.

A weighting is one non-negative number per image. A bootstrap resample is a weighting by whole
numbers, so the intervals in `vision/intervals.py` come from the code that gives the values.
Every function takes weights [b, n] and returns [b], NaN where a weighting leaves it undefined.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

CALIBRATION_BINS = 15
ROUNDING = 1e-9
"""Rates this close count as equal: sums of the same weights in another order differ by less."""


def weighted_auc(scores: FloatArray, positive: BoolArray, weights: FloatArray) -> FloatArray:
    """Give the area under the ROC curve, ties counted half.

    AUC = Σ w_i w_j ([s_i > s_j] + ½ [s_i = s_j]) / (Σ w_i Σ w_j), i positive and j negative
    (the Mann-Whitney statistic; Hanley and McNeil 1982). scores, positive: [n].
    """
    above, below = _sum_ties(scores, positive, weights)
    beaten = np.cumsum(below, axis=1) - 0.5 * below
    return ratio((above * beaten).sum(axis=1), above.sum(axis=1) * below.sum(axis=1))


def weighted_average_precision(
    scores: FloatArray, positive: BoolArray, weights: FloatArray
) -> FloatArray:
    """Give Σ (R_i - R_{i-1}) P_i over falling thresholds, without interpolation.

    scores, positive: [n]. Equal scores are one threshold. NaN without a positive.
    """
    hits, false_alarms = (part[:, ::-1] for part in _sum_ties(scores, positive, weights))
    found = hits.cumsum(axis=1)
    called = found + false_alarms.cumsum(axis=1)
    precision = np.divide(found, called, out=np.zeros_like(found), where=called > 0)
    return ratio((hits * precision).sum(axis=1), hits.sum(axis=1))


def weighted_sensitivity_at(
    scores: FloatArray, positive: BoolArray, weights: FloatArray, *, specificity: float
) -> FloatArray:
    """Give the largest sensitivity of any threshold with at least this specificity.

    "Positive" is a score at or above the threshold; the threshold above every score counts,
    so that the value is 0, not undefined, where no other will do. scores, positive: [n]. The
    specificity at a sensitivity is the same of the negated scores and labels.
    """
    hits, false_alarms = (part[:, ::-1] for part in _sum_ties(scores, positive, weights))
    wrong = ratio(false_alarms.cumsum(axis=1), false_alarms.sum(axis=1)[:, None])
    found = ratio(hits.cumsum(axis=1), hits.sum(axis=1)[:, None])
    allowed = wrong <= 1 - specificity + ROUNDING
    best = np.where(allowed, found, 0.0).max(axis=1, initial=0.0)
    defined = (hits.sum(axis=1) > 0) & (false_alarms.sum(axis=1) > 0)
    return np.where(defined, best, np.nan)


def weighted_calibration_error(
    confidence: FloatArray, correct: BoolArray, weights: FloatArray
) -> FloatArray:
    """Give the expected calibration error in 15 bins of equal width.

    Σ_bins share · |share correct - mean confidence|; bins are (m-1, m] / 15, as Guo et al.
    2017 have them. confidence, correct: [n].
    """
    bins = np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, None)
    gaps = np.zeros((len(confidence), CALIBRATION_BINS))
    gaps[np.arange(len(confidence)), np.minimum(bins, CALIBRATION_BINS - 1)] = correct - confidence
    return ratio(np.abs(weights @ gaps).sum(axis=1), weights.sum(axis=1))


def weighted_equal_mass_error(
    confidence: FloatArray, correct: BoolArray, weights: FloatArray
) -> FloatArray:
    """Give the expected calibration error in 15 bins of equal weight (Nixon et al. 2019).

    Images sorted by confidence go into the bin in which the middle of their weight lies;
    equal confidences share a bin. confidence, correct: [n].
    """
    if not len(confidence):
        return np.full(len(weights), np.nan)
    order, starts = _sort_ties(confidence)
    w = weights[:, order]
    mass = np.add.reduceat(w, starts, axis=1)
    gap = np.add.reduceat(w * (correct[order] - confidence[order]), starts, axis=1)
    total = mass.sum(axis=1)
    middle = ratio(mass.cumsum(axis=1) - 0.5 * mass, total[:, None])
    bins = np.minimum(np.nan_to_num(middle) * CALIBRATION_BINS, CALIBRATION_BINS - 1)
    rows = np.arange(len(weights))[:, None] * CALIBRATION_BINS
    sums = np.bincount(
        (rows + bins.astype(np.int64)).ravel(), gap.ravel(), len(weights) * CALIBRATION_BINS
    )
    return ratio(np.abs(sums.reshape(len(weights), -1)).sum(axis=1), total)


def weighted_risk_coverage_area(
    confidence: FloatArray, losses: FloatArray, weights: FloatArray
) -> FloatArray:
    """Give the area under the risk-coverage curve (AURC; Geifman et al. 2019).

    The mean, over i = 1 … n, of the mean loss of the i most confident images; a weight says
    how often an image is there. Images of equal confidence count as drawn in random order:
    the expectation has a closed form in harmonic numbers. confidence, losses: [n].
    """
    if not len(confidence):
        return np.full(len(weights), np.nan)
    order, starts = _sort_ties(-confidence)
    w = weights[:, order]
    mass = np.add.reduceat(w, starts, axis=1)
    loss = np.add.reduceat(w * losses[order], starts, axis=1)
    mass_to, loss_to = mass.cumsum(axis=1), loss.cumsum(axis=1)
    mass_from, loss_from = mass_to - mass, loss_to - loss
    slope = np.divide(loss, mass, out=np.zeros_like(loss), where=mass > 0)
    steps = digamma(mass_to + 1) - digamma(mass_from + 1)
    areas = loss + (loss_from - slope * mass_from) * steps
    return ratio(areas.sum(axis=1), mass_to[:, -1])


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide; NaN where the denominator is not positive."""
    shape = np.broadcast_shapes(np.shape(numerator), np.shape(denominator))
    result = np.full(shape, np.nan)
    np.divide(numerator, denominator, out=result, where=np.broadcast_to(denominator > 0, shape))
    return result


def _sort_ties(values: FloatArray) -> tuple[IntArray, IntArray]:
    """Give the order that sorts values, and where each run of equal ones starts in it."""
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    return order, starts


def _sum_ties(
    scores: FloatArray, positive: BoolArray, weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Give the weight of positives and of negatives at each distinct score, rising: [b, m]."""
    if not len(scores):
        return np.zeros((len(weights), 0)), np.zeros((len(weights), 0))
    order, starts = _sort_ties(scores)
    weights, positive = weights[:, order], positive[order]
    return (
        np.add.reduceat(weights * positive, starts, axis=1),
        np.add.reduceat(weights * ~positive, starts, axis=1),
    )
