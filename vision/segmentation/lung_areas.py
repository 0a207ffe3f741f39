"""What a lung mask says in numbers: areas, sides, pieces, and what is unusual about it."""

from __future__ import annotations

from dataclasses import dataclass

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
    right, left = _tell_sides(pieces, mask.size)
    return LungAreas(
        share=share,
        right=right,
        left=left,
        area_cm2=None if spacing_mm is None else _area_cm2(mask, spacing_mm),
        pieces=len(pieces),
        warnings=tuple(_find_warnings(share, right, len(pieces), usual)),
    )


def find_pieces(mask: Bools) -> list[Bools]:
    """Give the connected pieces of a mask [h, w], the largest first."""
    numbered, _ = label(mask, structure=NEIGHBOURS)
    areas = np.bincount(numbered.ravel())[1:]
    order = np.argsort(-areas, kind="stable")
    return [numbered == number + 1 for number in order]


def keep_largest(mask: Bools, count: int) -> Bools:
    """Keep the `count` largest pieces of a mask [h, w]."""
    kept = np.zeros_like(mask)
    for piece in find_pieces(mask)[:count]:
        kept |= piece
    return kept


def _tell_sides(pieces: list[Bools], pixels: int) -> tuple[float | None, float | None]:
    if len(pieces) < 2 or pieces[1].sum() < LEAST_SHARE_OF_OTHER * pieces[0].sum():
        return None, None
    first, second = sorted(pieces[:2], key=lambda piece: float(np.nonzero(piece)[1].mean()))
    return float(first.sum()) / pixels, float(second.sum()) / pixels


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
        found.append(
            f"lung area {share:.0%}: outside of the usual {usual[0]:.0%} to {usual[1]:.0%}"
        )
    return found
