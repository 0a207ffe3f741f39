"""Overlap and surface distances of masks, against slow references and numbers by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from torchmetrics.functional.classification import binary_accuracy, binary_jaccard_index
from torchmetrics.functional.segmentation import dice_score, hausdorff_distance

from vision.segmentation.mask_files import UNKNOWN
from vision.segmentation.metrics import (
    find_outline,
    mask_intervals,
    measure_mask,
    measure_overlap,
    measure_surfaces,
)


def blobs(seed: int, size: int = 24) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    mask = np.zeros((size, size), bool)
    for _ in range(3):
        centre, radius = rng.uniform(4, size - 4, 2), rng.uniform(2, 6)
        mask |= (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
    return mask


def slow_outline(mask: np.ndarray) -> list[tuple[int, int]]:
    """Pixels of a mask that have a neighbour outside, or none, one at a time."""
    height, width = mask.shape
    found = []
    for y, x in zip(*np.nonzero(mask), strict=True):
        around = [(y + a, x + b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
        if any(not (0 <= a < height and 0 <= b < width and mask[a, b]) for a, b in around):
            found.append((int(y), int(x)))
    return found


def slow_ways(own: list[tuple[int, int]], other: list[tuple[int, int]]) -> list[float]:
    return [min(((a - c) ** 2 + (b - d) ** 2) ** 0.5 for c, d in other) for a, b in own]


@pytest.mark.parametrize("seed", range(4))
def test_overlap_is_that_of_torchmetrics(seed: int) -> None:
    predicted, truth = blobs(seed), blobs(seed + 100)
    found = measure_overlap(predicted, truth.astype(np.uint8))
    both = torch.from_numpy(predicted), torch.from_numpy(truth).long()
    assert found["iou"] == pytest.approx(float(binary_jaccard_index(both[0].long(), both[1])))
    assert found["accuracy"] == pytest.approx(float(binary_accuracy(both[0].long(), both[1])))
    labels = [part.long()[None, None] for part in both]
    dice = dice_score(labels[0], labels[1], num_classes=1, input_format="one-hot")
    assert found["dice"] == pytest.approx(float(dice))


@pytest.mark.parametrize("seed", range(4))
def test_surface_distances_are_those_of_every_pair_of_outline_pixels(seed: int) -> None:
    predicted, truth = blobs(seed), blobs(seed + 50)
    outlines = slow_outline(predicted), slow_outline(truth)
    assert list(zip(*np.nonzero(find_outline(predicted)), strict=True)) == outlines[0]
    ways = slow_ways(*outlines), slow_ways(*outlines[::-1])
    found = measure_surfaces(predicted, truth.astype(np.uint8))
    every = np.array(ways[0] + ways[1])
    assert found["mean_surface_distance"] == pytest.approx(every.mean())
    largest = max(np.percentile(way, 95) for way in ways)
    assert found["surface_distance_95"] == pytest.approx(largest)
    assert found["surface_dice"] == pytest.approx((every <= 2).mean())


def test_the_largest_distance_bounds_the_95th_percentile() -> None:
    predicted, truth = blobs(1), blobs(51)
    labels = [torch.from_numpy(part).long()[None, None] for part in (predicted, truth)]
    largest = float(hausdorff_distance(labels[0], labels[1], 1, input_format="one-hot"))
    robust = measure_surfaces(predicted, truth.astype(np.uint8))["surface_distance_95"]
    assert 0 < robust <= largest


def test_a_square_moved_by_three_pixels_by_hand() -> None:
    truth = np.zeros((20, 20), np.uint8)
    truth[5:10, 5:10] = 1
    moved = np.roll(truth, 3, axis=1) == 1
    found = measure_mask(moved, truth)
    assert found["dice"] == pytest.approx(2 * 10 / 50)
    assert found["iou"] == pytest.approx(10 / 40)
    assert found["accuracy"] == pytest.approx(1 - 30 / 400)
    # Sides of 16 pixels each: 3 away on one side, and 3, 2 or 1 up to the other's edge.
    assert found["surface_distance_95"] == 3
    assert found["surface_distance_95_share"] == 3 / 20


@pytest.mark.parametrize(
    ("predicted", "truth", "dice", "distance", "surface_dice"),
    [(0, 0, 1.0, 0.0, 1.0), (1, 1, 1.0, 0.0, 1.0), (0, 1, 0.0, np.nan, 0.0), (1, 0, 0, np.nan, 0)],
    ids=["both empty", "both full", "nothing found", "nothing there"],
)
def test_empty_masks_are_defined(
    predicted: int, truth: int, dice: float, distance: float, surface_dice: float
) -> None:
    found = measure_mask(np.full((8, 8), predicted == 1), np.full((8, 8), truth, np.uint8))
    assert found["dice"] == dice
    np.testing.assert_equal(found["mean_surface_distance"], distance)
    assert found["surface_dice"] == surface_dice


def test_pixels_of_unknown_truth_count_in_nothing() -> None:
    truth = np.zeros((16, 16), np.uint8)
    truth[4:10, 4:10] = 1
    truth[:, 12:] = UNKNOWN
    predicted = truth == 1
    predicted[:, 12:] = True
    assert measure_mask(predicted, truth) == measure_mask(truth == 1, truth)
    assert measure_overlap(predicted, truth)["accuracy"] == 1


def test_intervals_draw_patients_and_leave_out_what_has_no_distance() -> None:
    table = pd.DataFrame({"dice": [0.9, 0.8, 0.7, 0.6], "mean_surface_distance": [1, 2, np.nan, 3]})
    found = mask_intervals(table, ["a", "a", "b", "c"], seed=0, resamples=200)
    dice, distance = found["dice"], found["mean_surface_distance"]
    assert dice is not None
    assert distance is not None
    assert dice.value == pytest.approx(0.75)
    assert (dice.n, dice.clusters) == (4, 3)
    assert distance.value == pytest.approx(2.0)
    assert dice.low < dice.value < dice.high
