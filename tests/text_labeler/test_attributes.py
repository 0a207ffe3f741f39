"""A finding carries the side and the region that its sentence names for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from text_labeler import Labeler

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "attributes.yaml").read_text())


@pytest.fixture(scope="module")
def labeler():
    return Labeler()


@pytest.mark.parametrize(
    ("text", "finding", "expected"),
    [
        pytest.param(*row, id=f"{kind}-{row[0][:60]}-{row[1]}")
        for kind, rows in CASES.items()
        for row in rows
    ],
)
def test_attributes(labeler, text, finding, expected):
    found = [
        {"laterality": piece.laterality, "anatomy": piece.anatomy}
        for piece in labeler(text).evidence
        if piece.finding == finding
    ]
    assert any(piece == {**piece, **expected} for piece in found), found
