"""What labelers are like, on matrices small enough to count by hand, and against Snorkel."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from text_labeler.label_matrix import LabelMatrix
from text_labeler.label_model import LabelModelSettings, fit_label_model
from text_labeler.labeler_analysis import AnalysisError, analyse_labelers, measure_overlaps

VOTES = [
    # rules, regex, csv; the read
    (1, 1, -1, 1),
    (1, 0, -1, 1),
    (0, 0, 0, 0),
    (0, -1, -1, 1),
    (-2, 1, -1, 0),
    (-2, -1, -1, -1),
    (-1, 1, 1, 1),
    (-1, -1, -1, -1),
]


def matrix_of(columns):
    """A matrix from votes [studies, labelers] by column."""
    votes = np.stack([np.array(table, dtype=np.int8) for table in columns.values()])
    names = tuple(f"labeler {n}" for n in range(votes.shape[2]))
    studies = tuple(f"s{n}" for n in range(votes.shape[1]))
    return LabelMatrix(studies, names, tuple(columns), votes)


@pytest.fixture
def small():
    table = np.array(VOTES, dtype=np.int8)
    return matrix_of({"Edema": table[:, :3]}), table[:, 3][None, :]


def test_votes_coverage_overlaps_and_conflicts_are_as_counted_by_hand(small):
    matrix, _ = small
    rows = analyse_labelers(matrix, {}).rows
    assert [(row.votes, row.uncertain) for row in rows] == [((2, 2), 2), ((2, 3), 0), ((1, 1), 0)]
    assert [row.coverage for row in rows] == [6 / 8, 5 / 8, 2 / 8]
    # An uncertain vote is beside the other's in study 5, and against none.
    assert [row.overlaps for row in rows] == [4 / 8, 5 / 8, 2 / 8]
    assert [row.conflicts for row in rows] == [1 / 8, 1 / 8, 0]


def test_pairs_agree_as_counted_by_hand(small):
    matrix, _ = small
    first, second, third = analyse_labelers(matrix, {}).pairs
    # Both vote in studies 1 to 3: 1-1, 1-0, 0-0. By chance 4/9 agree.
    assert (first.first, first.second, first.both) == ("labeler 0", "labeler 1", 3)
    assert first.agreement == pytest.approx(2 / 3)
    assert first.kappa == pytest.approx((2 / 3 - 4 / 9) / (1 - 4 / 9))
    assert (second.both, second.agreement) == (1, 1)
    assert math.isnan(second.kappa)  # one class only: chance agrees as well
    assert (third.both, third.agreement, third.kappa) == (2, 1, 1)


def test_kappa_of_grades_is_weighted_by_the_square_of_their_distance():
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    grades = rng.integers(0, 4, (60, 1)) + rng.integers(-1, 2, (60, 2))
    table = np.clip(grades, 0, 3)
    pair = analyse_labelers(matrix_of({"edema_severity": table}), {}).pairs[0]
    weighted = sklearn.cohen_kappa_score(table[:, 0], table[:, 1], weights="quadratic")
    assert pair.kappa == pytest.approx(weighted)


def test_measured_accuracy_is_that_of_class_votes_with_jeffreys_interval(small):
    matrix, audited = small
    rules, regex, csv = analyse_labelers(matrix, {}, audited=audited).rows
    assert [(row.correct, row.incorrect) for row in (rules, regex, csv)] == [(3, 1), (3, 2), (2, 0)]
    assert rules.empirical_accuracy.value == 3 / 4
    assert rules.empirical_sensitivity.value == 2 / 3
    assert regex.empirical_specificity.value == 1 / 2
    for row in (rules, regex, csv):
        posterior = stats.beta(row.correct + 0.5, row.incorrect + 0.5)
        lower, upper = posterior.ppf([0.025, 0.975])
        assert row.empirical_accuracy.lower == pytest.approx(lower, abs=0.03)
        upper = upper if row.incorrect else 1  # the value itself belongs to its interval
        assert row.empirical_accuracy.upper == pytest.approx(upper, abs=0.03)


def test_studies_of_one_patient_widen_the_interval():
    truth = np.arange(40) % 2
    votes = np.where(np.arange(40) < 20, truth, 1 - truth)[:, None]
    matrix, reads = matrix_of({"Edema": votes}), truth.astype(np.int8)[None]
    alone = analyse_labelers(matrix, {}, audited=reads).rows[0].empirical_accuracy
    patients = [str(study // 10) for study in range(40)]
    grouped = analyse_labelers(matrix, {}, audited=reads, patients=patients).rows[0]
    assert grouped.empirical_accuracy.value == alone.value == 0.5
    assert grouped.empirical_accuracy.lower < alone.lower - 0.05
    assert grouped.empirical_accuracy.upper > alone.upper + 0.05


def planted(seed, studies=4000):
    """Three labelers of known accuracy, each silent on a third of the studies."""
    rng = np.random.default_rng(seed)
    truth = (rng.random(studies) < 0.3).astype(np.int8)
    right = rng.random((studies, 3)) < [0.95, 0.85, 0.75]
    votes = np.where(right, truth[:, None], 1 - truth[:, None]).astype(np.int8)
    votes[rng.random(votes.shape) < 1 / 3] = -1
    return truth, votes


def test_estimates_come_near_what_is_measured():
    truth, votes = planted(0)
    matrix = matrix_of({"Edema": votes})
    fits = {"Edema": fit_label_model(votes)}
    for row in analyse_labelers(matrix, fits, audited=truth[None]).rows:
        assert row.estimated_accuracy == pytest.approx(row.empirical_accuracy.value, abs=0.04)
        assert row.estimated_specificity == pytest.approx(row.empirical_specificity.value, abs=0.04)


def test_the_estimate_is_of_the_studies_that_a_labeler_votes_on():
    truth, votes = planted(1)
    votes[(truth == 0) & (votes[:, 0] == 0), 0] = -1  # the first speaks up for positives only
    matrix = matrix_of({"Edema": votes})
    fit = fit_label_model(votes, LabelModelSettings(abstention="informative"))
    row = analyse_labelers(matrix, {"Edema": fit}, audited=truth[None]).rows[0]
    assert row.estimated_accuracy == pytest.approx(row.empirical_accuracy.value, abs=0.05)
    assert fit.accuracies[0] < row.empirical_accuracy.value - 0.2  # at the prior it looks poor


@pytest.mark.parametrize(
    ("estimated", "contradicted"),
    [(0.3, True), (0.7, True), (0.92, False), (0.99, False), (1.0, False), (math.nan, False)],
)
def test_an_estimate_notably_outside_the_measured_interval_is_named(estimated, contradicted):
    reads = np.arange(200, dtype=np.int8) % 2
    votes = reads.copy()
    votes[:8] = 1 - votes[:8]  # 0.96 are right, 0.93 to 0.98
    row = analyse_labelers(matrix_of({"Edema": votes[:, None]}), {}, audited=reads[None]).rows[0]
    assert replace(row, estimated_accuracy=estimated).is_contradicted == contradicted


def test_pairs_that_share_their_errors_are_named_with_what_was_expected():
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 2, 4000)
    right = rng.random((4000, 5)) < 0.8
    right[:, 1] = np.where(rng.random(4000) < 0.3, right[:, 0], right[:, 1])
    votes = np.where(right, truth[:, None], 1 - truth[:, None]).astype(np.int8)
    fits = {"Edema": fit_label_model(votes)}
    analysis = analyse_labelers(matrix_of({"Edema": votes}), fits)
    (pair,) = analysis.dependent
    assert (pair.first, pair.second) == ("labeler 0", "labeler 1")
    assert pair.z > 4
    assert pair.expected < pair.agreement


def test_a_column_without_votes_has_no_numbers_and_no_error():
    matrix = matrix_of({"Edema": [[-1, -1], [-1, 1]]})
    fits = {"Edema": fit_label_model(matrix.column("Edema"))}
    silent, speaks = analyse_labelers(matrix, fits, audited=np.array([[0, -1]], np.int8)).rows
    assert (silent.coverage, silent.votes, speaks.votes) == (0, (0, 0), (0, 1))
    assert math.isnan(silent.estimated_accuracy)
    assert math.isnan(silent.empirical_accuracy.value)
    assert not math.isnan(speaks.estimated_accuracy)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"audited": np.zeros((1, 3), np.int8)}, r"audited reads must be \[1 columns, 8 studies\]"),
        ({"patients": ["a", "b"]}, "2 patients for 8 studies"),
    ],
)
def test_what_does_not_belong_to_the_matrix_is_refused(small, given, message):
    with pytest.raises(AnalysisError, match=message):
        analyse_labelers(small[0], {}, **given)


def test_a_fit_of_other_votes_is_refused(small):
    fits = {"edema_severity": fit_label_model(np.zeros((8, 3), np.int8), LabelModelSettings(4))}
    with pytest.raises(AnalysisError, match="fit of edema_severity"):
        analyse_labelers(small[0], fits)


@pytest.mark.filterwarnings("ignore:Input has data type:FutureWarning")  # SciPy's, of Snorkel
@pytest.mark.parametrize("classes", [2, 4])
def test_equals_snorkel(classes):
    snorkel = pytest.importorskip("snorkel.labeling", reason="Snorkel is not installed")
    rng = np.random.default_rng(classes)
    votes = rng.integers(-1, classes, (300, 5)).astype(np.int8)
    truth = rng.integers(0, classes, 300).astype(np.int8)
    theirs = snorkel.LFAnalysis(votes)
    ours = measure_overlaps(votes)
    assert ours.coverage == pytest.approx(theirs.lf_coverages())
    assert ours.overlaps == pytest.approx(theirs.lf_overlaps())
    assert ours.conflicts == pytest.approx(theirs.lf_conflicts())
    column = "Edema" if classes == 2 else "edema_severity"
    rows = analyse_labelers(matrix_of({column: votes}), {}, audited=truth[None]).rows
    voted = [[k for k, number in enumerate(row.votes) if number] for row in rows]
    assert voted == theirs.lf_polarities()
    accuracies = [row.empirical_accuracy.value for row in rows]
    assert accuracies == pytest.approx(theirs.lf_empirical_accuracies(truth))
