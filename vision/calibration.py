"""Calibration from a small trusted set: at most four numbers for severity, two per finding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, field_validator
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax, logit, softmax

from configs.settings import Settings
from data_cards.findings import SEVERITY_LEVELS

Values = NDArray[np.float64]
SMALLEST_PROBABILITY = 1e-6
# Bounds in logits keep a separable or one-sided set from running off to infinity.
SLOPE_LOG_BOUNDS = (-4.0, 4.0)
CUT_BOUNDS = (-60.0, 60.0)
GAP_LOG_BOUNDS = (-5.0, 4.0)


class CalibrationError(ValueError):
    """Trusted targets that calibration cannot be fitted to."""


class SeverityCalibration(Settings):
    """Cumulative-link recalibration of a severity distribution through its expected grade.

    P(y > k) = sigmoid(slope × (E[y] − cuts[k])), with a positive slope and rising cuts: it
    moves thresholds and confidence, and never the order of two images' expected grades.
    """

    slope: float = Field(gt=0)
    cuts: tuple[float, float, float]

    @field_validator("cuts")
    @classmethod
    def _check_order(cls, cuts: tuple[float, float, float]) -> tuple[float, float, float]:
        if not cuts[0] < cuts[1] < cuts[2]:
            raise ValueError(f"the cuts {cuts} don't rise")
        return cuts

    def apply(self, probabilities: ArrayLike) -> Values:
        """Recalibrate probabilities [n, 4]; rows of the result [n, 4] sum to one."""
        expected = _expected_grades(probabilities)
        return _level_probabilities(self.slope * (expected[:, None] - np.array(self.cuts)))


class SeverityTemperature(Settings):
    """Temperature scaling of a severity distribution: p_k^(1/T), made to sum to one.

    The most probable level stays (Guo et al. 2017).
    """

    temperature: float = Field(gt=0)

    def apply(self, probabilities: ArrayLike) -> Values:
        """Recalibrate probabilities [n, 4]; rows of the result [n, 4] sum to one."""
        return np.asarray(softmax(log_probabilities(probabilities) / self.temperature, axis=1))


GradeCalibration = SeverityCalibration | SeverityTemperature
"""Either way to recalibrate a severity distribution; in JSON they differ in their keys."""


class FindingCalibration(Settings):
    """Platt scaling of one finding: sigmoid(slope × logit(p) + intercept), slope positive.

    With an intercept of 0 it is temperature scaling, T = 1 / slope.
    """

    slope: float = Field(gt=0)
    intercept: float

    def apply(self, probabilities: ArrayLike) -> Values:
        """Recalibrate probabilities [n]."""
        return np.asarray(expit(self.slope * _logits(probabilities) + self.intercept))


def fit_severity_calibration(
    probabilities: ArrayLike,
    targets: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    prior_images: float = 0.0,
) -> SeverityCalibration:
    """Fit slope and cuts to trusted targets by weighted maximum likelihood.

    probabilities: [n, 4]. targets: levels [n] (0 to 3) or distributions [n, 4]. weights: [n];
    use them when the trusted set was not drawn at random. prior_images: the fit behaves as if
    so many more images had shown just what the model says of these, which holds a fit to a
    few images near the model. The result depends on nothing else.
    Raises CalibrationError when there are no rows or shapes don't fit.
    """
    given = _check_probabilities(probabilities)
    expected = _expected_grades(given)
    wanted = _weigh_targets(given, targets, weights, prior_images)

    def loss(values: Values) -> float:
        slope, cuts = _slope_and_cuts(values)
        fitted = _level_probabilities(slope * expected[:, None] - cuts)
        return float(-(wanted * np.log(np.maximum(fitted, 1e-12))).sum())

    start = np.array([np.log(3.0), 1.5, np.log(3.0), np.log(3.0)])
    bounds = [SLOPE_LOG_BOUNDS, CUT_BOUNDS, GAP_LOG_BOUNDS, GAP_LOG_BOUNDS]
    slope, cuts = _slope_and_cuts(_minimise(loss, start, bounds))
    low, middle, high = (float(cut) for cut in cuts / slope)
    return SeverityCalibration(slope=float(slope), cuts=(low, middle, high))


def fit_severity_temperature(
    probabilities: ArrayLike,
    targets: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    prior_images: float = 0.0,
) -> SeverityTemperature:
    """Fit one temperature for all levels; arguments and errors of `fit_severity_calibration`."""
    given = _check_probabilities(probabilities)
    wanted = _weigh_targets(given, targets, weights, prior_images)
    logits = log_probabilities(given)

    def loss(log_temperature: float) -> float:
        return float(-(wanted * log_softmax(logits / np.exp(log_temperature), axis=1)).sum())

    found = minimize_scalar(loss, bounds=SLOPE_LOG_BOUNDS, options={"xatol": 1e-8})
    # The search may stop short of T = 1 by its tolerance; it must never lose to no change.
    best = float(found.x) if loss(float(found.x)) < loss(0.0) else 0.0
    return SeverityTemperature(temperature=float(np.exp(best)))


def fit_finding_calibration(
    probabilities: ArrayLike,
    targets: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    prior_images: float = 0.0,
    fit_intercept: bool = True,
) -> FindingCalibration:
    """Fit Platt scaling to trusted targets [n] in {0, 1} for one finding.

    Targets are drawn in from 0 and 1 as Platt 1999 does, so that a separable set stays finite.
    prior_images: see `fit_severity_calibration`. Without an intercept it is one temperature.
    Raises CalibrationError when positives or negatives are missing.
    """
    logits, labels = _logits(probabilities), np.asarray(targets, np.float64)
    positives, negatives = (labels == 1).sum(), (labels == 0).sum()
    if not positives or not negatives or positives + negatives != logits.size:
        raise CalibrationError(
            f"{positives} positive and {negatives} negative targets for {logits.size} "
            "predictions; expected at least one of each and no others"
        )
    weight = np.ones(len(logits)) if weights is None else np.asarray(weights, np.float64)
    weight = weight / weight.mean()
    prior = prior_images / len(logits)
    drawn_in = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    wanted = weight * drawn_in + prior * expit(logits)

    def loss(values: Values) -> float:
        fitted = np.exp(values[0]) * logits + (values[1] if fit_intercept else 0.0)
        losses = (weight + prior) * np.logaddexp(0.0, fitted) - wanted * fitted
        return float(losses.mean())

    log_slope, intercept = _minimise(loss, np.zeros(2), [SLOPE_LOG_BOUNDS, CUT_BOUNDS])
    return FindingCalibration(
        slope=float(np.exp(log_slope)), intercept=float(intercept) if fit_intercept else 0.0
    )


def log_probabilities(probabilities: ArrayLike) -> Values:
    """Give the logarithms of probabilities, none below log 1e-6."""
    values = np.asarray(probabilities, np.float64)
    return np.asarray(np.log(np.maximum(values, SMALLEST_PROBABILITY)))


def as_distributions(targets: ArrayLike) -> Values:
    """Turn levels [n] or distributions [n, 4] into [n, 4]; raises CalibrationError for others."""
    values = np.asarray(targets)
    if values.ndim == 2 and values.shape[1] == SEVERITY_LEVELS:
        return values.astype(np.float64)
    if values.ndim != 1 or not np.isin(values, np.arange(SEVERITY_LEVELS)).all():
        raise CalibrationError("targets must be levels 0 to 3 [n] or distributions [n, 4]")
    distributions: Values = np.eye(SEVERITY_LEVELS)[values.astype(int)]
    return distributions


def _weigh_targets(
    given: Values, targets: ArrayLike, weights: ArrayLike | None, prior_images: float
) -> Values:
    """Give targets [n, 4] times their weight, the prior's images among them; they sum to one."""
    wanted = as_distributions(targets)
    weight = np.ones(len(given)) if weights is None else np.asarray(weights, np.float64)
    if not len(given) or len(wanted) != len(given) or weight.shape != (len(given),):
        raise CalibrationError(
            f"{len(given)} predictions, {len(wanted)} targets and {weight.size} weights; "
            "expected the same number of each, at least one"
        )
    if not (np.isfinite(wanted).all() and np.isfinite(given).all() and weight.sum() > 0):
        raise CalibrationError("predictions and targets must be finite and some weight positive")
    weight = weight / weight.mean()
    together = weight[:, None] * wanted + prior_images / len(given) * given
    return np.asarray(together / together.sum())


