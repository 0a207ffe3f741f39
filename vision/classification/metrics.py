"""How good predicted classes are: overall and of each class, with intervals that draw patients."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax

from vision.intervals import Interval, bootstrap
from vision.metrics import MetricsError, defined
from vision.weighted_metrics import FloatArray, ratio, weighted_auc, weighted_calibration_error

OVERALL_LABELS = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro-F1",
    "mean_auc": "Mean AUC of the classes",
    "ece": "ECE",
    "brier": "Brier",
}
"""Metrics of all classes together, in the order in which they are printed."""

CLASS_LABELS = {
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "precision": "Precision",
    "f1": "F1",
    "auc": "AUC",
}
"""Metrics of one class against all others."""


def class_probabilities(logits: ArrayLike, temperature: float = 1.0) -> NDArray[np.float64]:
    """Turn logits [n, k] into probabilities softmax(logits / temperature), [n, k]."""
    return np.asarray(softmax(np.asarray(logits, np.float64) / temperature, axis=1))


def class_metrics(
    probabilities: ArrayLike, labels: ArrayLike, classes: Sequence[str]
) -> dict[str, float | None]:
    """Give OVERALL_LABELS, and `<metric> of <class>` for CLASS_LABELS; None where undefined.

    probabilities: [n, k], rows sum to one; labels: [n], class numbers. The predicted class is
    the most probable. Balanced accuracy is the mean sensitivity of the classes that occur;
    macro-F1 the mean of their F1; `ece` is of the predicted class's probability, 15 bins (Guo et
    al. 2017); `brier` the mean of Σ_k (p_k − [y = k])², 0 to 2. A class that is never predicted
    has no precision. Raises MetricsError for shapes or values that do not fit.
    """
    p, y = check_classes(probabilities, labels, classes)
    values = weighted_class_metrics(p, y, np.ones((1, len(y))), classes)
    return {name: defined(value[0]) for name, value in values.items()}


def class_intervals(
    probabilities: ArrayLike,
    labels: ArrayLike,
    classes: Sequence[str],
    patients: Sequence[Hashable],
    *,
    seed: int,
    resamples: int = 1000,
) -> dict[str, Interval | None]:
    """Give every metric of `class_metrics` with its patient-clustered 95 % interval."""
    p, y = check_classes(probabilities, labels, classes)
    return bootstrap(
        lambda weights: weighted_class_metrics(p, y, weights, classes),
        patients,
        images=len(y),
        seed=seed,
        resamples=resamples,
    )


def weighted_class_metrics(
    probabilities: FloatArray,
    labels: NDArray[np.int64],
    weights: FloatArray,
    classes: Sequence[str],
) -> dict[str, FloatArray]:
    """Give every metric under each of `b` weightings, weights [b, n]; nothing is checked here."""
    predicted = probabilities.argmax(axis=1)
    counts = count_confusion(labels, predicted, len(classes), weights)
    total, hits = counts.sum(axis=(1, 2)), np.diagonal(counts, axis1=1, axis2=2)
    actual, guessed = counts.sum(axis=2), counts.sum(axis=1)
    f1 = ratio(2 * hits, actual + guessed)
    f1 = np.where(actual > 0, f1, np.nan)
    sensitivity = ratio(hits, actual)
    others = total[:, None] - actual
    per_class = {
        "sensitivity": sensitivity,
        "specificity": ratio(others - (guessed - hits), others),
        "precision": ratio(hits, guessed),
        "f1": f1,
        "auc": np.stack(
            [weighted_auc(probabilities[:, k], labels == k, weights) for k in range(len(classes))],
            axis=1,
        ),
    }
    truth = labels[:, None] == np.arange(len(classes))
    squares = ((probabilities - truth) ** 2).sum(axis=1)
    confidence = probabilities.max(axis=1)
    overall = {
        "accuracy": ratio(hits.sum(axis=1), total),
        "balanced_accuracy": _mean_defined(sensitivity),
        "macro_f1": _mean_defined(f1),
        "mean_auc": _mean_defined(per_class["auc"]),
        "ece": weighted_calibration_error(confidence, predicted == labels, weights),
        "brier": ratio(weights @ squares, weights.sum(axis=1)),
    }
    named = {
        name_class_metric(metric, name): values[:, k]
        for metric, values in per_class.items()
        for k, name in enumerate(classes)
    }
    return {**{name: overall[name] for name in OVERALL_LABELS}, **named}


def name_class_metric(metric: str, name: str) -> str:
    """Name a metric of one class, as `class_metrics` does."""
    return f"{metric} of {name}"


def count_confusion(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int, weights: FloatArray
) -> FloatArray:
    """Count [b, k, k] under each weighting: row = true class, column = predicted class."""
    cells = np.zeros((len(labels), classes**2))
    cells[np.arange(len(labels)), labels * classes + predicted] = 1.0
    return np.asarray((weights @ cells).reshape(-1, classes, classes))


def check_classes(
    probabilities: ArrayLike, labels: ArrayLike, classes: Sequence[str]
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return both as arrays; raise MetricsError when they are not [n, k] and [n] of 0 to k − 1."""
    p, y = np.asarray(probabilities, np.float64), np.asarray(labels)
    if y.ndim != 1 or not np.isin(y, range(len(classes))).all():
        raise MetricsError(f"classes: expected one of 0 to {len(classes) - 1} per image")
    if p.shape != (len(y), len(classes)):
        raise MetricsError(f"classes: probabilities {p.shape}; expected {(len(y), len(classes))}")
    if not np.isfinite(p).all() or (p < 0).any() or (np.abs(p.sum(axis=1) - 1) > 1e-3).any():
        raise MetricsError("classes: a row of probabilities is no distribution over the classes")
    return p, y.astype(np.int64)


def _mean_defined(values: FloatArray) -> FloatArray:
    """Average [b, k] over the classes that are defined; NaN where none is."""
    known = ~np.isnan(values)
    return ratio(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1).astype(np.float64))
