"""Which calibration a trusted set supports: chosen by cross-validation, with none as an option."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from vision.calibration import (
    CalibrationError,
    FindingCalibration,
    SeverityCalibration,
    SeverityTemperature,
    Values,
    as_distributions,
    fit_finding_calibration,
    fit_severity_calibration,
    fit_severity_temperature,
    log_probabilities,
)
from vision.intervals import number_patients

FOLDS = 5
PRIOR_IMAGES = 5.0
"""How many images' worth of trust the model's own probabilities get while calibration is fitted."""

NONE = "none"

C = TypeVar("C")
Fit = Callable[[Any, Any, Any], Any]


@dataclass(frozen=True)
class CalibrationChoice(Generic[C]):
    """The calibration with the lowest held-out log loss, and the losses (nats) it was chosen by.

    `calibration` is None, and `name` "none", where no fitted one beats leaving the
    probabilities alone; so the choice never loses to that in cross-validation.
    """

    name: str
    calibration: C | None
    losses: Mapping[str, float]


def choose_severity_calibration(
    probabilities: ArrayLike,
    targets: ArrayLike,
    patients: Sequence[Hashable],
    *,
    seed: int,
    weights: ArrayLike | None = None,
) -> CalibrationChoice[SeverityCalibration | SeverityTemperature]:
    """Choose between no change, one temperature, and slope with ordered cuts.

    probabilities: [n, 4]; targets: levels [n] or distributions [n, 4]; patients: n ids, never
    on both sides of a fold; weights: [n]. Fewer than two patients give "none". Raises
    CalibrationError for shapes that don't fit.
    """
    fits = {
        "temperature": lambda p, t, w: fit_severity_temperature(
            p, t, weights=w, prior_images=PRIOR_IMAGES
        ),
        "slope and cuts": lambda p, t, w: fit_severity_calibration(
            p, t, weights=w, prior_images=PRIOR_IMAGES
        ),
    }

    def losses(fitted: Values, wanted: Values) -> Values:
        return np.asarray(-(as_distributions(wanted) * log_probabilities(fitted)).sum(axis=1))

    return _choose(fits, losses, _check(probabilities, targets, patients, weights), seed)


def calibrate_across_folds(
    probabilities: ArrayLike,
    targets: ArrayLike,
    patients: Sequence[Hashable],
    *,
    seed: int,
) -> Values:
    """Calibrate each image by a choice that has not seen its patient: probabilities [n, 4].

    For what must be set on images that calibration was not fitted to (conformal sets, risk
    limits), where there is only one trusted set. Arguments as in `choose_severity_calibration`.
    """
    trusted = _check(probabilities, targets, patients, None)
    fold = _deal(trusted.patients, seed)
    calibrated = trusted.probabilities.copy()
    for number in np.unique(fold):
        inside, outside = fold != number, fold == number
        given, wanted, _ = trusted.take(inside)
        known = trusted.patients[inside].tolist()
        chosen = choose_severity_calibration(given, wanted, known, seed=seed).calibration
        if chosen is not None:
            calibrated[outside] = chosen.apply(trusted.probabilities[outside])
    return calibrated


def choose_finding_calibration(
    probabilities: ArrayLike,
    targets: ArrayLike,
    patients: Sequence[Hashable],
    *,
    seed: int,
    weights: ArrayLike | None = None,
) -> CalibrationChoice[FindingCalibration]:
    """Choose between no change, one temperature, and Platt's slope with intercept.

    probabilities: [n]; targets: [n] of 1 and 0. A fold whose training part has one class only
    is graded unchanged. The rest as in `choose_severity_calibration`.
    """
    fits = {
        "temperature": lambda p, t, w: fit_finding_calibration(
            p, t, weights=w, prior_images=PRIOR_IMAGES, fit_intercept=False
        ),
        "slope and intercept": lambda p, t, w: fit_finding_calibration(
            p, t, weights=w, prior_images=PRIOR_IMAGES
        ),
    }

    def losses(fitted: Values, wanted: Values) -> Values:
        likelihood = np.where(wanted > 0, fitted, 1 - fitted)
        return np.asarray(-log_probabilities(likelihood))

    return _choose(fits, losses, _check(probabilities, targets, patients, weights), seed)


@dataclass(frozen=True)
class _TrustedSet:
    probabilities: Values
    targets: Values
    patients: np.ndarray
    weights: Values

    def take(self, rows: np.ndarray) -> tuple[Values, Values, Values]:
        return self.probabilities[rows], self.targets[rows], self.weights[rows]


def _check(
    probabilities: ArrayLike,
    targets: ArrayLike,
    patients: Sequence[Hashable],
    weights: ArrayLike | None,
) -> _TrustedSet:
    p, t = np.asarray(probabilities, np.float64), np.asarray(targets, np.float64)
    w = np.ones(len(p)) if weights is None else np.asarray(weights, np.float64)
    if not len(p) == len(t) == len(patients) == len(w):
        raise CalibrationError(
            f"{len(p)} predictions, {len(t)} targets, {len(patients)} patient ids and {len(w)} "
            "weights; expected the same number of each"
        )
    return _TrustedSet(p, t, number_patients(patients), w)


def _choose(
    fits: Mapping[str, Fit],
    losses: Callable[[Values, Values], Values],
    trusted: _TrustedSet,
    seed: int,
) -> CalibrationChoice[Any]:
    fold = _deal(trusted.patients, seed)
    if fold.max(initial=0) < 1:
        return CalibrationChoice(NONE, None, {})
    held_out = {name: np.empty(len(fold)) for name in (NONE, *fits)}
    for number in np.unique(fold):
        inside, outside = fold != number, fold == number
        given, wanted, _ = trusted.take(outside)
        held_out[NONE][outside] = losses(given, wanted)
        for name, fit in fits.items():
            fitted = _fit(fit, *trusted.take(inside))
            applied = given if fitted is None else fitted.apply(given)
            held_out[name][outside] = losses(applied, wanted)
    weight = trusted.weights / trusted.weights.sum()
    means = {name: float(weight @ values) for name, values in held_out.items()}
    # The first of equal ones: no change before one number, one number before several.
    best = min(means, key=lambda name: means[name])
    everything = trusted.take(np.ones(len(fold), bool))
    chosen = None if best == NONE else _fit(fits[best], *everything)
    return CalibrationChoice(best if chosen is not None else NONE, chosen, means)


def _deal(patients: np.ndarray, seed: int) -> np.ndarray:
    """Deal whole patients to at most five folds of nearly equal number; [n]."""
    count = int(patients.max(initial=-1)) + 1
    shuffled = np.random.default_rng(seed).permutation(count)
    return np.asarray(shuffled[patients] % max(1, min(FOLDS, count)))


def _fit(fit: Fit, probabilities: Values, targets: Values, weights: Values) -> Any:
    try:
        return fit(probabilities, targets, weights)
    except CalibrationError:
        return None
