"""Where lungs may lie: what is blacked out to see what a class can be told from without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from joint.trust.inputs import Masks, Pixels, TrustInputs

CENTRE = 0.5
HALF_WIDTH = 0.46
ABOVE, BELOW = 0.46, 0.42
ROUND, SQUARE = 2.2, 4.0
"""The zone is an ellipse above the middle, where lungs are narrow, and nearly a rectangle below.
Of human-made lung masks of 88 X-rays it covers 97 % of the lung, of the phantom's 99 %
(docs/trust_report.md)."""

DILATION = 0.03
"""Share of the side by which lungs are widened before they are hidden."""

BLACK = 8
"""Padding and shutters have no grey value above this."""


class Picture(NamedTuple):
    """Where the picture lies in its square, without black padding: ends are exclusive."""

    top: int
    bottom: int
    left: int
    right: int


def find_pictures(pixels: Pixels) -> list[Picture]:
    """Find the picture in each framed image [n, size, size]: what is not black at the edges."""
    side = pixels.shape[-1]
    tall, wide = pixels.max(axis=2) > BLACK, pixels.max(axis=1) > BLACK
    found = []
    for rows, columns in zip(tall, wide, strict=True):
        lit, across = np.flatnonzero(rows), np.flatnonzero(columns)
        whole = Picture(0, side, 0, side)
        found.append(
            Picture(int(lit[0]), int(lit[-1]) + 1, int(across[0]), int(across[-1]) + 1)
            if len(lit) and len(across)
            else whole
        )
    return found


def draw_zone(height: int, width: int) -> NDArray[np.bool_]:
    """Draw where lungs may lie in any frontal picture [height, width], generously."""
    down = (np.arange(height)[:, None] + 0.5) / height - CENTRE
    across = np.abs((np.arange(width)[None] + 0.5) / width - CENTRE) / HALF_WIDTH
    power = np.where(down < 0, ROUND, SQUARE)
    zone: NDArray[np.bool_] = (
        across**power + np.abs(down / np.where(down < 0, ABOVE, BELOW)) ** power < 1
    )
    return zone


def place_zones(pictures: Sequence[Picture], side: int) -> Masks:
    """Draw the zone into each picture of a square [n, side, side]."""
    zones = np.zeros((len(pictures), side, side), bool)
    for zone, (top, bottom, left, right) in zip(zones, pictures, strict=True):
        zone[top:bottom, left:right] = draw_zone(bottom - top, right - left)
    return zones


def find_lungs(inputs: TrustInputs, rows: NDArray[np.int64], pixels: Pixels) -> tuple[Masks, Masks]:
    """Give what to hide, lungs and all between them, and what to keep, lungs: [n, size, size] each.

    Without lung masks, or where one is empty, the zone is both.
    """
    zones = place_zones(find_pictures(pixels), pixels.shape[-1])
    if inputs.lung_masks is None:
        return zones, zones
    lungs = inputs.lung_masks(rows, pixels)
    reach = 2 * round(DILATION * pixels.shape[-1]) + 1
    lungs = maximum_filter(lungs, (1, reach, reach))
    hidden = np.maximum.accumulate(lungs, axis=2)
    hidden &= np.maximum.accumulate(lungs[..., ::-1], axis=2)[..., ::-1]
    empty = ~lungs.any(axis=(1, 2))
    lungs[empty], hidden[empty] = zones[empty], zones[empty]
    return hidden, lungs
