"""Votes from which labelers' errors cannot be known, or that are not independent, are named."""

import numpy as np
import pytest

from benchmarks.planted_votes import FIVE, Design, plant
from text_labeler.label_model import LabelModelSettings, fit_label_model
from text_labeler.label_model_fit import group_patterns
from text_labeler.label_model_weights import weigh_votes


def votes_of(seed, accuracies=FIVE, studies=2000):
    return plant(seed, studies, Design(accuracies))


def without_overlap(votes):
    apart = np.full_like(votes, -1)
    own = np.arange(len(votes)) % votes.shape[1]
    apart[np.arange(len(votes)), own] = votes[np.arange(len(votes)), own]
    return apart


def in_a_chain(votes):
    """The first and the third never vote together."""
    chain = votes[:, :3].copy()
    chain[::2, 0] = -1
    chain[1::2, 2] = -1
    return chain


def with_a_column(votes, column):
    return np.column_stack([votes[:, :4], column]).astype(np.int8)


CASES = {
    "two labelers": (lambda v, t: v[:, :2], {}, "2 effective labelers"),
    "two groups": (lambda v, t: v, {"groups": (0, 0, 0, 0, 1)}, "2 effective labelers"),
    "no overlap": (lambda v, t: without_overlap(v), {}, "no study has votes of two labelers"),
    "a chain": (lambda v, t: in_a_chain(v), {}, "errors of labeler 0, labeler 1, labeler 2"),
    "few votes": (
        lambda v, t: with_a_column(v, np.where(np.arange(len(t)) < 3, t, -1)),
        {},
        "errors of labeler 4",
    ),
    "names": (
        lambda v, t: with_a_column(v, np.where(np.arange(len(t)) < 3, t, -1)),
        {"names": ("a", "b", "c", "d", "regex")},
        "errors of regex",
    ),
    "class nobody voted": (lambda v, t: v * 0, {}, "nobody ever voted for class 1"),
    "grade nobody voted": (lambda v, t: v, {"classes": 4}, "nobody ever voted for class 2, 3"),
    "silent labeler": (lambda v, t: with_a_column(v, -1 + 0 * t), {}, "never votes: labeler 4"),
    "silent labeler, silence informative": (
        lambda v, t: with_a_column(v, -1 + 0 * t),
        {"abstention": "informative"},
        "never votes: labeler 4",
    ),
    "one upside down": (
        lambda v, t: with_a_column(v, 1 - v[:, 4]),
        {},
        "worse than chance: labeler 4",
    ),
    "copies": (
        lambda v, t: with_a_column(v, v[:, 3]),
        {},
        "nearly the same votes, give them a group: labeler 3 and labeler 4",
    ),
    "too few iterations": (lambda v, t: v, {"max_iterations": 2}, "EM did not converge"),
}


@pytest.mark.parametrize("name", CASES)
def test_says_where_data_cannot_identify_the_model(name):
    change, settings, warning = CASES[name]
    truth, votes = votes_of(9)
    assert not fit_label_model(votes).warnings
    fit = fit_label_model(change(votes, truth), LabelModelSettings(**settings))
    assert any(warning in one for one in fit.warnings)
    assert np.isfinite(fit.probabilities).all()


def test_enough_audited_reads_identify_two_labelers_and_a_few_do_not():
    truth, votes = votes_of(9)
    reads = {n: np.where(np.arange(len(truth)) < n, truth, -1).astype(np.int8) for n in (5, 100)}
    assert "2 effective" in fit_label_model(votes[:, :2], truth=reads[5]).warnings[0]
    assert not fit_label_model(votes[:, :2], truth=reads[100]).warnings


