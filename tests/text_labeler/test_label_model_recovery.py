"""What the label model finds again of planted labelers, and whether its probabilities hold."""

import numpy as np
import pytest

from benchmarks.planted_votes import (
    FIVE,
    GRADES,
    Design,
    calibration_error,
    log_loss,
    majority,
    plant,
)
from text_labeler.label_model import LabelModelSettings, fit_label_model


@pytest.mark.parametrize(("prior", "confusion"), [((0.7, 0.3), "full"), (GRADES, "by_offset")])
@pytest.mark.parametrize("seed", range(4))
def test_recovers_planted_accuracies_and_beats_majority(prior, confusion, seed):
    truth, votes = plant(seed, 2000, Design(FIVE, prior))
    fit = fit_label_model(votes, LabelModelSettings(len(prior), confusion=confusion))
    assert np.abs(fit.accuracies - FIVE).max() < 0.03
    assert np.abs(fit.accuracies - (votes == truth[:, None]).mean(axis=0)).max() < 0.02
    usual = majority(votes, len(prior))
    right, usually = ((p.argmax(axis=1) == truth).mean() for p in (fit.probabilities, usual))
    assert right > usually
    assert log_loss(fit.probabilities, truth) < log_loss(usual, truth)
    assert fit.convergence.converged
    assert not fit.warnings


@pytest.mark.parametrize(("prior", "confusion"), [((0.9, 0.1), "full"), (GRADES, "by_offset")])
@pytest.mark.parametrize("seed", range(2))
def test_probabilities_are_frequencies(prior, confusion, seed):
    truth, votes = plant(seed, 20_000, Design(FIVE, prior, coverage=0.7))
    fit = fit_label_model(votes, LabelModelSettings(len(prior), confusion=confusion))
    error = calibration_error(fit.probabilities, truth)
    assert error < 0.01
    assert calibration_error(majority(votes, len(prior)), truth) > 5 * error


def test_three_right_votes_prove_nobody_perfect():
    truth, votes = plant(0, 2000, Design(FIVE))
    votes[:, 4] = -1
    for positives in range(4):
        asked = [*np.flatnonzero(truth == 1)[:positives], *np.flatnonzero(truth == 0)[positives:3]]
        few = votes.copy()
        few[asked, 4] = truth[asked]
        assert 0.7 < fit_label_model(few).accuracies[4] < 0.9
    assert fit_label_model(votes).accuracies[4] == pytest.approx(0.7)


def audited_reads(truth, studies):
    audited = np.full_like(truth, -1)
    audited[studies] = truth[studies]
    return audited


def test_audited_reads_stay_and_teach():
    truth, votes = plant(4, 2000, Design((0.9, 0.6)))
    fit = fit_label_model(votes, truth=audited_reads(truth, np.arange(500)))
    assert (fit.probabilities[:500].argmax(axis=1) == truth[:500]).all()
    assert fit.probabilities[:500].max(axis=1) == pytest.approx(1)
    assert fit.accuracies == pytest.approx([0.9, 0.6], abs=0.05)
    assert not fit.warnings


def test_random_audited_reads_move_accuracies_and_prior_towards_the_truth():
    off = {0: [], 50: [], 150: []}
    for seed in range(6):
        truth, votes = plant(seed, 1000, Design((0.8, 0.7), (0.8, 0.2)))
        sample = (votes == truth[:, None]).mean(axis=0)
        for count, found in off.items():
            fit = fit_label_model(votes, truth=audited_reads(truth, np.arange(count)))
            accuracy = np.abs(fit.accuracies - sample).mean()
            found.append((accuracy, abs(fit.parameters.prior[1] - truth.mean())))
    accuracy, prior = np.transpose([np.mean(found, axis=0) for found in off.values()])
    assert (accuracy[1:] < 0.7 * accuracy[0]).all()
    assert (prior[1:] < 0.4 * prior[0]).all()


@pytest.mark.parametrize("seed", range(3))
def test_reads_of_a_labelers_positives_leave_the_prior_alone(seed):
    truth, votes = plant(seed, 2000, Design(FIVE, (0.8, 0.2)))
    chosen = np.flatnonzero(votes[:, 0] == 1)[:150]
    assert truth[chosen].mean() > 0.6
    fit = fit_label_model(votes, truth=audited_reads(truth, chosen))
    assert fit.parameters.prior[1] == pytest.approx(truth.mean(), abs=0.015)
    assert fit.accuracies == pytest.approx(FIVE, abs=0.03)
