"""The temperature of a classifier: one number, fitted to validation images alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from vision.calibration import CalibrationError

LOG_BOUNDS = (-3.0, 3.0)
PRIOR_IMAGES = 10
"""The fit behaves as if so many more images had shown just what the model says of these: a
validation set without a wrong image would else make it as sure as the bounds allow."""


def fit_class_temperature(logits: ArrayLike, labels: ArrayLike) -> float:
    """Fit T of softmax(logits / T) by maximum likelihood (Guo et al. 2017); 1 where none is better.

    logits: [n, k]; labels: [n], class numbers. The most probable class never changes. Raises
    CalibrationError without images.
    """
    given, truth = np.asarray(logits, np.float64), np.asarray(labels, np.int64)
    if given.ndim != 2 or not len(given) or truth.shape != given.shape[:1]:
        raise CalibrationError(
            f"logits {given.shape} and labels {truth.shape}; expected [n, k] and [n], n at least 1"
        )
    wanted = np.eye(given.shape[1])[truth] + PRIOR_IMAGES / len(given) * softmax(given, axis=1)

    def loss(log_temperature: float) -> float:
        return float(-(wanted * log_softmax(given / np.exp(log_temperature), axis=1)).sum())

    found = minimize_scalar(loss, bounds=LOG_BOUNDS, options={"xatol": 1e-8})
    # The search may stop short of T = 1 by its tolerance; it must never lose to no change.
    return float(np.exp(found.x)) if loss(float(found.x)) < loss(0.0) else 1.0
