"""What a lung mask says in numbers: areas, sides, pieces, and what is unusual about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

Bools = NDArray[np.bool_]

LEAST_SHARE_OF_OTHER = 0.1
"""A second piece smaller than this share of the first is no lung."""
MM2_PER_CM2 = 100.0
NEIGHBOURS = np.ones((3, 3), dtype=int)


@dataclass(frozen=True)
class LungAreas:
    """Areas of a mask as shares of its image; cm² where the pixel spacing is known.

    right, left: the patient's, of the two largest pieces, as a frontal view shows them (the right
    lung lies left in the image); None where there are no two. area_cm2 is in the plane of the
    detector, which enlarges a chest by some percent. pieces: connected ones, corners included.
    """

    share: float
    right: float | None
    left: float | None
    area_cm2: float | None
    pieces: int
    warnings: tuple[str, ...]


def measure_lungs(
    mask: Bools,
    *,
    spacing_mm: tuple[float, float] | None = None,
    usual: tuple[float, float] | None = None,
) -> LungAreas:
    """Measure a lung mask [h, w]; usual: the shares between which most training masks lie."""
    pieces = find_pieces(mask)
    share = float(mask.mean())
    right, left = _tell_sides(pieces)
    return LungAreas(
        share=share,
        right=right,
        left=left,
        area_cm2=None if spacing_mm is None else _area_cm2(mask, spacing_mm),
        pieces=len(pieces.areas),
        warnings=tuple(_find_warnings(share, right, len(pieces.areas), usual)),
    )


class Pieces(NamedTuple):
    """The connected pieces of a mask, the largest first.

    numbered: [h, w], 0 outside, else the number of a piece; numbers, areas (pixels): of each.
    """

    numbered: NDArray[np.int32]
    numbers: NDArray[np.int64]
    areas: NDArray[np.int64]


def find_pieces(mask: Bools) -> Pieces:
    """Tell the connected pieces of a mask [h, w] apart; pixels that touch at a corner connect."""
    numbered, _ = label(mask, structure=NEIGHBOURS)
    areas = np.bincount(numbered.ravel())[1:]
    order = np.argsort(-areas, kind="stable")
    return Pieces(numbered, order + 1, areas[order])


def keep_largest(mask: Bools, count: int) -> Bools:
    """Keep the `count` largest pieces of a mask [h, w]."""
    pieces = find_pieces(mask)
    return np.isin(pieces.numbered, pieces.numbers[:count])


def _tell_sides(pieces: Pieces) -> tuple[float | None, float | None]:
    if len(pieces.areas) < 2 or pieces.areas[1] < LEAST_SHARE_OF_OTHER * pieces.areas[0]:
        return None, None
    middles = [
        float(np.nonzero(pieces.numbered == number)[1].mean()) for number in pieces.numbers[:2]
    ]
    shares = [float(area) / pieces.numbered.size for area in pieces.areas[:2]]
    first, second = np.argsort(middles, kind="stable").tolist()
    return shares[first], shares[second]


def _area_cm2(mask: Bools, spacing_mm: tuple[float, float]) -> float:
    return float(mask.sum()) * spacing_mm[0] * spacing_mm[1] / MM2_PER_CM2


def _find_warnings(
    share: float, right: float | None, pieces: int, usual: tuple[float, float] | None
) -> list[str]:
    if not pieces:
        return ["no lung found"]
    found = []
    if right is None:
        found.append("one lung: the two were not told apart, or one was not found")
    if usual is not None and not usual[0] <= share <= usual[1]:
        most = f"{usual[0]:.0%} to {usual[1]:.0%}"
        found.append(f"unusual lung area: {share:.0%}, most training masks have {most}")
    return found
