"""A label table's codes as targets: not mentioned is not known, and uncertain is a policy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data_cards.label_table import read_label_table, write_label_table
from joint.targets import finding_targets, severity_targets
from text_labeler.combined_table import make_table
from text_labeler.combining import CombineSettings, combine_votes
from text_labeler.label_matrix import LabelerVotes, join_votes
from vision.uncertain_labels import IgnoreSettings, OnesSettings, SoftSettings

SOFT = {f"edema_p{level}": [None, None, 0.1, 0.2] for level in range(4)}
SOFT["edema_p3"] = [None, None, 0.7, 0.2]
SOFT["edema_p2"] = [None, None, 0.1, 0.2]


def table(**columns):
    frame = pd.DataFrame({"edema_severity": pd.array([None, 2, 3, 0], dtype="Int8"), **columns})
    return frame.convert_dtypes(dtype_backend="numpy_nullable")


def test_severity_is_the_soft_label_else_the_grade_else_unknown():
    targets = severity_targets(table(**SOFT))
    assert targets.known.tolist() == [False, True, True, True]
    assert targets.values[1].tolist() == [0, 0, 1, 0]
    assert targets.values[2] == pytest.approx([0.1, 0.1, 0.1, 0.7])
    assert targets.values[3] == pytest.approx([0.25] * 4)


def test_a_table_without_soft_labels_gives_its_grades():
    assert severity_targets(table()).values[3].tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("policy", "expected", "is_known"),
    [
        (SoftSettings(), [0.9, 0.0, 0.6, 0.0], [True, True, True, False]),
        (OnesSettings(), [1.0, 0.0, 1.0, 0.0], [True, True, True, False]),
        (IgnoreSettings(), [1.0, 0.0, 0.0, 0.0], [True, True, False, False]),
    ],
)
def test_uncertain_teaches_what_the_policy_says(policy, expected, is_known):
    frame = table(Edema=pd.array([1, 0, -1, None], dtype="Int8"), Edema_p=[0.9, None, 0.6, 0.3])
    values, known = finding_targets(frame, ["Edema", "Fracture"], uncertain=policy, seed=0)
    assert values[:, 0] == pytest.approx(expected)
    assert known[:, 0].tolist() == is_known
    assert not known[:, 1].any()
    assert values.dtype == np.float32


def test_a_combined_table_teaches_its_probabilities(tmp_path):
    """Three labelers that often disagree, and one study on which nobody votes."""
    rng = np.random.default_rng(0)
    ids = tuple(f"s{n}" for n in range(200))
    labelers = []
    for name in "abc":
        grades = rng.integers(0, 4, 200).astype(np.int8)
        votes = {"Edema": np.minimum(grades, 1), "edema_severity": grades}
        for given in votes.values():
            given[0] = -1
        labelers.append(LabelerVotes(name, name, ids, votes))
    matrix = join_votes(labelers).matrix
    combination = combine_votes(matrix, CombineSettings(sure=0.99))
    write_label_table(tmp_path / "combined.parquet", make_table(combination))
    table = read_label_table(tmp_path / "combined.parquet")
    severity = severity_targets(table)
    edema = finding_targets(table, ["Edema", "Fracture"], uncertain=SoftSettings(), seed=0)
    assert severity.known.tolist() == [False] + [True] * 199
    assert edema.known[:, 0].tolist() == severity.known.tolist()
    assert not edema.known[:, 1].any()
    soft = combination.probabilities
    assert severity.values[1:] == pytest.approx(soft["edema_severity"][1:], abs=1e-6)
    assert edema.values[1:, 0] == pytest.approx(soft["Edema"][1:, 1], abs=1e-6)
    assert (table["Edema"] == -1).any()
    assert table["edema_severity"].isna().sum() > 1
