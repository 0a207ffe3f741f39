"""When a grader should not grade: low confidence, or an image unlike those it learned from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from configs.settings import Settings

Values = NDArray[np.float64]
FOLDS = 5
FEWEST_IMAGES = 20
SMALLEST_VARIANCE = 1e-8


class AbstentionError(ValueError):
    """Too little to fit an abstention rule to."""


class AbstentionLimits(Settings):
    """The two operating thresholds: smallest top probability, largest Mahalanobis distance."""

    least_confidence: float
    largest_distance: float


@dataclass(frozen=True)
class AbstentionRule:
    """Limits and the feature space they are measured in.

    mean: float32 [width], whitening: float32 [width, width]; the Mahalanobis distance of an
    embedding e is the length of (e − mean) @ whitening (Lee et al. 2018).
    """

    limits: AbstentionLimits
    mean: NDArray[np.float32]
    whitening: NDArray[np.float32]

    def reason_for(self, embedding: ArrayLike, probabilities: ArrayLike) -> str | None:
        """Why not to trust the grade of one image (embedding [width]); None to trust it."""
        distance = float(self.distances(np.atleast_2d(np.asarray(embedding)))[0])
        if not distance <= self.limits.largest_distance:
            return (
                f"unlike the training images (distance {distance:.1f}, "
                f"limit {self.limits.largest_distance:.1f})"
            )
        confidence = float(np.max(probabilities))
        if confidence < self.limits.least_confidence:
            return f"low confidence ({confidence:.2f}, limit {self.limits.least_confidence:.2f})"
        return None

    def distances(self, embeddings: ArrayLike) -> Values:
        """Mahalanobis distances [n] of embeddings [n, width]."""
        return _distances(np.asarray(embeddings, np.float64), self.mean, self._wide_whitening)

    @cached_property
    def _wide_whitening(self) -> Values:
        """Float64, kept: turning a million numbers anew for each image took two milliseconds."""
        return self.whitening.astype(np.float64)


def fit_abstention(
    embeddings: ArrayLike,
    probabilities: ArrayLike,
    *,
    low_confidence_share: float = 0.05,
    unlike_share: float = 0.005,
) -> AbstentionRule:
    """Set both limits so that these shares of the given images would be refused.

    embeddings: [n, width]; probabilities: [n, 4], calibrated; of images like those to come.
    Distances are measured on images left out of the fit (five folds), since in many dimensions
    a fitted image lies closer than a new one. The covariance is shrunk (Ledoit and Wolf 2004).
    Raises AbstentionError for fewer than 20 images or values that are not finite.
    """
    points = np.asarray(embeddings, np.float64)
    confidence = np.asarray(probabilities, np.float64).max(axis=1)
    if len(points) < FEWEST_IMAGES or len(points) != len(confidence):
        raise AbstentionError(
            f"{len(points)} embeddings and {len(confidence)} probabilities; "
            f"expected the same number, at least {FEWEST_IMAGES}"
        )
    if not (np.isfinite(points).all() and np.isfinite(confidence).all()):
        raise AbstentionError("embeddings or probabilities hold NaN or infinity")
    fold = np.arange(len(points)) % FOLDS
    distances = np.empty(len(points))
    for left_out in range(FOLDS):
        mean, whitening = _fit_space(points[fold != left_out])
        distances[fold == left_out] = _distances(points[fold == left_out], mean, whitening)
    limits = AbstentionLimits(
        least_confidence=float(np.quantile(confidence, low_confidence_share)),
        largest_distance=float(np.quantile(distances, 1.0 - unlike_share)),
    )
    mean, whitening = _fit_space(points)
    return AbstentionRule(limits, mean.astype(np.float32), whitening.astype(np.float32))


def _fit_space(points: Values) -> tuple[Values, Values]:
    from sklearn.covariance import LedoitWolf

    fitted = LedoitWolf().fit(points)
    variances, axes = np.linalg.eigh(fitted.covariance_)
    return np.asarray(fitted.location_), axes / np.sqrt(np.maximum(variances, SMALLEST_VARIANCE))


def _distances(points: Values, mean: ArrayLike, whitening: ArrayLike) -> Values:
    whitened = (points - np.asarray(mean, np.float64)) @ np.asarray(whitening, np.float64)
    return np.asarray(np.linalg.norm(whitened, axis=1))
