"""The label model against a slow EM, and what it does with each kind of vote."""

import numpy as np
import pytest

from benchmarks.planted_votes import FIVE, GRADES, Design, plant
from text_labeler.label_model import (
    LabelModelSettings,
    VoteError,
    fit_label_model,
)


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


@pytest.mark.parametrize("prior", [(0.6, 0.4), GRADES])
def test_equals_a_slow_em(prior):
    _, votes = plant(1, 200, Design(FIVE, prior, 0.9))
    votes = votes[(votes >= 0).any(axis=1)]
    slow = slow_em(votes, len(prior), 61)  # our start from majority vote is the first step
    settings = LabelModelSettings(
        len(prior), pseudo_count=0, restarts=1, max_iterations=60, tolerance=0
    )
    fit = fit_label_model(votes, settings)
    assert fit.probabilities == pytest.approx(slow, abs=1e-6)


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
    _, votes = plant(3, 2000, Design(FIVE, (0.25,) * 4))
    matrix = fit_label_model(votes, LabelModelSettings(4, "by_offset")).parameters.confusion[1]
    assert matrix[1, 2] / matrix[1, 1] == pytest.approx(matrix[2, 3] / matrix[2, 2])
    assert matrix[1, 0] / matrix[1, 1] == pytest.approx(matrix[3, 2] / matrix[3, 3])


def test_silence_can_speak():
    truth, votes = plant(5, 2000, Design((0.9,) * 3))
    silent = np.random.default_rng(0).random(votes.shape) < np.where(truth, 0.1, 0.8)[:, None]
    votes[silent] = -1
    nobody = (votes == -1).all(axis=1)
    fit = fit_label_model(votes, LabelModelSettings(abstention="informative"))
    ignored = fit_label_model(votes)
    assert fit.probabilities[nobody, 1].max() < 0.05 < ignored.probabilities[nobody, 1].min()


def test_uncertain_is_a_soft_vote():
    _, votes = plant(6, 2000, Design(FIVE))
    votes = np.vstack([votes, [[-2, -1, -1, -1, -1]]]).astype(np.int8)
    low, high = (
        fit_label_model(votes, LabelModelSettings(uncertain_positive=p)).probabilities[-1, 1]
        for p in (0.1, 0.9)
    )
    assert low < 0.3 < high


def doubt_by_one(studies, reads):
    """Four labelers; the first says uncertain of 20 % of what is absent and 5 % of what is there:
    nine in ten of these are absent."""
    truth, votes = plant(7, studies, Design((0.9, 0.85, 0.8, 0.8)))
    doubts = np.random.default_rng(0).random(studies) < np.where(truth, 0.05, 0.2)
    votes[doubts, 0] = -2
    audited = np.where(np.arange(studies) < reads, truth, -1).astype(np.int8)
    votes = np.vstack([votes, [[-2, -1, -1, -1]]]).astype(np.int8)
    return votes, np.append(audited, np.int8(-1))


@pytest.mark.parametrize(("labelers", "reads"), [(4, 0), (4, 200), (1, 200)])
def test_others_or_reads_teach_what_uncertain_means(labelers, reads):
    votes, audited = doubt_by_one(4000, reads)
    fit = fit_label_model(votes[:, :labelers], truth=audited)
    absent, present = fit.parameters.doubt[0]
    assert (absent, present) == pytest.approx((0.2, 0.05), abs=0.06)
    assert fit.probabilities[-1, 1] == pytest.approx(0.1, abs=0.06)
    assert fit.parameters.doubt[1:] == pytest.approx(0, abs=1e-6)


def test_fifty_reads_of_uncertain_votes_teach_what_they_mean():
    votes = np.full((200, 2), -2, np.int8)
    votes[100:] = [[1, 1], [0, 0]] * 50
    truth = np.full(200, -1, np.int8)
    truth[:50] = np.arange(50) % 10 == 0
    fit = fit_label_model(votes, truth=truth)
    assert fit.probabilities[50:100, 1].max() < 0.2
    neutral = fit_label_model(votes).probabilities[50:100, 1]
    assert neutral == pytest.approx(0.5, abs=0.05)


def test_a_doubt_that_all_share_is_no_class_of_its_own():
    """Where a report hedges, all labelers say so: that is no evidence of the finding."""
    truth, votes = plant(3, 2000, Design((0.9, 0.8, 0.75)))
    hedged = np.random.default_rng(1).random(2000) < 0.3
    votes[hedged] = -2
    sure = fit_label_model(votes[~hedged])
    fit = fit_label_model(votes)
    assert fit.accuracies == pytest.approx(sure.accuracies, abs=0.02)
    assert 0.1 < fit.probabilities[hedged, 1].mean() < 0.5
    assert truth.mean() == pytest.approx(fit.parameters.prior[1], abs=0.05)


def test_same_seed_same_answer():
    _, votes = plant(10, 300, Design(FIVE))
    one, two = fit_label_model(votes), fit_label_model(votes)
    assert (one.probabilities == two.probabilities).all()
    assert len(one.convergence.starts) == LabelModelSettings().restarts


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
