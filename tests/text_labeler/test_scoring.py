"""Scores, checked by hand on a few studies."""

from __future__ import annotations

import pandas as pd
import pytest

from text_labeler.gold import read_gold
from text_labeler.score_levels import score_severity
from text_labeler.scoring import Aspect, ScoringError, score_findings


def _codes(**columns):
    frame = pd.DataFrame({"study_id": list("abcd"), **columns})
    return frame.astype(dict.fromkeys(columns, "Int8"))


def test_findings_by_hand():
    predicted = _codes(Edema=[1, 1, -1, None], Mass=[1, 0, 0, 0])
    truth = _codes(Edema=[1, 0, 1, -1], Mass=[1, 0, 0, 0])
    scores = score_findings(predicted, truth)
    edema, mass = scores.scores
    assert (edema.finding, edema.support) == ("Edema", 2)
    assert (edema.precision, edema.recall, edema.f1) == (0.5, 0.5, 0.5)
    assert mass.f1 == 1
    assert scores.micro.f1 == pytest.approx(4 / 6)
    assert scores.macro_f1 == pytest.approx(0.75)
    assert scores.only(["Mass"]).macro_f1 == 1


def test_other_aspects_can_be_scored():
    predicted, truth = _codes(Edema=[-1, -1, 0, None]), _codes(Edema=[-1, 1, 0, -1])
    uncertain = score_findings(predicted, truth, aspect=Aspect.UNCERTAINTY).scores[0]
    assert (uncertain.precision, uncertain.recall) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("uncertain_as", "hits", "false_alarms", "misses", "left_out"),
    [("absent", 1, 1, 1, 0), ("present", 3, 1, 1, 0), ("uncertain", 1, 0, 0, 4)],
)
def test_policies_for_uncertain_labels(uncertain_as, hits, false_alarms, misses, left_out):
    predicted = pd.DataFrame({"study_id": list("abcdef"), "Edema": [1, -1, -1, 1, None, 0]})
    truth = pd.DataFrame({"study_id": list("abcdef"), "Edema": [1, 1, 0, -1, -1, 0]})
    score = score_findings(predicted, truth, uncertain_as=uncertain_as).scores[0]
    assert (score.hits, score.false_alarms, score.misses) == (hits, false_alarms, misses)
    assert score.left_out == left_out


@pytest.mark.parametrize(
    ("aspect", "hits", "false_alarms", "misses"),
    [("presence", 1, 0, 1), ("mention", 4, 1, 1), ("negation", 1, 2, 0), ("uncertainty", 1, 0, 1)],
)
def test_aspects_as_in_the_chexpert_paper(aspect, hits, false_alarms, misses):
    ids = list("abcdefg")
    predicted = pd.DataFrame({"study_id": ids, "Edema": [1, 0, 0, 0, None, None, -1]})
    truth = pd.DataFrame({"study_id": ids, "Edema": [1, 0, 1, None, None, -1, -1]})
    score = score_findings(predicted, truth, aspect=Aspect(aspect)).scores[0]
    assert (score.hits, score.false_alarms, score.misses) == (hits, false_alarms, misses)


def test_findings_of_a_users_own_rules_are_scored(tmp_path):
    predicted = pd.DataFrame({"study_id": ["a", "b"], "Kyphosis": [1, 0], "Kyphosis_p": [1.0, 0.0]})
    file = tmp_path / "gold.csv"
    file.write_text("study_id,Kyphosis\na,1\nb,1\n")
    gold = read_gold(file, ["Kyphosis"])
    assert [score.recall for score in score_findings(predicted, gold.findings).scores] == [0.5]


def test_studies_of_one_patient_are_counted_together():
    predicted, truth = _codes(Edema=[1, 1, 0, 0]), _codes(Edema=[1, 0, 1, 0])
    truth["patient_id"] = ["p", "p", None, "q"]
    tallies = score_findings(predicted, truth).tallies[:, 0]
    assert tallies.tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 0]]


