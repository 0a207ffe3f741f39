"""How well a predicted mask covers the true one: overlap and the distance of their outlines.

Pixels whose truth is unknown count as outside in both. Where neither mask holds anything, they
agree: overlap 1, distance 0. Where only one does, overlap is 0 and there is no distance between
outlines (NaN, left out of means and counted).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt

from vision.intervals import Interval, bootstrap
from vision.segmentation.mask_files import INSIDE, UNKNOWN
from vision.weighted_metrics import FloatArray

Bools = NDArray[np.bool_]

OVERLAPS = ("dice", "iou", "accuracy")
DISTANCES = ("mean_surface_distance", "surface_distance_95", "surface_dice")
TOLERANCE_PIXELS = 2.0
"""Outlines this close count as the same: between two readers 1 to 2 pixels at 256 are usual."""
PERCENTILE = 95
FLAT = np.ones((3, 3), dtype=bool)


def measure_overlap(predicted: Bools, truth: NDArray[np.uint8]) -> dict[str, float]:
    """Give dice, iou and accuracy of one image.

    predicted: bool [h, w]; truth: [h, w] of OUTSIDE, INSIDE and UNKNOWN, which counts in none.
    """
    known = truth != UNKNOWN
    inside = truth[known] == INSIDE
    drawn = predicted[known]
    shared = int((drawn & inside).sum())
    both = int(drawn.sum()) + int(inside.sum())
    total = int(known.sum())
    return {
        "dice": 2 * shared / both if both else 1.0,
        "iou": shared / (both - shared) if both else 1.0,
        "accuracy": (total - (both - 2 * shared)) / total if total else 1.0,
    }


def measure_surfaces(
    predicted: Bools, truth: NDArray[np.uint8], *, tolerance: float = TOLERANCE_PIXELS
) -> dict[str, float]:
    """Give the distances between the outlines of two masks [h, w], in pixels.

    `mean_surface_distance` (average symmetric): the mean over both outlines' pixels of the way to
    the other outline. `surface_distance_95`: the larger of the two sides' 95th percentiles (robust
    Hausdorff distance). `surface_dice`: the share of both outlines within `tolerance` of the
    other (Nikolov et al. 2018). An outline is what erosion by 3 × 3 takes away; the picture's
    border is an outline where a mask reaches it.
    """
    known = truth != UNKNOWN
    outlines = [find_outline(mask & known) for mask in (predicted, truth == INSIDE)]
    if not outlines[0].any() and not outlines[1].any():
        return dict(zip(DISTANCES, (0.0, 0.0, 1.0), strict=True))
    if not outlines[0].any() or not outlines[1].any():
        return dict(zip(DISTANCES, (np.nan, np.nan, 0.0), strict=True))
    ways = [distance_transform_edt(~other)[own] for own, other in (outlines, outlines[::-1])]
    every = np.concatenate(ways)
    return {
        "mean_surface_distance": float(every.mean()),
        "surface_distance_95": float(max(np.percentile(way, PERCENTILE) for way in ways)),
        "surface_dice": float((every <= tolerance).mean()),
    }


def find_outline(mask: Bools) -> Bools:
    """Give the pixels of a mask [h, w] that touch something outside of it, corners included."""
    inner: Bools = binary_erosion(mask, FLAT)
    return mask & ~inner


def measure_mask(predicted: Bools, truth: NDArray[np.uint8]) -> dict[str, float]:
    """Give all metrics of one image; `…_share` are distances as shares of the image's width."""
    surfaces = measure_surfaces(predicted, truth)
    width = truth.shape[1]
    shares = {f"{name}_share": surfaces[name] / width for name in DISTANCES[:2]}
    return measure_overlap(predicted, truth) | surfaces | shares


def mask_intervals(
    metrics: pd.DataFrame, patients: Sequence[Hashable], *, seed: int, resamples: int = 1000
) -> dict[str, Interval | None]:
    """Give the mean of each column over images, with its interval over drawn patients.

    metrics: one row per image, as `measure_mask` gives them; NaN is left out of a mean.
    """
    names = [str(name) for name in metrics.columns]
    values = metrics.to_numpy(np.float64)
    defined = ~np.isnan(values)
    filled = np.where(defined, values, 0.0)

    def mean(weights: FloatArray) -> dict[str, FloatArray]:
        with np.errstate(invalid="ignore", divide="ignore"):
            means = (weights @ filled) / (weights @ defined.astype(np.float64))
        return dict(zip(names, means.T, strict=True))

    return bootstrap(mean, patients, images=len(values), seed=seed, resamples=resamples)
