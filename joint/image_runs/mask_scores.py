"""The masks of a trained segmenter held against the true ones, image by image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joint.image_runs.prepare import EXTERNAL, PreparedImages
from vision.intervals import Interval
from vision.segmentation.mask_files import INSIDE, UNKNOWN
from vision.segmentation.metrics import mask_intervals, measure_mask
from vision.segmentation.task import PREDICTED_AT_ONCE, SegmentationData

Rows = NDArray[np.int64]
Predict = Callable[[Rows], Mapping[str, NDArray[np.float32]]]
USUAL_PERCENTILES = (1, 99)

METRIC_LABELS = {
    "dice": "Dice",
    "iou": "IoU (Jaccard)",
    "accuracy": "pixel accuracy",
    "mean_surface_distance": "mean surface distance, pixels",
    "mean_surface_distance_share": "the same, share of the width",
    "surface_distance_95": "95 % Hausdorff distance, pixels",
    "surface_distance_95_share": "the same, share of the width",
    "surface_dice": "surface Dice at 2 pixels",
}


class ScoredMasks(NamedTuple):
    """One test set: rows of the run's images, their metrics, patients, and the intervals."""

    rows: Rows
    metrics: pd.DataFrame
    patients: list[str]
    scores: Mapping[str, Interval | None]


def crop(prepared: PreparedImages, row: int, square: NDArray[np.generic]) -> NDArray[np.generic]:
    """Cut the picture out of its square: padding is right for free and would count."""
    place = prepared.cache.placement_of(int(prepared.images["cache_row"].iloc[row]))
    return square[
        place.top : place.top + place.height,
        place.left : place.left + place.width,
    ]


def measure_rows(
    prepared: PreparedImages, data: SegmentationData, rows: Rows, predict: Predict
) -> pd.DataFrame:
    """Predict rows and give metrics, `share` and `true_share` of the picture, one row each.

    Called on every process; the logits of a few images are held at a time.
    """
    records = []
    for start in range(0, len(rows), PREDICTED_AT_ONCE):
        part = rows[start : start + PREDICTED_AT_ONCE]
        drawn = predict(part)["mask_logits"] > 0
        truths = data.masks.read(data.mask_rows[part])
        for row, mask, square in zip(part.tolist(), drawn, truths, strict=True):
            predicted = np.asarray(crop(prepared, row, mask), dtype=bool)
            truth = np.asarray(crop(prepared, row, square), dtype=np.uint8)
            shares = {"share": float(predicted.mean()), "true_share": share_inside(truth)}
            records.append(measure_mask(predicted, truth) | shares)
    return pd.DataFrame.from_records(records, index=rows)


def share_inside(truth: NDArray[np.uint8]) -> float:
    """Give the share of the known pixels that are inside; 0 where none is known."""
    known = int((truth != UNKNOWN).sum())
    return int((truth == INSIDE).sum()) / known if known else 0.0


def score_sets(
    prepared: PreparedImages, measured: pd.DataFrame, *, seed: int, resamples: int
) -> dict[str, ScoredMasks]:
    """Give the scores of the test split, of each corpus in it where several are, and of each
    external corpus."""
    images = prepared.images
    chosen = {"test": prepared.rows("test")}
    corpora = images["corpus"].to_numpy()
    names = list(dict.fromkeys(corpora[chosen["test"]]))
    if len(names) > 1:
        tested = chosen["test"]
        chosen |= {f"test: {name}": tested[corpora[tested] == name] for name in names}
    external = prepared.rows(EXTERNAL)
    for name in dict.fromkeys(corpora[external]):
        chosen[f"external: {name}"] = external[corpora[external] == name]
    sets = {}
    for name, rows in chosen.items():
        patients = [str(patient) for patient in images["patient_id"].iloc[rows]]
        metrics = measured.loc[rows]
        scores = mask_intervals(
            metrics[list(METRIC_LABELS)], patients, seed=seed, resamples=resamples
        )
        sets[name] = ScoredMasks(rows, metrics, patients, scores)
    return sets


def usual_shares(prepared: PreparedImages, data: SegmentationData) -> tuple[float, float]:
    """Give the shares of the picture between which 98 % of the training masks lie."""
    shares = []
    for row in data.train.tolist():
        (square,) = data.masks.read(data.mask_rows[[row]])
        shares.append(share_inside(np.asarray(crop(prepared, row, square), dtype=np.uint8)))
    low, high = np.percentile(shares, USUAL_PERCENTILES)
    return float(low), float(high)
