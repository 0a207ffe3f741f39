"""How often the rules read rows right that nobody looked at while writing them (`held_out/`).

Only totals are tested, and no row is ever shown: once rows are read to mend the rules, they belong
into `cases/`, and new ones must be written for here.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from text_labeler import Labeler

FOLDER = Path(__file__).parent / "held_out"
SAID = {1: "positive", 0: "negative", -1: "uncertain", None: "not mentioned"}


@pytest.fixture(scope="module")
def labeler():
    return Labeler()


def read_rows(name):
    groups = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return [row for rows in groups.values() for row in rows]


def test_findings_are_read_right_in_rows_never_looked_at(labeler):
    rows = read_rows("sentences")
    right = [SAID[labeler(text).labels[finding]] == label for text, finding, label in rows]
    assert len(rows) == 384
    print(f"{sum(right)} of {len(rows)} labels")  # noqa: T201  shown by `pytest -rP`
    assert sum(right) / len(rows) >= 0.97


def test_severity_and_change_are_read_right_in_rows_never_looked_at(labeler):
    rows = read_rows("severity")
    results = [labeler(text) for text, _, _ in rows]
    levels = [result.severity == row[1] for result, row in zip(results, rows, strict=True)]
    changes = [result.severity_change == row[2] for result, row in zip(results, rows, strict=True)]
    assert len(rows) == 120
    for name, hits in (("edema levels", levels), ("changes", changes)):
        print(f"{sum(hits)} of {len(rows)} {name}")  # noqa: T201
    assert sum(levels) / len(rows) >= 0.95
    assert sum(changes) / len(rows) >= 0.95
