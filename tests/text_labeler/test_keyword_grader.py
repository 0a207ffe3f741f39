"""The founding paper's keyword labeler is reproduced with what it finds and what it misses."""

from __future__ import annotations

import pytest

from text_labeler.keyword_grader import KeywordGrader
from text_labeler.rule_files import RuleError


@pytest.fixture(scope="module")
def grader():
    return KeywordGrader()


@pytest.mark.parametrize(
    ("report", "level"),
    [
        ("Mild pulmonary vascular congestion.", 1),
        ("Cephalization and Kerley B lines.", 2),
        ("Severe pulmonary edema.", 3),
        ("Patchy opacities suggest pneumonia.", 3),  # its known false alarm
        ("No pulmonary edema.", 0),
        ("There is no evidence of fluid overload.", 0),
        ("Pulmonary edema is ruled out.", 0),
        ("No pleural effusion, but hilar engorgement.", 1),
        ("No change in the interstitial edema.", 2),
        ("Pulmonary vascular congestion without pulmonary edema.", 1),
        # what it is silent on, published with it
        ("Moderate pulmonary edema.", None),
        ("No Kerley lines.", None),
        ("The lungs are clear.", None),
        ("", None),
    ],
)
def test_level(grader, report, level):
    assert grader(report).severity == level


def test_evidence_shows_keyword_and_trigger(grader):
    report = "İ FINDINGS: There is NO overt Pulmonary Edema."
    (piece,) = grader(report).evidence
    assert report[piece.start : piece.end] == "Pulmonary Edema"
    assert report[piece.cue_start : piece.cue_end] == "NO"


def test_a_faulty_file_is_refused_with_its_line(tmp_path):
    path = tmp_path / "miccai2020.yaml"
    path.write_text("affirmed:\n  4: [edema]\ndenied: []\nmentioned: []\ntriggers: {}\n")
    with pytest.raises(RuleError, match="line 2"):
        KeywordGrader(path)
