"""Deletion and insertion on a score that depends on one square alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vision.removal_curves import (
    centre_map,
    curve_area,
    random_map,
    removal_curves,
    shrink_mask,
)

SIDE = 16
SQUARE = (slice(4, 8), slice(8, 12))


def score_square(images: torch.Tensor) -> torch.Tensor:
    return images[:, 0, *SQUARE].mean(dim=(1, 2))


def square_map() -> np.ndarray:
    heatmap = np.zeros((SIDE, SIDE), np.float32)
    heatmap[SQUARE] = 1.0
    return heatmap


def curves_of(maps: dict[str, np.ndarray]) -> dict:
    image, black = torch.ones(1, SIDE, SIDE), torch.zeros(1, SIDE, SIDE)
    rng = np.random.default_rng(0)
    return removal_curves(score_square, image, black, maps=maps, steps=16, rng=rng)


def test_the_true_map_takes_all_of_the_score_first() -> None:
    # The square is one sixteenth of the image: gone after one of sixteen steps.
    curves = curves_of({"true": square_map()})["true"]
    assert curves.deletion.tolist() == [1.0] + [0.0] * 16
    assert curves.insertion.tolist() == [0.0] + [1.0] * 16
    assert curve_area(curves.deletion) == pytest.approx(1 / 32)
    assert curve_area(curves.insertion) == pytest.approx(1 - 1 / 32)


def test_the_true_map_beats_random_and_centre_maps() -> None:
    rng = np.random.default_rng(1)
    maps = {"true": square_map(), "centre": centre_map(SIDE)}
    maps |= {f"random {number}": random_map(SIDE, 4, rng) for number in range(5)}
    curves = curves_of(maps)
    for name in set(maps) - {"true"}:
        assert curve_area(curves["true"].deletion) < curve_area(curves[name].deletion), name
        assert curve_area(curves["true"].insertion) > curve_area(curves[name].insertion), name


def test_equal_heat_goes_in_random_order() -> None:
    # Ordered by place, the flat map would lose the square's rows one after another.
    flat = curves_of({"flat": np.zeros((SIDE, SIDE), np.float32)})["flat"]
    assert np.abs(flat.deletion - np.linspace(1, 0, 17)).max() < 0.2


def test_a_mask_shrinks_to_shares() -> None:
    mask = np.zeros((4, 4), bool)
    mask[0, :3] = True
    assert shrink_mask(mask, 2).tolist() == [[0.5, 0.25], [0.0, 0.0]]


def test_the_centre_map_is_highest_in_the_middle() -> None:
    centre = centre_map(4)
    assert centre.argmax() in (5, 6, 9, 10)
    assert centre[0, 0] == pytest.approx(centre[3, 3])
