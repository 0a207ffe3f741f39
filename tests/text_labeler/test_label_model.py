"""The label model against a slow EM, crowd-kit, and planted labelers."""

import numpy as np
import pytest

from text_labeler.label_model import (
    LabelModelSettings,
    VoteError,
    fit_label_model,
    imply_finding,
)

ACCURACIES = np.array([0.95, 0.85, 0.75, 0.7, 0.65])


def plant(seed, studies=2000, accuracies=ACCURACIES, prior=(0.7, 0.3), coverage=1.0):
    """Truth and votes whose errors fall evenly on the other classes."""
    rng = np.random.default_rng(seed)
    classes = len(prior)
    truth = rng.choice(classes, studies, p=prior)
    right = rng.random((studies, len(accuracies))) < accuracies
    wrong = (truth[:, None] + rng.integers(1, classes, right.shape)) % classes
    votes = np.where(right, truth[:, None], wrong)
    votes[rng.random(right.shape) >= coverage] = -1
    return truth.astype(np.int8), votes.astype(np.int8)


def slow_em(votes, classes, iterations):
    """Dawid–Skene study by study, with abstention ignored and no prior counts."""
    studies, labelers = votes.shape
    posterior = np.array([np.bincount(row[row >= 0], minlength=classes) for row in votes])
    posterior = posterior / posterior.sum(axis=1, keepdims=True)
    for _ in range(iterations):
        prior = posterior.mean(axis=0)
        confusion = np.zeros((labelers, classes, classes))
        for study in range(studies):
            for labeler in range(labelers):
                if votes[study, labeler] >= 0:
                    confusion[labeler, :, votes[study, labeler]] += posterior[study]
        confusion /= confusion.sum(axis=2, keepdims=True)
        for study in range(studies):
            joint = prior.copy()
            for labeler in range(labelers):
                if votes[study, labeler] >= 0:
                    joint *= confusion[labeler, :, votes[study, labeler]]
            posterior[study] = joint / joint.sum()
    return posterior


@pytest.mark.parametrize("prior", [(0.6, 0.4), (0.4, 0.3, 0.2, 0.1)])
def test_equals_a_slow_em(prior):
    _, votes = plant(1, 200, prior=prior, coverage=0.9)
    votes = votes[(votes >= 0).any(axis=1)]
    slow = slow_em(votes, len(prior), 61)  # our start from majority vote is the first step
    settings = LabelModelSettings(
        len(prior), pseudo_count=0, restarts=1, max_iterations=60, tolerance=0
    )
    fit = fit_label_model(votes, settings)
    assert fit.probabilities == pytest.approx(slow, abs=1e-6)


@pytest.mark.filterwarnings("ignore:The (inplace|copy) keyword")  # crowd-kit 1.4.2 with pandas 3
def test_equals_crowd_kit():
    aggregation = pytest.importorskip("crowdkit.aggregation")
    pandas = pytest.importorskip("pandas")
    _, votes = plant(2, 500, prior=(0.5, 0.3, 0.2))
    rows = [(s, w, int(v)) for s, row in enumerate(votes) for w, v in enumerate(row)]
    table = pandas.DataFrame(rows, columns=["task", "worker", "label"])
    theirs = aggregation.DawidSkene(n_iter=500, tol=1e-10).fit_predict_proba(table)
    settings = LabelModelSettings(3, pseudo_count=0, restarts=1, tolerance=1e-11)
    ours = fit_label_model(votes, settings).probabilities
    assert ours == pytest.approx(theirs.sort_index()[[0, 1, 2]].to_numpy(), abs=1e-3)


@pytest.mark.parametrize(
    ("prior", "confusion"), [((0.7, 0.3), "full"), ((0.4, 0.3, 0.2, 0.1), "by_offset")]
)
@pytest.mark.parametrize("seed", range(3))
def test_recovers_planted_accuracies_and_beats_majority(prior, confusion, seed):
    truth, votes = plant(seed, prior=prior)
    fit = fit_label_model(votes, LabelModelSettings(len(prior), confusion=confusion))
    assert np.abs(fit.accuracies - (votes == truth[:, None]).mean(axis=0)).max() < 0.03
    counts = np.stack([(votes == k).sum(axis=1) for k in range(len(prior))], axis=1)
    majority = (counts.argmax(axis=1) == truth).mean()
    assert (fit.probabilities.argmax(axis=1) == truth).mean() > majority
    assert fit.convergence.converged
    assert not fit.warnings


@pytest.mark.parametrize("confusion", ["full", "by_offset"])
@pytest.mark.parametrize("abstention", ["ignored", "informative"])
@pytest.mark.parametrize("seed", range(4))
def test_objective_never_falls(confusion, abstention, seed):
    rng = np.random.default_rng(seed)
    classes = 2 + 2 * (seed % 2)
    lowest = -2 if classes == 2 else -1
    votes = rng.integers(lowest, classes, (60, 4)).astype(np.int8)
    truth = np.where(rng.random(60) < 0.1, rng.integers(0, classes, 60), -1).astype(np.int8)
    settings = LabelModelSettings(
        classes,
        confusion,
        abstention,
        groups=("a", "a", "b", "c"),
        uncertain_positive=0.7,
        max_iterations=60,
        restarts=2,
    )
    fit = fit_label_model(votes, settings, truth=truth)
    assert fit.convergence.monotone
    assert fit.probabilities.sum(axis=1) == pytest.approx(1)
    assert fit.parameters.confusion.sum(axis=2) == pytest.approx(1)


