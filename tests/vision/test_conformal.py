"""Sets are ranges that hold the true grade as often as promised, in simulation."""

import numpy as np
import pytest

from vision.conformal import ConformalSets, coverage_by_group, fit_conformal_sets
from vision.intervals import draw_one_per_patient
from vision.metrics import MetricsError


def draw_images(generator, images, *, sharpness=1.5):
    """Levels drawn from a truth that the model, too sure of itself, gets only roughly right."""
    truth = generator.dirichlet(np.full(4, 0.8), images)
    levels = (generator.random((images, 1)) > truth.cumsum(axis=1)).sum(axis=1).clip(0, 3)
    stated = truth**sharpness * np.exp(generator.normal(0, 0.3, truth.shape))
    return stated / stated.sum(axis=1, keepdims=True), levels


@pytest.mark.parametrize("alpha", [0.1, 0.25])
def test_coverage_is_that_promised_over_200_draws(alpha):
    generator = np.random.default_rng(0)
    coverages = []
    for _ in range(200):
        probabilities, levels = draw_images(generator, 2000)
        sets = fit_conformal_sets(probabilities[:1000], levels[:1000], alpha=alpha)
        held = sets.apply(probabilities[1000:])
        coverages.append(held[np.arange(1000), levels[1000:]].mean())
    assert np.mean(coverages) == pytest.approx(1 - alpha, abs=0.004)
    assert np.abs(np.array(coverages) - (1 - alpha)).max() < 0.07


def test_the_promise_holds_for_small_sets_and_worthless_models():
    generator = np.random.default_rng(1)
    hits = []
    for _ in range(3000):
        probabilities, levels = generator.dirichlet(np.ones(4), 31), generator.integers(0, 4, 31)
        sets = fit_conformal_sets(probabilities[:30], levels[:30], alpha=0.2)
        hits.append(sets.apply(probabilities[30:])[0, levels[30]])
    assert np.mean(hits) > 0.8 - 3 * np.sqrt(0.16 / 3000)


def test_the_promise_can_be_kept_for_each_grade():
    generator = np.random.default_rng(3)
    together, apart = [], []
    for _ in range(40):
        probabilities, levels = draw_images(generator, 4000, sharpness=3)
        # A model that hardly ever dares to say 1.
        probabilities[:, 1] *= 0.1
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        for per_grade, found in ((False, together), (True, apart)):
            sets = fit_conformal_sets(probabilities[:2000], levels[:2000], per_grade=per_grade)
            held = sets.apply(probabilities[2000:])[np.arange(2000), levels[2000:]]
            found.append([held[levels[2000:] == level].mean() for level in range(4)])
    assert np.mean(together, axis=0)[1] < 0.87
    assert (np.mean(apart, axis=0) > 0.895).all()


def test_a_gap_between_grades_is_closed():
    sets = ConformalSets(
        alpha=0.1, largest_mass=(0.9, 0.0, 0.0, 0.0), per_grade=True, images=100
    ).apply([[0.2, 0.1, 0.6, 0.1]])
    assert sets.tolist() == [[True, True, True, False]]


def test_sets_are_ranges_around_the_most_probable_grade_and_grow_with_the_mass():
    probabilities = np.random.default_rng(2).dirichlet(np.full(4, 0.5), 500)
    smaller = np.zeros((500, 4), bool)
    for mass in (0.0, 0.3, 0.6, 0.9, 1.0):
        sets = ConformalSets(alpha=0.1, largest_mass=(mass,) * 4, images=100).apply(probabilities)
        assert sets[np.arange(500), probabilities.argmax(axis=1)].all()
        edges = np.abs(np.diff(np.pad(sets, ((0, 0), (1, 1))).astype(int), axis=1))
        assert (edges.sum(axis=1) == 2).all()
        assert (sets >= smaller).all()
        smaller = sets
    assert smaller.all()


def test_a_set_takes_the_more_probable_neighbour_not_the_more_probable_grade():
    probabilities = [[0.3, 0.1, 0.4, 0.2], [0.05, 0.9, 0.05, 0.0]]
    sets = ConformalSets(alpha=0.1, largest_mass=(0.5,) * 4, images=100).apply(probabilities)
    assert sets.tolist() == [[False, False, True, True], [False, True, False, False]]


def test_one_image_of_each_patient_is_drawn():
    patients = ["b", "b", "a", "c", "c", "c"]
    drawn = [tuple(draw_one_per_patient(patients, seed=seed)) for seed in range(60)]
    assert all(sorted(patients[row] for row in rows) == ["a", "b", "c"] for rows in drawn)
    assert {rows[0] for rows in drawn} == {0, 1}
    assert {rows[2] for rows in drawn} == {3, 4, 5}


def test_coverage_by_group_counts_patients_and_leaves_small_groups_out():
    levels = np.array([0] * 20 + [3] * 20)
    sets = np.zeros((40, 4), bool)
    sets[:, 0] = True
    sets[:5, 1] = True
    patients = np.repeat(np.arange(20), 2).tolist()
    views = ["AP"] * 30 + ["PA"] * 6 + ["LL"] * 4
    rows = coverage_by_group(sets, levels, patients, {"view": views})
    found = {(row["group"], row["value"]): row for row in rows}
    assert set(found) == {("all", "all"), ("true grade", "0"), ("true grade", "3"), ("view", "AP")}
    assert found["all", "all"]["coverage"] == 0.5
    assert found["true grade", "3"]["coverage"] == 0
    ap = found["view", "AP"]
    assert (ap["images"], ap["patients"]) == (30, 15)
    assert ap["mean_size"] == pytest.approx(35 / 30)
    assert ap["low"] < 2 / 3 < ap["high"]


def test_settings_survive_json_and_too_few_images_are_refused():
    sets = ConformalSets(alpha=0.1, largest_mass=(0.7,) * 4, images=50)
    assert ConformalSets.model_validate_json(sets.model_dump_json()) == sets
    with pytest.raises(MetricsError, match="at least 20"):
        fit_conformal_sets(np.full((5, 4), 0.25), [0] * 5)
