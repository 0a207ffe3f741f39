"""Every encoder family can be written as ONNX and gives torch's scores there."""

from __future__ import annotations

import pytest
import torch

from tests.vision.encoder_families import FAMILIES, settings_of
from vision.onnx_export import MOST_DIFFERENCE, convert_tower, measure_difference
from vision.tower import ImageTower, TowerSettings

SIDE = 64


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("kind", "name", "arguments"), [family[:3] for family in FAMILIES])
def test_families_are_the_same_in_onnx(kind, name, arguments) -> None:
    """With the input layer of pretrained weights, where the family has such."""
    torch.manual_seed(0)
    settings = settings_of(kind, name, arguments)
    if name is not None and name.islower():
        settings = settings.model_copy(update={"pretrained": True})
    tower_settings = TowerSettings(encoder=settings, findings=("Edema",))
    tower = ImageTower(tower_settings, load_pretrained=False).eval()
    model = convert_tower(tower, SIDE, {})
    assert measure_difference(model, tower, SIDE) <= MOST_DIFFERENCE
