"""What a class can be told from when the lungs are blacked out (Maguolo and Nanni 2021).

Markers, burned-in text, borders, exposure and grain: the outside of one zone, the same in every
image, so that its shape says nothing. A logistic regression and gradient boosting on a few
hundred numbers stand for a retrained network: they need no GPU, see a marker anywhere outside,
and find more in a few hundred images than a network that starts from nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from data_cards.metadata_baseline import predict_apart
from data_cards.patient_auc import AucInterval, measure_auc
from joint.trust.inputs import Pixels, TrustInputs
from joint.trust.zones import draw_zone, find_pictures

SIDE, CELL = 128, 8
LEAST_OUTSIDE = 0.4
"""Cells of which less lies outside of the zone are left out."""
DETAIL_SIGMA = 1.5
GREY_BINS = 16
STRENGTH = 0.003
"""Of the logistic regression: with hundreds of columns of few images, little is believed."""
MOST_IMAGES = 3000
FEWEST_IMAGES = 40
IMAGES_AT_ONCE = 256

Floats = NDArray[np.float64]


def probe_outside(inputs: TrustInputs) -> AucInterval | None:
    """Tell the classes from the outside of the lung zone alone, patients kept together.

    Images of one view are held against each other: that views differ is metadata's to say, and
    where the sicker lie down it is not the lungs' absence that a probe sees. All splits are used,
    of large corpora a sample. None for fewer than 40 images, or a class of one patient.
    """
    rows = draw_rows(inputs)
    if len(rows) < FEWEST_IMAGES:
        return None
    values = describe_outside(inputs, rows)
    _, labels = np.unique(inputs.labels[rows], return_inverse=True)
    patients = inputs.patients(rows)
    scores = predict_apart(values, labels, patients, strength=STRENGTH, seed=inputs.seed)
    if scores is None:
        return None
    return measure_auc(
        scores,
        labels,
        patients,
        strata=inputs.views(rows),
        seed=inputs.seed,
        resamples=inputs.resamples,
    )


def draw_rows(inputs: TrustInputs) -> NDArray[np.int64]:
    """Give the rows of known class, of a large corpus as many of each class as can be."""
    known = inputs.known
    if len(known) <= MOST_IMAGES:
        return known
    generator = np.random.default_rng(inputs.seed)
    order = generator.permutation(known)
    labels = inputs.labels[order]
    # Numbered within its class, each image takes its turn, so that rare classes come whole.
    turn = np.zeros(len(order), np.int64)
    for number in np.unique(labels):
        rows = np.flatnonzero(labels == number)
        turn[rows] = np.arange(len(rows))
    drawn: NDArray[np.int64] = np.sort(order[np.argsort(turn, kind="stable")[:MOST_IMAGES]])
    return drawn


def describe_outside(inputs: TrustInputs, rows: NDArray[np.int64]) -> Floats:
    """Describe each image's outside by numbers [n, features]."""
    parts = [
        _describe(_frame(inputs.pixels(rows[start : start + IMAGES_AT_ONCE])))
        for start in range(0, len(rows), IMAGES_AT_ONCE)
    ]
    return np.concatenate(parts)


def _frame(pixels: Pixels) -> Pixels:
    """Cut the picture out of its padding, and bring it to 128 x 128."""
    framed = np.empty((len(pixels), SIDE, SIDE), np.uint8)
    for row, (image, box) in enumerate(zip(pixels, find_pictures(pixels), strict=True)):
        cut = Image.fromarray(image[box.top : box.bottom, box.left : box.right])
        framed[row] = np.asarray(cut.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    return framed


def _describe(framed: Pixels) -> Floats:
    """Give mean, strongest and mean detail of each cell outside, grey values, and sharpness."""
    grey = framed.astype(np.float32) / 255
    outside = ~draw_zone(SIDE, SIDE)
    share = _by_cell(outside[None].astype(np.float32)).mean(axis=-1)[0]
    kept = share >= LEAST_OUTSIDE
    detail = np.abs(grey - gaussian_filter(grey, (0, DETAIL_SIGMA, DETAIL_SIGMA)))
    grey_cells, detail_cells = (_by_cell(np.where(outside, a, 0))[:, kept] for a in (grey, detail))
    seen = np.maximum(share[kept], LEAST_OUTSIDE)
    fine = detail_cells.mean(axis=-1) / seen
    values = grey[:, outside]
    bins = np.clip((values * GREY_BINS).astype(np.int64), 0, GREY_BINS - 1)
    histogram = np.stack([np.bincount(b, minlength=GREY_BINS) for b in bins]) / values.shape[1]
    whole = [
        (values < 0.02).mean(axis=1),
        (values > 0.98).mean(axis=1),
        np.log(fine.mean(axis=1) + 1e-4),
        np.log(np.median(detail[:, outside], axis=1) + 1e-4),
    ]
    columns = [
        grey_cells.mean(axis=-1) / seen,
        detail_cells.max(axis=-1),
        np.log(fine + 1e-3),
        histogram,
        np.stack(whole, axis=1),
    ]
    return np.concatenate(columns, axis=1).astype(np.float64)


def _by_cell(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Split [n, 128, 128] into cells: [n, 16, 16, pixels of a cell]."""
    count, cells = len(images), SIDE // CELL
    split = images.reshape(count, cells, CELL, cells, CELL).swapaxes(2, 3)
    return split.reshape(count, cells, cells, CELL * CELL)
