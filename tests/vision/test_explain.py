"""Grad-CAM maps point at what a grade comes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.vision.encoder_families import SMALL_SWIN, SMALL_VIT, settings_of
from tests.vision.examples import FINDINGS, SMALL_DENSENET, small_tower
from vision.encoders import ChauhanEncoderSettings
from vision.explain import expected_grade, explain_finding, explain_severity, overlay
from vision.framing import CacheSettings
from vision.grader import Grader
from vision.torch_engine import TorchEngine
from vision.tower import ImageTower, TowerSettings


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


class GradeOf(torch.nn.Module):
    """A tower as pytorch-grad-cam wants a model: one column of numbers."""

    def __init__(self, tower: ImageTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return expected_grade(self.tower(images)).unsqueeze(1)


ENCODERS = {
    "DenseNet": SMALL_DENSENET,
    "ResNet": settings_of("timm", "test_resnet", {}),
    "ConvNeXt": settings_of("timm", "test_convnext", {}),
    "vision transformer": settings_of("torchvision", "VisionTransformer", SMALL_VIT),
    "Swin": settings_of("torchvision", "SwinTransformer", SMALL_SWIN),
    "regions": ChauhanEncoderSettings(widths=(8, 16)),
}


@pytest.mark.parametrize(
    ("name", "method"),
    [
        *((name, "HiResCAM") for name in ENCODERS),
        *((n, "GradCAM") for n in ENCODERS if n != "regions"),
    ],
)
def test_maps_are_those_of_pytorch_grad_cam(name: str, method: str) -> None:
    oracle = pytest.importorskip("pytorch_grad_cam", reason="grad-cam is not installed")
    targets = pytest.importorskip("pytorch_grad_cam.utils.model_targets")
    torch.manual_seed(3)
    tower = ImageTower(TowerSettings(encoder=ENCODERS[name], findings=FINDINGS)).eval()
    images = torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    with getattr(oracle, method)(GradeOf(tower), [tower.encoder]) as explainer:
        theirs = explainer(images, [targets.ClassifierOutputTarget(0)] * len(images))
    ours = explain_severity(tower, images)
    lowest = ours.min(axis=(1, 2), keepdims=True)
    spread = (ours - lowest).max(axis=(1, 2), keepdims=True)
    stretched = (ours - lowest) / np.where(spread > 0, spread, 1)
    assert np.ptp(theirs, axis=(1, 2)).max() > 0.9
    assert np.abs(stretched - theirs).max() < 1e-5


def test_what_one_region_says_stays_in_it() -> None:
    # A grade of the upper left quarter alone; Grad-CAM would colour all four.
    tower = ImageTower(TowerSettings(encoder=ENCODERS["regions"], findings=())).eval()
    with torch.no_grad():
        quarter = torch.zeros(tower.encoder.width, 2, 2)
        quarter[:, 0, 0] = 1.0
        tower.severity_head.score.weight.copy_(quarter.reshape(1, -1))
    maps = explain_severity(tower, torch.randn(1, 1, 256, 256))
    assert maps[0, :96, :96].max() == 1.0
    assert maps[0, 160:].max() == maps[0, :, 160:].max() == 0.0


def test_a_map_lies_on_its_place_at_full_resolution(tmp_path: Path) -> None:
    # 480 × 240 becomes 64 × 32 in a square of 64: scaled, and pushed down by the padding.
    pixels = np.full((240, 480), 114, np.uint8)
    pixels[60:120, 300:360] = 255
    Image.fromarray(pixels).save(tmp_path / "square.png")
    grader = Grader(engine=TorchEngine(bright_spot_tower()), input=CacheSettings(size=64))
    xray, heatmap = grader.explain(tmp_path / "square.png")
    assert heatmap.shape == xray.pixels.shape == (240, 480)
    rows, columns = np.indices(heatmap.shape)
    centre = [(heatmap * place).sum() / heatmap.sum() for place in (rows, columns)]
    assert np.allclose(centre, [89.5, 329.5], atol=3)
    assert heatmap[60:120, 300:360].min() > 0.2
    assert heatmap[:, :200].max() == 0
