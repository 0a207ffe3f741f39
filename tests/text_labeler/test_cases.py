"""What reports mean, in tables by kind (`cases/`), written before and apart from the rules.

`gaps.yaml` lists what the rules still read wrongly, with the reason; a gap that closes fails its
test until it is taken off the list.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from text_labeler import Labeler

FOLDER = Path(__file__).parent / "cases"
GAPS = {
    (name, text, asked): why
    for name, gaps in yaml.safe_load((Path(__file__).parent / "gaps.yaml").read_text()).items()
    for text, asked, why in gaps
}
SAID = {1: "positive", 0: "negative", -1: "uncertain", None: "not mentioned"}
FINDING_FILES = (
    "negation", "uncertainty", "normal_structures", "change_and_history", "layout", "findings",
    "mixed_sources",
)  # fmt: skip


def list_cases(*names):
    """One test for each row; rows that gaps.yaml names are expected to fail."""
    for name in names:
        for kind, rows in yaml.safe_load((FOLDER / f"{name}.yaml").read_text()).items():
            for number, row in enumerate(rows, 1):
                gap = GAPS.get((name, *row[:2]))
                marks = [pytest.mark.xfail(reason=gap, strict=True)] if gap else []
                yield pytest.param(*row, id=f"{name}, {kind} {number}", marks=marks)


@pytest.fixture(scope="module")
def labeler():
    return Labeler()


@pytest.mark.parametrize(("text", "finding", "expected"), list(list_cases(*FINDING_FILES)))
def test_findings(labeler, text, finding, expected):
    assert SAID[labeler(text).labels[finding]] == expected


@pytest.mark.parametrize(("text", "level", "change"), list(list_cases("severity")))
def test_severity(labeler, text, level, change):
    result = labeler(text)
    assert (result.severity, result.severity_change) == (level, change)


def test_every_gap_names_a_case():
    cases = {
        (path.stem, *row[:2])
        for path in FOLDER.glob("*.yaml")
        for rows in yaml.safe_load(path.read_text()).values()
        for row in rows
    }
    assert set(GAPS) <= cases