def _minimise(loss: Any, start: Values, bounds: list[tuple[float, float]]) -> Values:
    found = minimize(loss, start, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12})
    return np.asarray(found.x, np.float64)


def _slope_and_cuts(values: Values) -> tuple[float, Values]:
    gaps = np.exp(values[2:])
    cuts = values[1] + np.concatenate([[0.0], np.cumsum(gaps)])
    return float(np.exp(values[0])), cuts


def _level_probabilities(cumulative_logits: Values) -> Values:
    beyond = expit(cumulative_logits)
    edge = np.ones((len(beyond), 1))
    padded = np.concatenate([edge, beyond, 0.0 * edge], axis=1)
    return np.asarray(padded[:, :-1] - padded[:, 1:])


def _check_probabilities(probabilities: ArrayLike) -> Values:
    values = np.asarray(probabilities, np.float64)
    if values.ndim != 2 or values.shape[1] != SEVERITY_LEVELS:
        raise CalibrationError(f"probabilities of shape {values.shape}; expected [n, 4]")
    return values


def _expected_grades(probabilities: ArrayLike) -> Values:
    return np.asarray(_check_probabilities(probabilities) @ np.arange(SEVERITY_LEVELS))


def _logits(probabilities: ArrayLike) -> Values:
    values = np.asarray(probabilities, np.float64)
    return np.asarray(logit(np.clip(values, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)))
