"""What is known of each image but its class and its lungs, for the metadata baseline."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joint.trust.inputs import Pixels, TrustInputs
from joint.trust.zones import find_pictures

RING = 0.03
"""Share of the picture's side that counts as its border."""
IMAGES_AT_ONCE = 256
FILE_COLUMNS = ("source", "view", "sex", "age", "width", "height", "bits")


def gather_metadata(inputs: TrustInputs, rows: NDArray[np.int64]) -> pd.DataFrame:
    """Give source, view, sex, age, size and depth, images of the study, black edges and border.

    One row per image; columns that never vary are kept (they say nothing).
    """
    table = inputs.rows.iloc[rows][list(FILE_COLUMNS)].reset_index(drop=True)
    for name in ("age", "width", "height", "bits"):
        table[name] = pd.to_numeric(table[name])
    table["shape"] = (table["width"] / table["height"]).astype(float)
    studies = inputs.rows["study_id"]
    table["images of the study"] = (
        studies.map(studies.value_counts()).to_numpy()[rows].astype(float)
    )
    edges = [
        measure_edges(inputs.pixels(rows[start : start + IMAGES_AT_ONCE]))
        for start in range(0, len(rows), IMAGES_AT_ONCE)
    ]
    return pd.concat([table, pd.concat(edges, ignore_index=True)], axis=1)


def measure_edges(pixels: Pixels) -> pd.DataFrame:
    """Give black rows and columns at the edges (share of the side), and the border's mean grey."""
    side = pixels.shape[-1]
    found = []
    for image, box in zip(pixels, find_pictures(pixels), strict=True):
        picture = image[box.top : box.bottom, box.left : box.right]
        ring = max(1, round(RING * min(picture.shape)))
        inner = picture[ring:-ring, ring:-ring]
        total = float(picture.sum(dtype=np.int64) - inner.sum(dtype=np.int64))
        found.append(
            {
                "black rows": 1 - (box.bottom - box.top) / side,
                "black columns": 1 - (box.right - box.left) / side,
                "border": total / max(picture.size - inner.size, 1) / 255,
            }
        )
    return pd.DataFrame(found)
