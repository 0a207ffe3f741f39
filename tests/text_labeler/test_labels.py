"""What reports say, case by case, in tables a radiologist can read."""

from __future__ import annotations

import pytest

from tests.text_labeler.cases import FINDING_CASES, SEVERITY_CASES
from text_labeler import Labeler


@pytest.fixture(scope="module")
def labeler() -> Labeler:
    return Labeler("chexpert")


@pytest.mark.parametrize(("kind", "text", "finding", "label"), FINDING_CASES)
def test_finding_is_labelled_as_read(labeler, kind, text, finding, label):
    assert labeler(text).labels[finding] == label


@pytest.mark.parametrize(("text", "severity"), SEVERITY_CASES)
def test_severity_is_graded_as_read(labeler, text, severity):
    assert labeler(text).severity == severity


@pytest.mark.parametrize(
    ("text", "finding", "chexpert", "chestxray14"),
    [
        ("Pulmonary vascular congestion.", "Edema", 1, None),
        ("Congestive heart failure.", "Edema", 1, None),
        ("Heart size is at the upper limits of normal.", "Cardiomegaly", 0, 0),
        ("Borderline cardiomegaly.", "Cardiomegaly", -1, 1),
        ("Likely atelectasis.", "Atelectasis", -1, 1),
        ("Atelectasis versus scarring.", "Atelectasis", -1, 1),
        ("Nodular opacity in the left apex.", "Nodule", 1, -1),
        ("Thoracic scoliosis. The lungs are clear.", "No Finding", 1, 0),
        ("Cardiomegaly.", "No Finding", None, 0),
        ("Normal chest.", "No Finding", 1, 1),
    ],
)
def test_profiles_count_differently(labeler, text, finding, chexpert, chestxray14):
    assert labeler(text).labels[finding] == chexpert
    assert Labeler("chestxray14")(text).labels[finding] == chestxray14


def test_severity_profile_keeps_congestion_out_of_edema():
    result = Labeler("severity")("Mild pulmonary vascular congestion.")
    assert (result.labels["Edema"], result.severity) == (None, 1)


@pytest.mark.parametrize(
    ("text", "finding", "label"),
    [
        ("INDICATION: Pneumonia. FINDINGS: Clear lungs.", "Pneumonia", None),
        ("HISTORY: CHF.\nIMPRESSION: No edema.", "Edema", 0),
        ("Comparison: prior effusion\nFindings: Cardiomegaly.", "Pleural Effusion", None),
        ("TECHNIQUE: chest tube protocol. FINDINGS: Normal.", "Support Devices", None),
        ("FINDINGS: No pneumothorax.", "Pneumothorax", 0),
        ("FINDINGS\nNo effusion\n\nIMPRESSION\nPneumonia", "Pneumonia", 1),
        ("CLINICAL HISTORY: cough IMPRESSION: 1. Pneumonia.", "Pneumonia", 1),
        ("Impression: Pneumonia.\nRecommendation: CT to exclude mass.", "Mass", None),
        ("**IMPRESSION:** Pneumonia", "Pneumonia", 1),
        ("ADDENDUM: There is a small pneumothorax.", "Pneumothorax", 1),
        ("FINDINGS: LUNGS: Clear. HEART: Normal.", "Cardiomegaly", 0),
    ],
)
def test_only_sections_that_assert_count(labeler, text, finding, label):
    assert labeler(text).labels[finding] == label


def test_positive_goes_before_uncertain_before_negative(labeler):
    no, maybe, yes = "No pneumonia. ", "Possible pneumonia. ", "Pneumonia. "
    assert labeler(no + maybe).labels["Pneumonia"] == -1
    assert labeler(maybe + yes + no).labels["Pneumonia"] == 1


@pytest.mark.parametrize(
    ("text", "finding", "label"),
    [
        ("Focal consolidation, effusion, or pneumothorax.", "Pneumothorax", -1),
        ("Small effusion, atelectasis, or pneumothorax.", "Pleural Effusion", 1),
        ("Consolidation, effusion and pneumothorax.", "Pneumothorax", 1),
    ],
)
def test_a_denial_without_its_no_is_not_taken_for_a_finding(labeler, text, finding, label):
    assert labeler(text).labels[finding] == label


@pytest.mark.parametrize(
    ("findings", "impression", "label"),
    [
        ("Possible pneumonia.", "No pneumonia.", 0),
        ("Pneumonia.", "No pneumonia.", 1),
        ("Possible pneumonia.", "Pneumonia.", 1),
        ("No pneumonia.", "Possible pneumonia.", -1),
        ("Possible pneumonia.", "No effusion.", -1),
    ],
)
def test_an_impression_settles_what_the_findings_suspect(labeler, findings, impression, label):
    report = f"FINDINGS: {findings}\nIMPRESSION: {impression}"
    assert labeler(report).labels["Pneumonia"] == label


def test_an_addendum_decides_against_all_above_it(labeler):
    report = "IMPRESSION: Pneumonia.\nADDENDUM: On review there is no pneumonia."
    assert labeler(report).labels["Pneumonia"] == 0


def test_probabilities_follow_how_sure_the_report_is(labeler):
    texts = [
        "No edema.",
        "Edema is unlikely.",
        "Cannot exclude edema.",
        "Possible edema.",
        "Edema.",
    ]
    values = [labeler(text).probabilities["Edema"] for text in texts]
    assert values == sorted(values)
    assert labeler("Clear lungs.").probabilities["Edema"] is None


def test_severity_probabilities_sum_to_one_and_peak_at_the_level(labeler):
    for text, severity in SEVERITY_CASES:
        probabilities = labeler(text).severity_probabilities
        assert (probabilities is None) == (severity is None)
        if probabilities is not None:
            assert sum(probabilities) == pytest.approx(1)
            assert probabilities[severity] == max(probabilities)


def test_hedging_spreads_the_severity(labeler):
    sure = labeler("Severe pulmonary edema.").severity_probabilities
    likely = labeler("Likely severe pulmonary edema.").severity_probabilities
    possible = labeler("Possible severe pulmonary edema.").severity_probabilities
    assert sure[3] > likely[3] > possible[3]
    assert sure[0] < likely[0] < possible[0]


def test_denying_overt_edema_says_less_than_denying_edema(labeler):
    overt = labeler("No overt pulmonary edema.").severity_probabilities
    any_edema = labeler("No pulmonary edema.").severity_probabilities
    assert overt[0] < any_edema[0]