def test_reads_count_only_where_a_labeler_votes():
    truth, votes = votes_of(9)
    reads = np.where(np.arange(len(truth)) < 60, truth, -1).astype(np.int8)
    votes = votes[:, :2].copy()
    votes[:40, 1] = -1
    (said,) = fit_label_model(votes, truth=reads).warnings
    assert "fewer than 30 audited reads on votes of labeler 1" in said
    said = fit_label_model(votes[:, :1]).warnings[0]
    assert said.startswith("1 effective labeler where 3 are needed")


def test_an_always_silent_labeler_changes_nothing():
    _, votes = votes_of(3)
    settings = LabelModelSettings(abstention="informative")
    alone = fit_label_model(votes[:, :4], settings)
    beside = fit_label_model(with_a_column(votes, np.full(len(votes), -1)), settings)
    assert beside.probabilities == pytest.approx(alone.probabilities, abs=1e-4)


def test_audited_reads_put_switched_classes_right():
    truth, votes = votes_of(1, (0.3, 0.25, 0.35, 0.2))
    switched = fit_label_model(votes).probabilities.argmax(axis=1)
    assert (switched == truth).mean() < 0.2  # without reads nobody can know
    audited = np.where(np.arange(len(truth)) < 50, truth, -1).astype(np.int8)
    fit = fit_label_model(votes, truth=audited)
    assert (fit.probabilities.argmax(axis=1) == truth)[50:].mean() > 0.8
    assert "worse than chance: labeler 0, labeler 1, labeler 2, labeler 3" in fit.warnings


@pytest.mark.parametrize("seed", range(3))
def test_starts_that_disagree_are_reported(seed):
    """Two pairs of labelers, each with a truth of its own: nothing says which is meant."""
    rng = np.random.default_rng(seed)
    latent = rng.integers(0, 2, (300, 2))[:, [0, 0, 1, 1]]
    votes = np.where(rng.random(latent.shape) < 0.1, 1 - latent, latent).astype(np.int8)
    votes = np.vstack([votes, votes[:, [2, 3, 0, 1]]])
    warnings = fit_label_model(votes, LabelModelSettings(restarts=8)).warnings
    assert any("another start fits as well with probabilities that differ" in w for w in warnings)


def copies_of_a_bad_labeler(seed, share):
    """Three of accuracy 0.6 that share so many of their votes, and two of 0.9."""
    truth, votes = votes_of(seed, (0.6, 0.6, 0.6, 0.9, 0.9))
    copied = np.random.default_rng(seed).random((len(votes), 2)) < share
    votes[:, 1:3] = np.where(copied, votes[:, :1], votes[:, 1:3])
    return truth, votes


@pytest.mark.parametrize("share", [1.0, 0.8, 0.5])
@pytest.mark.parametrize("seed", range(2))
def test_a_group_keeps_a_bad_majority_from_winning(share, seed):
    truth, votes = copies_of_a_bad_labeler(seed, share)
    fit = fit_label_model(votes, LabelModelSettings(groups=(0, 0, 0, 1, 2)))
    assert (fit.probabilities.argmax(axis=1) == truth).mean() > 0.9
    assert fit.accuracies == pytest.approx([0.6, 0.6, 0.6, 0.9, 0.9], abs=0.05)
    assert not fit.warnings


@pytest.mark.parametrize("share", [1.0, 0.8, 0.5])
@pytest.mark.parametrize("seed", range(2))
def test_without_groups_a_bad_majority_wins_and_is_flagged(share, seed):
    truth, votes = copies_of_a_bad_labeler(seed, share)
    fit = fit_label_model(votes)
    assert (fit.probabilities.argmax(axis=1) == truth).mean() < 0.65
    assert (3, 4) in [(pair.first, pair.second) for pair in fit.dependent]
    assert any("or the others share errors: labeler 3 and labeler 4" in w for w in fit.warnings)
    assert any("nearly the same votes" in w for w in fit.warnings) == (share == 1)


