"""What one heatmap is worth against a mask: the pointing game and the energy inside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.stats import rankdata

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]


def widen(mask: Mask, tolerance: float) -> Mask:
    """Add to a mask [h, w] every pixel within `tolerance` pixels of it; an empty one stays so."""
    if not mask.any():
        return mask
    near: Mask = np.asarray(distance_transform_edt(~mask)) <= tolerance
    return near


def pointing_hit(heatmap: Map, mask: Mask) -> float:
    """Say whether the map's highest pixel lies in the mask, both [h, w]: 1 or 0.

    Equal maxima share the hit, and an empty map points nowhere: 0. The pointing game of Zhang
    et al. 2018 (Int. J. Comput. Vis. 126:1084), whose tolerance `widen` gives.
    """
    peak = heatmap.max()
    return float(mask[heatmap == peak].mean()) if peak > 0 else 0.0


def energy_inside(heatmap: Map, mask: Mask) -> float:
    """Give the share of the map's sum that lies in the mask; NaN for an empty map.

    The energy-based pointing game of Wang et al. 2020 (Score-CAM, CVPR workshops).
    """
    total = float(heatmap.sum(dtype=np.float64))
    return float(heatmap[mask].sum(dtype=np.float64)) / total if total > 0 else float("nan")


def rank_correlation(first: Map, second: Map) -> float:
    """Give Spearman's ρ of two maps' pixels; NaN where one of them is constant."""
    ranks = [rankdata(pixels.ravel()) for pixels in (first, second)]
    centred = [r - r.mean() for r in ranks]
    scale = float(np.sqrt(np.square(centred[0]).sum() * np.square(centred[1]).sum()))
    return float(centred[0] @ centred[1]) / scale if scale > 0 else float("nan")
