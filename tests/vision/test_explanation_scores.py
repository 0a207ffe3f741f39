"""Scores of heatmaps that can be checked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vision.explanation_scores import energy_inside, pointing_hit, rank_correlation, widen
from vision.explanation_table import Comparison, compare, mean_intervals
from vision.intervals import Interval


def marked(*places: tuple[int, int], side: int = 5) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    for place in places:
        mask[place] = True
    return mask


def hot(heat: dict[tuple[int, int], float], side: int = 5) -> np.ndarray:
    heatmap = np.zeros((side, side), np.float32)
    for place, value in heat.items():
        heatmap[place] = value
    return heatmap


@pytest.mark.parametrize(
    ("heat", "hit"),
    [
        ({(1, 1): 1.0, (4, 4): 0.9}, 1.0),
        ({(1, 1): 0.9, (4, 4): 1.0}, 0.0),
        ({(1, 1): 1.0, (4, 4): 1.0}, 0.5),
        ({}, 0.0),
    ],
    ids=["peak inside", "peak outside", "two equal peaks", "empty map"],
)
def test_the_pointing_game_asks_where_the_peak_lies(heat, hit) -> None:
    assert pointing_hit(hot(heat), marked((1, 1), (1, 2))) == hit


def test_tolerance_widens_a_sign_by_distance() -> None:
    assert widen(marked((2, 2)), 1).sum() == 5
    assert widen(marked((2, 2)), 1.5).sum() == 9
    assert not widen(marked(), 3).any()


def test_energy_is_the_share_of_the_sum_inside() -> None:
    heatmap = hot({(0, 0): 0.5, (2, 2): 1.0, (4, 4): 0.5})
    assert energy_inside(heatmap, marked((2, 2), (3, 3))) == 0.5
    assert math.isnan(energy_inside(hot({}), marked((2, 2))))


def test_rank_correlation_sees_order_alone() -> None:
    ramp = np.arange(9, dtype=np.float32).reshape(3, 3)
    assert rank_correlation(ramp, ramp**3) == pytest.approx(1)
    assert rank_correlation(ramp, -ramp) == pytest.approx(-1)
    assert math.isnan(rank_correlation(ramp, np.zeros((3, 3), np.float32)))


def test_means_leave_out_images_without_a_value() -> None:
    values = {"heatmap": np.array([1.0, np.nan, 3.0])}
    interval = mean_intervals(values, ["a", "b", "c"], seed=0, resamples=200)["heatmap"]
    assert interval is not None
    assert interval.value == 2.0
    assert 1.0 <= interval.low <= interval.high <= 3.0


def test_a_comparison_pairs_the_images() -> None:
    heatmap = np.array([0.5, 0.6, 0.7, np.nan])
    checks = {
        "insertion": {"heatmap": heatmap, "random map": np.array([0.4, 0.5, 0.6, 9.0])},
        "deletion": {"heatmap": heatmap, "random map": np.array([0.4, 0.6, 0.9, 9.0])},
    }
    insertion, deletion = compare(checks, ["a", "b", "c", "d"], seed=0, resamples=200)
    assert insertion.difference is not None
    assert insertion.difference.value == pytest.approx(0.1)
    assert (insertion.wins, insertion.verdict) == (1.0, "better")
    assert deletion.wins == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("check", "low", "high", "verdict"),
    [
        ("insertion", 0.1, 0.2, "better"),
        ("insertion", -0.2, -0.1, "worse"),
        ("deletion", 0.1, 0.2, "worse"),
        ("deletion", -0.2, -0.1, "better"),
        ("pointing game", -0.1, 0.2, "no different"),
    ],
)
def test_the_verdict_asks_whether_zero_is_possible(check, low, high, verdict) -> None:
    difference = Interval((low + high) / 2, low, high, 10, 10)
    assert Comparison(check, "random map", None, None, difference, None).verdict == verdict
