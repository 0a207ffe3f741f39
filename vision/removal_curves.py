"""Deletion and insertion: how a score falls and rises as the pixels a heatmap names go and come.

Petsiuk et al. 2018 (RISE, BMVC). What is removed becomes the same place of another image, one that
does not show the target. The paper's fills don't serve here: a blurred, grey or black lung is
itself a sign (haze, or too much air), and raised the grade of a grader it was tried on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vision.explanation_scores import Map, Mask

CENTRE_SHARE = 0.25
"""Deviation of the centre map, a Gaussian, as a share of the side."""


class RemovalCurves(NamedTuple):
    """Scores [steps + 1] while no to all pixels are replaced, and while they are brought back."""

    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]


def removal_curves(
    score: Callable[[Tensor], Tensor],
    image: Tensor,
    replacement: Tensor,
    *,
    maps: Mapping[str, Map],
    steps: int,
    rng: np.random.Generator,
) -> dict[str, RemovalCurves]:
    """Score one image while its pixels are replaced, and brought back, in the order of each map.

    score: images [n, 1, h, w] → [n]; image, replacement: [1, h, w], prepared; maps: [h, w] by
    name. Pixels of equal heat go in random order.
    """
    shares = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    counts = (shares * image.numel()).round().to(image.device).reshape(-1, 1, 1, 1)
    frames = []
    for heatmap in maps.values():
        taken = torch.from_numpy(_rank_pixels(heatmap, rng)).to(image.device) < counts
        frames += [torch.where(taken, replacement, image), torch.where(taken, image, replacement)]
    with torch.no_grad():
        scores = score(torch.cat(frames)).double().cpu().numpy().reshape(len(maps), 2, steps + 1)
    return {name: RemovalCurves(*pair) for name, pair in zip(maps, scores, strict=True)}


def curve_area(curve: NDArray[np.float64]) -> float:
    """Give the area under a curve of evenly spaced points over [0, 1]."""
    return float((curve[:-1] + curve[1:]).mean() / 2)


def centre_map(side: int) -> Map:
    """Give the map that looks at the middle, whatever the image: a Gaussian [side, side]."""
    line = (np.arange(side) + 0.5) / side - 0.5
    bell = np.exp(-0.5 * np.square(line / CENTRE_SHARE))
    centre: Map = np.outer(bell, bell).astype(np.float32)
    return centre


def random_map(side: int, cells: int, rng: np.random.Generator) -> Map:
    """Give a map [side, side] of random values on `cells` × `cells` places, drawn out smoothly.

    With the grain of a Grad-CAM of as many cells: single random pixels would be noise, which
    upsets a network more than any missing region.
    """
    coarse = Image.fromarray(rng.random((cells, cells), dtype=np.float32))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BILINEAR))


def shrink_mask(mask: Mask, side: int) -> Map:
    """Give a square mask as a map [side, side]: the share of each pixel that lies inside."""
    drawn = Image.fromarray(mask.astype(np.float32))
    return np.asarray(drawn.resize((side, side), Image.Resampling.BOX))


def _rank_pixels(heatmap: Map, rng: np.random.Generator) -> NDArray[np.int64]:
    """Say for each pixel [h, w] how many go before it."""
    flat = heatmap.ravel()
    order = np.lexsort((rng.random(flat.size), -flat))
    place = np.empty(flat.size, np.int64)
    place[order] = np.arange(flat.size)
    return place.reshape(heatmap.shape)