def test_by_offset_ties_cells_of_one_distance():
    _, votes = plant(3, prior=(0.25,) * 4)
    matrix = fit_label_model(votes, LabelModelSettings(4, "by_offset")).parameters.confusion[1]
    assert matrix[1, 2] / matrix[1, 1] == pytest.approx(matrix[2, 3] / matrix[2, 2])
    assert matrix[1, 0] / matrix[1, 1] == pytest.approx(matrix[3, 2] / matrix[3, 3])


def test_audited_reads_stay_and_teach():
    truth, votes = plant(4, accuracies=np.array([0.9, 0.6]))
    audited = np.where(np.arange(len(truth)) < 500, truth, -1).astype(np.int8)
    fit = fit_label_model(votes, truth=audited)
    assert (fit.probabilities[:500].argmax(axis=1) == truth[:500]).all()
    assert fit.probabilities[:500].max(axis=1) == pytest.approx(1)
    assert fit.accuracies == pytest.approx([0.9, 0.6], abs=0.05)
    assert not fit.warnings


def test_silence_can_speak():
    truth, votes = plant(5, accuracies=np.array([0.9, 0.9, 0.9]))
    silent = np.random.default_rng(0).random(votes.shape) < np.where(truth, 0.1, 0.8)[:, None]
    votes[silent] = -1
    nobody = (votes == -1).all(axis=1)
    fit = fit_label_model(votes, LabelModelSettings(abstention="informative"))
    ignored = fit_label_model(votes)
    assert fit.probabilities[nobody, 1].max() < 0.05 < ignored.probabilities[nobody, 1].min()


def test_uncertain_is_a_soft_vote():
    _, votes = plant(6)
    votes = np.vstack([votes, [[-2, -1, -1, -1, -1]]]).astype(np.int8)
    low, high = (
        fit_label_model(votes, LabelModelSettings(uncertain_positive=p)).probabilities[-1, 1]
        for p in (0.1, 0.9)
    )
    assert low < 0.3 < high


def test_a_group_counts_once():
    _, votes = plant(7)
    copies = np.column_stack([votes[:, :4], votes[:, 3], votes[:, 3]])
    alone = fit_label_model(votes[:, :4], LabelModelSettings(pseudo_count=0))
    grouped = fit_label_model(copies, LabelModelSettings(groups=(0, 1, 2, 3, 3, 3), pseudo_count=0))
    assert grouped.probabilities == pytest.approx(alone.probabilities, abs=1e-3)


def test_shared_errors_are_flagged():
    _, votes = plant(8)
    assert not fit_label_model(votes).dependent
    copied = np.random.default_rng(1).random(len(votes)) < 0.5
    votes[copied, 4] = votes[copied, 3]
    assert [(pair.first, pair.second) for pair in fit_label_model(votes).dependent] == [(3, 4)]


def test_says_where_data_cannot_identify_the_model():
    _, votes = plant(9)
    assert "2 effective" in fit_label_model(votes[:, :2]).warnings[0]
    grouped = fit_label_model(votes, LabelModelSettings(groups=(0, 0, 0, 0, 1)))
    assert "2 effective" in grouped.warnings[0]
    apart = np.full((9, 3), -1, dtype=np.int8)
    apart[np.arange(9), np.arange(9) % 3] = np.arange(9) // 3 % 2
    assert "no study has votes of two labelers" in fit_label_model(apart).warnings
    assert "nobody ever voted for class 1" in fit_label_model(votes * 0).warnings


def test_same_seed_same_answer():
    _, votes = plant(10, 300)
    one, two = fit_label_model(votes), fit_label_model(votes)
    assert (one.probabilities == two.probabilities).all()
    assert len(one.convergence.starts) == LabelModelSettings().restarts


def test_a_grade_implies_its_finding():
    grade = np.array([[0.1, 0.5, 0.3, 0.1], [0.9, 0.1, 0, 0]])
    assert imply_finding(grade, np.array([0.2, 0.4])) == pytest.approx([0.9, 0.4])
    with pytest.raises(VoteError, match="expected grade"):
        imply_finding(grade, np.array([0.2]))


@pytest.mark.parametrize(
    ("votes", "settings", "message"),
    [
        ([[0, 2]], {}, "in -2..1"),
        ([[0, -2]], {"classes": 4}, "in -1..3"),
        ([[]], {}, "not empty"),
        ([[0, 1]], {"groups": ("a",)}, "1 groups for 2"),
        ([[0, 1]], {"uncertain_positive": 2.0}, "uncertain_positive"),
        ([[0, 1]], {"restarts": 0}, "restarts"),
    ],
)
def test_refuses_what_it_cannot_take(votes, settings, message):
    with pytest.raises(VoteError, match=message):
        fit_label_model(np.array(votes, dtype=np.int8), LabelModelSettings(**settings))


def test_refuses_votes_between_whole_numbers():
    with pytest.raises(VoteError, match="a vote must be a whole number, not float64"):
        fit_label_model(np.array([[0.0, 0.5]]))