def test_severity_by_hand():
    predicted = _codes(edema_severity=[0, 1, 3, None])
    truth = _codes(severity=[0, 2, 3, 1])
    scores = score_severity(predicted, truth)
    assert scores.coverage == 0.75
    assert scores.accuracy == pytest.approx(2 / 3)
    assert scores.confusion[2].tolist() == [0, 1, 0, 0, 0]
    assert scores.macro_f1 == pytest.approx((1 + 0 + 0 + 1) / 4)
    # observed: one pair off by one; expected by chance: (1/3) x sum of squared distances
    assert scores.quadratic_kappa == pytest.approx(
        1 - 1 / ((0 + 1 + 9 + 4 + 1 + 1 + 9 + 4 + 0) / 3)
    )


def test_studies_of_the_reference_without_a_level_count_for_coverage():
    predicted = _codes(edema_severity=[0, 1, None, None])
    truth = _codes(severity=[0, None, None, None]).assign(group=["", "x", "x", "y"])
    scores = score_severity(predicted, truth)
    assert scores.unleveled["x"].tolist() == [0, 1, 0, 0, 1]
    assert scores.coverage == 0.5


def test_gold_of_open_i_is_told_by_its_columns(tmp_path):
    file = tmp_path / "gold.csv"
    file.write_text("uid,Effusion,Edema,Hernia,normal\n7,1,0,0,0\n8,0,1,0,1\n")
    gold = read_gold(file)
    assert gold.presence_only
    assert list(gold.findings) == ["study_id", "No Finding", "Edema", "Pleural Effusion"]
    assert gold.findings.loc[0, "Pleural Effusion"] == 1
    file.write_text(
        "uid,mesh,edema_level_from_mesh,edema_coded_without_level\n7,x,1.0,0\n8,y,,1\n9,z,,0\n"
    )
    gold = read_gold(file)
    assert gold.severity["severity"].tolist()[0] == 1
    assert gold.severity["group"].tolist()[1:] == ["edema, no level", "not coded"]


def test_known_truth_of_what_a_report_says_goes_before_the_image(tmp_path):
    file = tmp_path / "truth.csv"
    file.write_text(
        "study_id,severity,reported_severity,states_severity,Edema,Edema_reported\n"
        "a,3,2,True,1,-1\nb,3,2,False,1,\n"
    )
    gold = read_gold(file)
    assert gold.findings["Edema"].tolist()[0] == -1
    assert gold.severity["severity"].isna().tolist() == [False, True]
    assert gold.severity["severity"].tolist()[0] == 2


def test_ids_of_a_gold_table_stay_as_written(tmp_path):
    file = tmp_path / "gold.csv"
    file.write_text("subject_id,study_id,Edema\n010,007,-1.0\n010,8,\n")
    gold = read_gold(file).findings
    assert gold["study_id"].tolist() == ["007", "8"]
    assert gold["patient_id"].tolist() == ["010", "010"]


@pytest.mark.parametrize(
    ("codes", "aspects"),
    [
        ("1 0 1", "presence"),
        ("1 0 ,", "presence mention negation"),
        ("1 -1 ,", "presence mention uncertainty"),
        ("1 0 -1", "presence negation uncertainty"),
    ],
)
def test_what_is_asked_is_what_the_codes_tell_apart(tmp_path, codes, aspects):
    file = tmp_path / "gold.csv"
    rows = [f"{n},{code.strip(',')}" for n, code in enumerate(codes.split())]
    file.write_text("\n".join(["study_id,Edema", *rows]) + "\n")
    assert list(read_gold(file).aspects) == aspects.split()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("study_id,Edema\na,1\nb,2\n", "row 2, Edema: 2 is not one of -1, 0, 1"),
        ("study_id,severity\na,0.5\n", "row 1, severity: 0.5 is not one of 0, 1, 2, 3"),
        ("study_id,Edema\na,1\na,0\n", "row 2, study_id: 1 study ids occur more"),
        ("study_id,Edema\na,1\n,0\n", "row 2, study_id: empty"),
        ("x,y\n1,2\n", "expected a column"),
        ("study_id,y\n1,2\n", "neither findings nor"),
        (None, "no such"),
    ],
)
def test_what_is_no_reference_is_refused(tmp_path, content, said):
    file = tmp_path / "gold.csv"
    if content:
        file.write_text(content)
    with pytest.raises(ScoringError, match=said):
        read_gold(file)


def test_no_study_in_common_is_refused():
    other = _codes(Edema=[1, 1, 1, 1]).assign(study_id=list("wxyz"))
    with pytest.raises(ScoringError, match="no study id"):
        score_findings(_codes(Edema=[1, 1, 1, 1]), other)
