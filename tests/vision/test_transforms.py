"""Preparing and augmenting batches."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2.functional import affine

from tests.vision.examples import draw_xray
from vision.transforms import (
    DEVIATION,
    MEAN,
    AugmentSettings,
    augment_images,
    prepare_images,
)

NOTHING = AugmentSettings(rotation_degrees=0, shift=0, scale=0, gain=0, gamma=0, contrast=0)
STRONG = AugmentSettings(
    rotation_degrees=20, shift=0.2, scale=0.3, gain=0.3, gamma=0.7, contrast=0.4
)


def batch(count: int = 4) -> torch.Tensor:
    stacked = np.stack([draw_xray(seed, height=64, width=64) for seed in range(count)])
    return torch.from_numpy(stacked)


def test_prepared_images_are_normalised() -> None:
    images = torch.tensor([[[0, 255]]], dtype=torch.uint8)
    prepared = prepare_images(images)
    assert prepared.shape == (1, 1, 1, 2)
    assert prepared.dtype == torch.float32
    assert prepared.flatten().tolist() == pytest.approx([-MEAN / DEVIATION, (1 - MEAN) / DEVIATION])


def test_no_change_asked_for_is_no_change() -> None:
    images = prepare_images(batch())
    assert torch.allclose(augment_images(images, NOTHING, range(4)), images, atol=1e-4)


def test_an_image_depends_on_its_own_seed_alone() -> None:
    images = prepare_images(batch())
    together = augment_images(images, STRONG, [5, 6, 7, 8])
    alone = augment_images(images[2:3], STRONG, [7])
    assert torch.equal(together[2:3], alone)
    assert torch.equal(augment_images(images, STRONG, [5, 6, 7, 8]), together)
    assert not torch.equal(augment_images(images[2:3], STRONG, [9]), alone)


def test_values_stay_in_the_range_of_real_images() -> None:
    changed = augment_images(prepare_images(batch(16)), STRONG, range(16)) * DEVIATION + MEAN
    assert changed.min() >= -1e-6
    assert changed.max() <= 1 + 1e-6


@pytest.mark.parametrize("seed", range(6))
def test_the_resampling_is_that_of_torchvision(seed: int) -> None:
    settings = NOTHING.model_copy(update={"rotation_degrees": 30, "shift": 0.1, "scale": 0.3})
    images = prepare_images(batch(1))
    ours = augment_images(images, settings, [seed]) * DEVIATION + MEAN
    rotation, down, right, scale = np.random.default_rng(seed).uniform(-1.0, 1.0, 7)[:4]
    angle, zoom = float(30 * rotation), float(1 + 0.3 * scale)
    # `augment_images` shifts in the input; torchvision shifts what is turned and scaled already.
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    x, y = 6.4 * right, 6.4 * down
    theirs = affine(
        images * DEVIATION + MEAN,
        angle=-angle,
        translate=[-zoom * (cosine * x + sine * y), -zoom * (cosine * y - sine * x)],
        scale=zoom,
        shear=[0.0, 0.0],
        interpolation=InterpolationMode.BILINEAR,
    )
    assert torch.allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "axis"), [({"shift": 0.2}, None), ({"rotation_degrees": 30}, None)]
)
def test_left_stays_left(change: dict[str, float], axis: None) -> None:
    image = torch.zeros(1, 64, 64, dtype=torch.uint8)
    image[:, 26:38, 8:18] = 255
    settings = NOTHING.model_copy(update=change)
    moved = set()
    for seed in range(20):
        grey = augment_images(prepare_images(image), settings, [seed]) * DEVIATION + MEAN
        columns = grey[0, 0].sum(dim=0)
        centre = float((columns * torch.arange(64)).sum() / columns.sum())
        assert centre < 32
        moved.add(round(centre, 3))
    assert len(moved) > 10, "it does move"


def test_seeds_and_images_must_match() -> None:
    with pytest.raises(ValueError, match="3 seeds for 4 images"):
        augment_images(prepare_images(batch()), NOTHING, [1, 2, 3])


@pytest.mark.parametrize("shape", [(3, 1, 20, 20), (2, 1, 9, 16)])
def test_the_grid_is_that_of_torch(shape):
    from torch.nn.functional import affine_grid

    from vision.transforms import _sampling_grid

    matrix = torch.randn(shape[0], 2, 3, generator=torch.Generator().manual_seed(0))
    expected = affine_grid(matrix, list(shape), align_corners=False)
    torch.testing.assert_close(_sampling_grid(matrix, *shape[2:]), expected)
