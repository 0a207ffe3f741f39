"""Every encoder family learns from grey images and can be explained; weights see grey as RGB."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.vision.encoder_families import FAMILIES, settings_of
from vision import encoders, named_networks
from vision.encoders import build_image_encoder
from vision.explain import explain_severity
from vision.tower import ImageTower, TowerSettings
from vision.transforms import prepare_images

TAUGHT = {
    *("resnet18", "densenet121", "googlenet", "efficientnet_b0", "SwinTransformer"),
    *("VisionTransformer", "test_efficientnet", "test_nfnet", "test_vit", "test_resnet"),
}
"""Stems with and without padding, plain, standardised or in patches; two normalisations."""


@pytest.mark.parametrize(("kind", "name", "arguments", "width", "side"), FAMILIES)
def test_families_learn_from_grey_and_are_explained(kind, name, arguments, width, side) -> None:
    torch.manual_seed(0)
    tower = ImageTower(
        TowerSettings(encoder=settings_of(kind, name, arguments), findings=("Edema",))
    ).train()
    images = torch.randn(2, 1, 64, 64)
    graded = tower(images)
    assert graded.features.shape == (2, width, side, side)
    assert tower.encoder.width == width
    (graded.severity_logits.sum() + graded.finding_logits.sum()).backward()
    assert [n for n, p in tower.named_parameters() if p.requires_grad and p.grad is None] == []
    tower.eval()
    with torch.no_grad():
        before = tower(images).severity_logits
        tower.to(memory_format=torch.channels_last)
        after = tower(images.to(memory_format=torch.channels_last)).severity_logits
    assert torch.allclose(before, after, atol=1e-4 * max(1.0, float(before.abs().max())))
    assert explain_severity(tower, images).shape == (2, 64, 64)


@pytest.mark.parametrize(
    ("kind", "name", "arguments"), [family[:3] for family in FAMILIES if family[1] in TAUGHT]
)
def test_trained_weights_see_grey_as_they_saw_it_thrice(
    kind, name, arguments, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    settings = settings_of(kind, name, arguments)
    taught = settings.model_copy(update={"pretrained": True})
    cut = named_networks.cut_network(settings, pretrained=False)
    monkeypatch.setattr(encoders, "cut_network", lambda *_, **__: cut)
    grey = torch.randint(0, 256, (2, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        expected = cut.trunk.eval()(normalise_thrice(grey, cut.mean, cut.deviation))
        found = build_image_encoder(taught).eval()(prepare_images(grey))
    assert torch.allclose(found, expected, atol=1e-4 * float(expected.abs().max()))


def normalise_thrice(grey: Tensor, mean: tuple[float, ...], deviation: tuple[float, ...]) -> Tensor:
    pixels = (grey / 255.0).unsqueeze(1).expand(-1, 3, -1, -1)
    return (pixels - torch.tensor(mean).reshape(3, 1, 1)) / torch.tensor(deviation).reshape(3, 1, 1)