def test_a_group_counts_once():
    _, votes = votes_of(7)
    copies = np.column_stack([votes[:, :4], votes[:, 3], votes[:, 3]])
    alone = fit_label_model(votes[:, :4], LabelModelSettings(pseudo_count=0))
    grouped = fit_label_model(copies, LabelModelSettings(groups=(0, 1, 2, 3, 3, 3), pseudo_count=0))
    assert grouped.probabilities == pytest.approx(alone.probabilities, abs=1e-3)


def test_members_that_say_the_same_share_a_voice_and_one_that_differs_has_its_own():
    votes = np.array([[1, 1, 0, 1], [1, -1, -1, 1], [-2, -2, 1, 0]], np.int8)
    weights = weigh_votes(votes, np.array([0, 0, 0, 1]))
    said = np.where(votes == -1, 0, weights)
    assert said.tolist() == [[0.5, 0.5, 1, 1], [1, 0, 0, 1], [0.5, 0.5, 1, 1]]


@pytest.mark.parametrize("abstention", ["ignored", "informative"])
def test_a_member_that_votes_alone_is_heard_in_full(abstention):
    """Copies of which one votes on each study say what the one labeler says."""
    _, votes = votes_of(7)
    split = np.where(np.arange(len(votes))[:, None] % 3 == np.arange(3), votes[:, :1], -1)
    votes_split = np.column_stack([split, votes[:, 1:]]).astype(np.int8)
    settings = LabelModelSettings(groups=(0, 0, 0, 1, 2, 3, 4), abstention=abstention)
    alone = fit_label_model(votes, LabelModelSettings(abstention=abstention))
    grouped = fit_label_model(votes_split, settings)
    assert grouped.probabilities == pytest.approx(alone.probabilities, abs=0.15)
    assert np.abs(grouped.probabilities - alone.probabilities).mean() < 0.01


def test_shared_errors_are_flagged():
    _, votes = votes_of(8)
    assert not fit_label_model(votes).dependent
    copied = np.random.default_rng(1).random(len(votes)) < 0.5
    votes[copied, 4] = votes[copied, 3]
    assert [(pair.first, pair.second) for pair in fit_label_model(votes).dependent] == [(3, 4)]
    grouped = fit_label_model(votes, LabelModelSettings(groups=(0, 1, 2, 3, 3)))
    assert not grouped.dependent


EXTREMES = {
    "one study": np.array([[1, 0, 1, -1]]),
    "one labeler, one study": np.array([[1]]),
    "all abstain": np.full((2000, 5), -1),
    "200,000 equal studies": np.repeat([[1, 1, 0, -1]], 200_000, axis=0),
    "200,000 equal unanimous studies": np.ones((200_000, 4)),
}


@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("abstention", ["ignored", "informative"])
@pytest.mark.parametrize("pseudo_count", [0.0, 2.0])
def test_probabilities_stay_finite_and_follow_the_votes(name, classes, abstention, pseudo_count):
    votes = EXTREMES[name].astype(np.int8)
    confusion = "by_offset" if classes > 2 else "full"
    settings = LabelModelSettings(
        classes, confusion, abstention, pseudo_count=pseudo_count, restarts=2
    )
    fit = fit_label_model(votes, settings)
    assert np.isfinite(fit.probabilities).all()
    assert fit.probabilities.sum(axis=1) == pytest.approx(1)
    assert fit.warnings
    if name == "all abstain":
        assert fit.probabilities == pytest.approx(1 / classes)
    else:
        assert (fit.probabilities.argmax(axis=1) == 1).all()


def test_grouping_needs_no_width():
    """Rows of more labelers than fit into one number are told apart like few."""
    votes = np.random.default_rng(0).permutation(np.eye(90, dtype=np.int8).repeat(5, axis=0))
    patterns = group_patterns(votes, np.full(450, -1, dtype=np.int8))
    assert len(patterns.counts) == 90
    assert (patterns.votes[patterns.of_study] == votes).all()
    assert patterns.counts == pytest.approx(np.bincount(patterns.of_study))
