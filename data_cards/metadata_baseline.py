"""How much of a label can be told without looking at any image (Zech et al. 2018).

A class that source, view, size or age give away will be learned from their traces in the image:
sorting chest X-rays by hospital alone gave an AUC of 0.86 for pneumonia.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from data_cards.patient_auc import AucInterval, measure_auc

METADATA_LIMIT = 0.70
METADATA_MARGIN = 0.05
"""Metadata alone that reach this AUC, or come this close to the model's, are warned of."""

CHANCE = 0.5

FOLDS = 5
MOST_VALUES = 20
"""Of a column of words, the values beyond the most frequent are one."""
BOOSTING_ROUNDS = 60

Floats = NDArray[np.float64]


class MetadataBaseline(NamedTuple):
    """What metadata alone reach: the better of two models, its name and the columns it saw."""

    auc: AucInterval
    model: str
    columns: tuple[str, ...]

    def is_suspect(self, model_auc: float | None = None) -> bool:
        """Whether metadata reach 0.70, or come within 0.05 of a trained model's AUC.

        Metadata that tell nothing (an interval that holds 0.5) are close to a model that tells
        nothing, and no shortcut.
        """
        is_close = model_auc is not None and self.auc.value >= model_auc - METADATA_MARGIN
        is_close &= self.auc.low > CHANCE
        return self.auc.value >= METADATA_LIMIT or is_close


def measure_metadata(
    metadata: pd.DataFrame,
    labels: NDArray[np.int64],
    patients: Sequence[str],
    *,
    seed: int,
    resamples: int = 1000,
) -> MetadataBaseline | None:
    """Tell classes from metadata by cross-validation that keeps patients together.

    metadata: one row per image, columns of numbers or words, missing values allowed. labels:
    class numbers from 0, all known. A logistic regression and gradient boosting are tried. None
    where nothing varies, or a class has too few patients.
    """
    values = encode_metadata(metadata)
    names = tuple(name for name in metadata if metadata[name].nunique(dropna=False) > 1)
    if not values.shape[1]:
        return None
    found = []
    for model in ("logistic regression", "gradient boosting"):
        scores = predict_apart(values, labels, patients, kinds=(model,), seed=seed)
        if scores is None:
            return None
        auc = measure_auc(scores, labels, patients, seed=seed, resamples=resamples)
        if auc is not None:
            found.append(MetadataBaseline(auc, model, tuple(map(str, names))))
    return max(found, key=lambda one: one.auc.value, default=None)


def encode_metadata(metadata: pd.DataFrame) -> Floats:
    """Give columns as numbers [n, features]: one per word, and one for what is missing."""
    parts = []
    for name in metadata:
        column = metadata[name]
        if pd.api.types.is_numeric_dtype(column):
            numbers = column.astype(float)
            missing = numbers.isna()
            filled = numbers.fillna(0.0 if missing.all() else numbers.median())
            parts.append(
                pd.DataFrame({f"{name}": filled, f"{name} missing": missing.astype(float)})
            )
        else:
            words = column.astype("string").fillna("not known")
            kept = words.value_counts().index[:MOST_VALUES]
            parts.append(pd.get_dummies(words.where(words.isin(kept), "other"), dtype=float))
    table = pd.concat(parts, axis=1) if parts else pd.DataFrame(index=metadata.index)
    values: Floats = table.to_numpy(np.float64)
    return values[:, np.ptp(values, axis=0) > 0] if len(values) else values


def predict_apart(
    values: Floats,
    labels: NDArray[np.int64],
    patients: Sequence[str],
    *,
    kinds: Sequence[str] = ("logistic regression", "gradient boosting"),
    strength: float = 1.0,
    seed: int,
) -> Floats | None:
    """Give each image class scores [n, k] from models that saw none of its patient's images.

    The mean of the probabilities of the models in `kinds`. strength: of the logistic regression
    (scikit-learn's C). None where a class has fewer than two patients.
    """
    groups = pd.factorize(np.array(patients, dtype=object))[0]
    numbers, fewest = np.unique(labels), FOLDS
    for number in numbers:
        fewest = min(fewest, len(np.unique(groups[labels == number])))
    if fewest < 2 or len(numbers) < 2:
        return None
    scores = np.zeros((len(labels), int(labels.max()) + 1))
    folds = StratifiedGroupKFold(fewest, shuffle=True, random_state=seed)
    # One thread: for so few rows, threads that wait for each other cost far more than they give.
    with threadpool_limits(1):
        for train, test in folds.split(values, labels, groups):
            if len(np.unique(labels[train])) < 2:
                return None
            for kind in kinds:
                model = _make_model(kind, strength, seed).fit(values[train], labels[train])
                chances = model.predict_proba(values[test]) / len(kinds)
                scores[np.ix_(test, model.classes_)] += chances
    return scores


def _make_model(kind: str, strength: float, seed: int) -> ClassifierMixin:
    if kind == "logistic regression":
        return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
    return HistGradientBoostingClassifier(
        max_iter=BOOSTING_ROUNDS, max_leaf_nodes=8, min_samples_leaf=10, random_state=seed
    )
