"""Grad-CAM maps point at what a grade comes from."""

from __future__ import annotations

import numpy as np
import torch

from tests.vision.examples import small_tower
from vision.explain import explain_finding, explain_severity, overlay
from vision.tower import ImageTower


def bright_spot_tower() -> ImageTower:
    """A tower whose first feature is brightness, and whose grade rises with it."""
    tower = small_tower()
    with torch.no_grad():
        tower.encoder.trunk = torch.nn.Sequential(
            torch.nn.AvgPool2d(8), torch.nn.Conv2d(1, tower.width, 1, bias=False)
        )
        tower.encoder.trunk[1].weight.zero_()[0] = 1.0
        tower.severity_head.score.weight.zero_()[0, 0] = 1.0
        assert tower.finding_head is not None
        tower.finding_head.weight.zero_()[1, 0] = -1.0
    return tower


def spots() -> torch.Tensor:
    images = torch.zeros(2, 1, 64, 64)
    images[0, 0, 8:16, 40:48] = 1.0
    images[1, 0, 48:56, 16:24] = 1.0
    return images


def test_the_peak_lies_on_what_raises_the_grade() -> None:
    maps = explain_severity(bright_spot_tower(), spots())
    assert maps.shape == (2, 64, 64)
    assert maps.dtype == np.float32
    assert maps.max(axis=(1, 2)).tolist() == [1.0, 1.0]
    assert maps.min() >= 0
    peaks = [np.unravel_index(m.argmax(), m.shape) for m in maps]
    assert [(8 <= y < 16, 40 <= x < 48) for y, x in peaks[:1]] == [(True, True)]
    assert [(48 <= y < 56, 16 <= x < 24) for y, x in peaks[1:]] == [(True, True)]


def test_what_speaks_against_a_finding_leaves_its_map_empty() -> None:
    maps = explain_finding(bright_spot_tower(), spots(), "Pleural Effusion")
    assert maps.max() == 0


def test_a_map_is_the_same_alone_and_leaves_the_tower_as_it_was() -> None:
    tower = small_tower().train()
    images = torch.randn(3, 1, 64, 64)
    together = explain_severity(tower, images)
    assert np.allclose(explain_severity(tower, images[1:2])[0], together[1], atol=1e-5)
    assert tower.training
    assert all(parameter.grad is None for parameter in tower.parameters())


def test_overlay_colours_only_where_there_is_heat() -> None:
    image = np.full((4, 4), 0.5, np.float32)
    heat = np.zeros((4, 4), np.float32)
    heat[0, 0] = 1.0
    mixed = overlay(image, heat)
    assert mixed.shape == (4, 4, 3)
    assert mixed[3, 3].tolist() == [128, 128, 128]
    assert mixed[0, 0, 0] > mixed[0, 0, 2]
