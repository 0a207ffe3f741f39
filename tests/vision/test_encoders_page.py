"""What docs/encoders.md says of encoders and weights is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file

from tests.vision.encoder_families import settings_of
from vision.encoders import build_image_encoder

PAGE = (Path(__file__).parents[2] / "docs" / "encoders.md").read_text(encoding="utf-8")
ROWS = re.findall(
    r"^\|[^|]+\| (\w+) \| `?(\w*)`? ?\| (\d+)×(\d+)×\d+ \| ([\d.]+) \|", PAGE, re.MULTILINE
)


def test_the_table_has_rows_of_every_kind() -> None:
    assert {row[0] for row in ROWS} == {"torchvision", "timm", "chauhan2020"}
    assert len(ROWS) == PAGE.partition("## Weights")[0].count("\n| ") - 1


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1] or row[0])
def test_the_numbers_of_the_table_are_measured(row: tuple[str, ...]) -> None:
    kind, name, width, side, millions = row
    encoder = build_image_encoder(settings_of(kind, name or None, {})).eval()
    asked = encoder.side or (224 if name else 2048)
    with torch.no_grad():
        features = encoder(torch.zeros(1, 1, asked, asked))
    assert features.shape == (1, int(width), int(side), int(side))
    count = sum(parameter.numel() for parameter in encoder.parameters())
    assert round(count / 1e6, 1) == float(millions)


def test_the_line_that_converts_a_pth_works(tmp_path: Path) -> None:
    line = re.search(r'^python -c "(.*)" model\.pth model\.safetensors$', PAGE, re.MULTILINE)
    assert line
    state = torchvision.models.squeezenet1_1().state_dict()
    torch.save(state, tmp_path / "model.pth")
    subprocess.run(
        [sys.executable, "-c", line[1], "model.pth", "model.safetensors"], cwd=tmp_path, check=True
    )
    converted = load_file(tmp_path / "model.safetensors")
    assert converted.keys() == state.keys()
    assert all(torch.equal(converted[name], state[name]) for name in state)
