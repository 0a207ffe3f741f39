"""Audited reads against the label model: contradictions are named, and enough reads win."""

import numpy as np
import pytest

from benchmarks.planted_votes import FIVE, GRADES, Design, plant
from text_labeler.label_model import LabelModelSettings, fit_label_model


def shared_errors(seed, studies=3000):
    """Two of accuracy 0.65 with nearly the same errors outvote one of 0.95."""
    truth, votes = plant(seed, studies, Design((0.95, 0.65, 0.65)))
    copied = np.random.default_rng(seed).random(studies) < 0.9
    votes[copied, 2] = votes[copied, 1]
    return truth, votes


def read_first(truth, reads):
    return np.where(np.arange(len(truth)) < reads, truth, -1).astype(np.int8)


def named(fit, words="audited reads contradict the model"):
    return [one for one in fit.warnings if words in one]


@pytest.mark.parametrize("seed", range(3))
def test_enough_reads_win_over_a_model_that_they_contradict(seed):
    truth, votes = shared_errors(seed)
    assert fit_label_model(votes).accuracies[0] < 0.8  # the two pass for the truth
    fit = fit_label_model(votes, truth=read_first(truth, 500))
    assert fit.accuracies == pytest.approx([0.95, 0.65, 0.65], abs=0.08)
    assert "labeler 0 is right on" in named(fit)[0]
    assert "counted on the reads alone" in named(fit)[0]
    assert fit.convergence.monotone
    assert (fit.probabilities.argmax(axis=1) == truth)[500:].mean() > 0.9


def test_fewer_reads_warn_and_say_what_to_do():
    truth, votes = shared_errors(0)
    fit = fit_label_model(votes, truth=read_first(truth, 60))
    assert "read 100 studies or more at random" in named(fit)[0]
    assert fit.accuracies[0] < 0.85


def test_reads_of_a_labelers_positives_warn_and_do_not_teach_alone():
    truth, votes = shared_errors(0)
    reads = np.full_like(truth, -1)
    chosen = np.flatnonzero(votes[:, 1] == 1)[:300]
    reads[chosen] = truth[chosen]
    fit = fit_label_model(votes, truth=reads)
    assert "at random" in named(fit)[0]
    assert fit.parameters.confusion[1, 0, 0] > 0.3  # on these reads alone it is never right on 0


@pytest.mark.parametrize("prior", [(0.8, 0.2), GRADES])
@pytest.mark.parametrize("reads", [20, 150])
@pytest.mark.parametrize("seed", range(3))
def test_reads_that_agree_are_no_contradiction(prior, reads, seed):
    truth, votes = plant(seed, 2000, Design(FIVE, prior))
    confusion = "by_offset" if len(prior) > 2 else "full"
    settings = LabelModelSettings(len(prior), confusion)
    assert not named(fit_label_model(votes, settings, truth=read_first(truth, reads)))


def test_grades_are_learned_from_reads_too():
    truth, votes = plant(0, 3000, Design((0.9, 0.5, 0.5), GRADES))
    votes[:, 2] = votes[:, 1]
    settings = LabelModelSettings(4, "by_offset")
    fit = fit_label_model(votes, settings, truth=read_first(truth, 300))
    assert "counted on the reads alone" in named(fit)[0]
    assert fit.accuracies == pytest.approx([0.9, 0.5, 0.5], abs=0.08)
    assert named(fit, "errors depend on each other")
