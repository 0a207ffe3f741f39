"""Calibration recovers a planted link, keeps order, and refuses what it can't be fitted to."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.special import expit, logit

from vision.calibration import (
    CalibrationError,
    FindingCalibration,
    SeverityCalibration,
    SeverityTemperature,
    fit_finding_calibration,
    fit_severity_calibration,
    fit_severity_temperature,
)
from vision.metrics import severity_metrics

PLANTED = SeverityCalibration(slope=4.0, cuts=(0.8, 1.5, 2.4))


def predictions(count: int, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.dirichlet([0.7] * 4, size=count)


def draw_levels(probabilities: np.ndarray, *, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.random((len(probabilities), 1)) > probabilities.cumsum(axis=1)).sum(axis=1)


def test_a_planted_link_is_recovered() -> None:
    given = predictions(4000)
    fitted = fit_severity_calibration(given, draw_levels(PLANTED.apply(given)))
    assert fitted.slope == pytest.approx(PLANTED.slope, rel=0.06)
    assert fitted.cuts == pytest.approx(PLANTED.cuts, abs=0.05)


def test_soft_targets_recover_it_exactly() -> None:
    given = predictions(300)
    fitted = fit_severity_calibration(given, PLANTED.apply(given))
    assert fitted.slope == pytest.approx(PLANTED.slope, rel=1e-3)
    assert fitted.cuts == pytest.approx(PLANTED.cuts, abs=1e-3)


def test_weights_undo_an_uneven_draw() -> None:
    given = predictions(6000)
    levels = draw_levels(PLANTED.apply(given))
    kept = np.random.default_rng(2).random(6000) < np.where(levels == 3, 1.0, 0.3)
    weights = np.where(levels[kept] == 3, 1.0, 1 / 0.3)
    fitted = fit_severity_calibration(given[kept], levels[kept], weights=weights)
    plain = fit_severity_calibration(given[kept], levels[kept])
    assert abs(fitted.cuts[2] - 2.4) < abs(plain.cuts[2] - 2.4)


def test_order_of_images_and_sum_to_one_are_kept() -> None:
    given = predictions(200)
    fitted = fit_severity_calibration(given, draw_levels(PLANTED.apply(given)))
    applied = fitted.apply(given)
    before, after = given @ np.arange(4), applied @ np.arange(4)
    assert (np.argsort(before) == np.argsort(after)).all()
    assert applied.sum(axis=1) == pytest.approx(np.ones(200))
    assert (applied >= 0).all()


@pytest.mark.parametrize("levels", [[0] * 30, [3] * 30, [0, 3] * 15, [0] * 15 + [2] * 15])
def test_missing_levels_and_separable_sets_stay_finite(levels: list[int]) -> None:
    given = predictions(30)
    fitted = fit_severity_calibration(given, levels)
    assert np.isfinite([fitted.slope, *fitted.cuts]).all()
    assert np.isfinite(fitted.apply(given)).all()


def test_the_fit_is_deterministic() -> None:
    given = predictions(100)
    levels = draw_levels(given)
    assert fit_severity_calibration(given, levels) == fit_severity_calibration(given, levels)


@pytest.mark.parametrize(
    ("rows", "targets"),
    [(0, []), (3, [0, 1]), (2, [0, 4]), (2, [0.5, 1]), (2, [[0.5, 0.5], [1, 0]])],
)
def test_bad_targets_are_refused(rows: int, targets: list[float]) -> None:
    with pytest.raises(CalibrationError):
        fit_severity_calibration(predictions(rows) if rows else np.zeros((0, 4)), targets)


def test_cuts_out_of_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="don't rise"):
        SeverityCalibration(slope=1.0, cuts=(1.0, 0.5, 2.0))


def test_platt_scaling_recovers_a_planted_link() -> None:
    rng = np.random.default_rng(0)
    given = rng.random(20000)
    truth = expit(0.5 * logit(given) - 1.0)
    fitted = fit_finding_calibration(given, rng.random(20000) < truth)
    assert fitted.slope == pytest.approx(0.5, abs=0.03)
    assert fitted.intercept == pytest.approx(-1.0, abs=0.05)
    assert np.abs(fitted.apply(given) - truth).max() < 0.02


def test_platt_scaling_of_a_separable_set_stays_finite() -> None:
    fitted = fit_finding_calibration([0.0, 0.1, 0.9, 1.0], [0, 0, 1, 1])
    assert 0 < fitted.apply([0.0, 1.0])[0] < fitted.apply([0.0, 1.0])[1] < 1


@pytest.mark.parametrize("targets", [[1, 1], [0, 0], [0, 1, 1], [0.5, 1]])
def test_a_finding_needs_both_classes(targets: list[float]) -> None:
    with pytest.raises(CalibrationError):
        fit_finding_calibration([0.2, 0.8], targets)


def test_settings_survive_json() -> None:
    for calibration in (PLANTED, FindingCalibration(slope=0.5, intercept=-1.0)):
        assert type(calibration).model_validate_json(calibration.model_dump_json()) == calibration


def test_a_planted_temperature_is_recovered_and_keeps_the_most_probable_level() -> None:
    truth = np.random.default_rng(0).dirichlet([1.0] * 4, size=20000)
    levels = draw_levels(truth)
    sharp = SeverityTemperature(temperature=1 / 2.5).apply(truth)
    fitted = fit_severity_temperature(sharp, levels)
    applied = fitted.apply(sharp)
    assert fitted.temperature == pytest.approx(2.5, rel=0.03)
    before, after = severity_metrics(sharp, levels)["ece"], severity_metrics(applied, levels)["ece"]
    assert before is not None
    assert after is not None
    assert before > 0.15
    assert after < 0.02
    assert (applied.argmax(axis=1) == sharp.argmax(axis=1)).all()


@pytest.mark.parametrize("count", [1, 3, 10, 100])
def test_a_temperature_never_loses_on_its_own_set(count: int) -> None:
    given = predictions(count, seed=count)
    levels = np.random.default_rng(count).integers(0, 4, count)
    applied = fit_severity_temperature(given, levels).apply(given)
    rows = np.arange(count)
    loss = [-np.log(np.maximum(p[rows, levels], 1e-6)).mean() for p in (given, applied)]
    assert loss[1] <= loss[0] + 1e-9


def test_a_finding_temperature_has_no_intercept() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(20000)
    stated = expit(2.5 * logit(truth))
    fitted = fit_finding_calibration(stated, rng.random(20000) < truth, fit_intercept=False)
    assert fitted.intercept == 0
    assert 1 / fitted.slope == pytest.approx(2.5, rel=0.03)


def test_images_of_the_prior_hold_a_fit_to_few_images_near_the_model() -> None:
    given = PLANTED.apply(predictions(8))
    free = fit_severity_calibration(given, [3] * 8).apply(given)
    held = fit_severity_calibration(given, [3] * 8, prior_images=8).apply(given)
    settled = fit_severity_calibration(given, [3] * 8, prior_images=1e6).apply(given)
    assert free[:, 3].min() > 0.99
    assert held[:, 3].mean() == pytest.approx((1 + given[:, 3].mean()) / 2, abs=0.1)
    assert settled.mean(axis=0) == pytest.approx(given.mean(axis=0), abs=0.02)
