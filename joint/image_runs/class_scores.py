"""What a classifier's predictions come to: tables with intervals, of the test set and elsewhere."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joint.image_runs.prepare import EXTERNAL, PreparedImages
from vision.classification.metrics import class_intervals
from vision.intervals import Interval

Scores = dict[str, Interval | None]


class ScoredSet(NamedTuple):
    """One set of images with their classes: its row numbers, what was said, how good that is.

    labels [n], probabilities [n, k], patients [n].
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    patients: list[str]
    scores: Scores


def score_sets(
    prepared: PreparedImages,
    probabilities: NDArray[np.float64],
    classes: tuple[str, ...],
    *,
    seed: int,
    resamples: int,
) -> dict[str, ScoredSet]:
    """Score the test split, and each external corpus by its name (`external: NAME`).

    probabilities: [images, k], one row per row of `prepared.images`; those of training images
    may be NaN.
    """
    images = prepared.images
    sets = {"test": prepared.rows("test")}
    outside = images["split"] == EXTERNAL
    for corpus in dict.fromkeys(images.loc[outside, "corpus"]):
        found = np.flatnonzero((outside & (images["corpus"] == corpus)).to_numpy())
        sets[f"external: {corpus}"] = found
    scored = {}
    for name, rows in sets.items():
        labels = images["label"].to_numpy(np.int64)[rows]
        patients = [str(patient) for patient in images["patient_id"].to_numpy()[rows]]
        scores = class_intervals(
            probabilities[rows], labels, classes, patients, seed=seed, resamples=resamples
        )
        scored[name] = ScoredSet(rows, labels, probabilities[rows], patients, scores)
    return scored


def tabulate_predictions(
    prepared: PreparedImages, probabilities: NDArray[np.float64], classes: tuple[str, ...]
) -> pd.DataFrame:
    """Give one row per image outside of training: source, path under its root, split, class,

    predicted, p_<class>.
    """
    rows = np.flatnonzero((prepared.images["split"] != "train").to_numpy())
    images, p = prepared.images.iloc[rows], probabilities[rows]
    names = np.array(classes)
    paths = prepared.relative_paths()
    table = pd.DataFrame(
        {
            "source": images["source"].to_numpy(),
            "path": [paths[row] for row in rows],
            "split": images["split"].to_numpy(),
            "class": names[images["label"].to_numpy(np.int64)],
            "predicted": names[p.argmax(axis=1)],
        }
    )
    for number, name in enumerate(classes):
        table[f"p_{name}"] = p[:, number].round(6)
    return table
