"""The chosen calibration never loses to none in cross-validation, and gains where there is some."""

import numpy as np
import pytest
from scipy.special import expit, logit

from vision.calibration import CalibrationError, SeverityCalibration, fit_severity_calibration
from vision.calibration_choice import (
    calibrate_across_folds,
    choose_finding_calibration,
    choose_severity_calibration,
)
from vision.conformal import fit_conformal_sets


def draw_levels(generator, truth):
    drawn = (generator.random((len(truth), 1)) > truth.cumsum(axis=1)).sum(axis=1)
    return drawn.clip(0, 3)


def held_out_loss(calibration, stated, truth):
    """Expected log loss under the truth, of calibrated (or, for None, stated) probabilities."""
    fitted = stated if calibration is None else calibration.apply(stated)
    return -(truth * np.log(np.maximum(fitted, 1e-6))).sum(axis=1).mean()


def draw_truth(generator, images):
    link = SeverityCalibration(slope=4.0, cuts=(0.8, 1.5, 2.4))
    return link.apply(generator.dirichlet([0.7] * 4, size=images))


@pytest.mark.parametrize("images", [8, 15, 40, 150])
def test_the_choice_never_loses_in_cross_validation_nor_much_outside(images):
    excess, free = [], []
    for seed in range(10):
        generator = np.random.default_rng(seed)
        truth = draw_truth(generator, images)
        levels, fresh = draw_levels(generator, truth), draw_truth(generator, 500)
        chosen = choose_severity_calibration(truth, levels, range(images), seed=seed)
        assert chosen.losses[chosen.name] == min(chosen.losses.values())
        assert chosen.losses[chosen.name] <= chosen.losses["none"]
        own = held_out_loss(None, fresh, fresh)
        excess.append(held_out_loss(chosen.calibration, fresh, fresh) - own)
        free.append(held_out_loss(fit_severity_calibration(truth, levels), fresh, fresh) - own)
    # The model is right already, so any change costs: the choice costs less than a plain fit.
    assert np.mean(excess) < 0.5 * np.mean(free)
    assert np.mean(excess) < 1.5 / images


def test_reports_that_call_too_much_are_corrected_by_slope_and_cuts():
    generator = np.random.default_rng(0)
    stated = generator.dirichlet([0.7] * 4, size=640)
    truth = SeverityCalibration(slope=3.0, cuts=(1.6, 2.2, 2.7)).apply(stated)
    levels = draw_levels(generator, truth)
    chosen = choose_severity_calibration(stated[:140], levels[:140], range(140), seed=0)
    assert chosen.name == "slope and cuts"
    before, after = (
        held_out_loss(c, stated[140:], truth[140:]) for c in (None, chosen.calibration)
    )
    assert after < before - 0.3
    assert list(chosen.losses) == ["none", "temperature", "slope and cuts"]


def test_confidence_alone_is_corrected_by_one_temperature():
    generator = np.random.default_rng(1)
    truth = generator.dirichlet([1.0] * 4, size=150)
    stated = truth**3 / (truth**3).sum(axis=1, keepdims=True)
    chosen = choose_severity_calibration(stated, draw_levels(generator, truth), range(150), seed=0)
    assert chosen.name == "temperature"
    assert chosen.calibration.temperature == pytest.approx(3, rel=0.25)


def test_a_patient_is_never_on_both_sides_of_a_fold():
    generator = np.random.default_rng(2)
    stated = np.repeat(generator.dirichlet([1.0] * 4, size=12), 20, axis=0)
    levels = np.repeat(generator.integers(0, 4, 12), 20)
    patients = np.repeat(np.arange(12), 20).tolist()
    split = choose_severity_calibration(stated, levels, patients, seed=0)
    leaked = choose_severity_calibration(stated, levels, range(240), seed=0)
    assert leaked.losses["slope and cuts"] < split.losses["slope and cuts"] - 0.02


def test_a_single_patient_or_class_leaves_the_probabilities_alone():
    stated = np.random.default_rng(3).dirichlet([1.0] * 4, size=6)
    assert choose_severity_calibration(stated, [0] * 6, ["a"] * 6, seed=0).calibration is None
    finding = choose_finding_calibration(np.full(6, 0.3), [0] * 6, range(6), seed=0)
    assert (finding.name, finding.calibration) == ("none", None)


def test_a_shifted_finding_is_corrected_and_a_right_one_costs_little():
    generator = np.random.default_rng(4)
    truth = generator.random(300)
    present = (generator.random(300) < truth).astype(float)
    shifted = choose_finding_calibration(expit(logit(truth) + 2), present, range(300), seed=0)
    assert shifted.name == "slope and intercept"
    assert shifted.calibration.intercept == pytest.approx(-2, abs=0.6)
    right = choose_finding_calibration(truth, present, range(300), seed=0)
    assert right.losses[right.name] <= right.losses["none"]
    assert right.losses["none"] - right.losses[right.name] < 0.01


def test_shapes_that_differ_are_refused():
    with pytest.raises(CalibrationError, match="2 patient ids"):
        choose_severity_calibration(np.full((3, 4), 0.25), [0, 1, 2], ["a", "b"], seed=0)


def test_sets_fitted_across_folds_keep_their_promise():
    """One trusted set calibrates and sets the ranges, as for a grader: 15 draws of 150 patients."""
    hits = []
    for seed in range(15):
        generator = np.random.default_rng(seed)
        stated = generator.dirichlet([0.7] * 4, size=550)
        truth = SeverityCalibration(slope=3.0, cuts=(1.6, 2.2, 2.7)).apply(stated)
        levels = draw_levels(generator, truth)
        known, patients = slice(0, 150), range(150)
        calibrated = calibrate_across_folds(stated[known], levels[known], patients, seed=seed)
        sets = fit_conformal_sets(calibrated, levels[known], alpha=0.1)
        chosen = choose_severity_calibration(stated[known], levels[known], patients, seed=seed)
        fresh = chosen.calibration.apply(stated[150:])
        hits.append(sets.apply(fresh)[np.arange(400), levels[150:]].mean())
    assert np.mean(hits) == pytest.approx(0.9, abs=0.025)


def test_no_image_is_calibrated_by_its_own_patient():
    generator = np.random.default_rng(5)
    stated = generator.dirichlet([1.0] * 4, size=60)
    levels = draw_levels(generator, stated)
    patients = np.arange(60) // 2
    before = calibrate_across_folds(stated, levels, patients.tolist(), seed=0)
    levels[:2] = 3 - levels[:2]
    after = calibrate_across_folds(stated, levels, patients.tolist(), seed=0)
    assert (before[:2] == after[:2]).all()
