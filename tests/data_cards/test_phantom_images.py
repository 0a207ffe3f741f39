import numpy as np
import pytest
from scipy.stats import spearmanr

from data_cards.phantom.anatomy import draw_frontal
from data_cards.phantom.causal import (
    LEVEL_CUTS,
    Stream,
    StudyState,
    level_of,
    make_patient,
    plan_patients,
    stream,
)
from data_cards.phantom.raster import bezier, make_grid, points_for, smooth_noise, splat
from data_cards.phantom.render import draw_image
from data_cards.phantom.signs import SignStrengths, draw_vessels


def make_patients(studies, seed=3):
    patients, first = [], 0
    for index, count in enumerate(plan_patients(seed, studies)):
        patients.append(make_patient(seed, index, first, count))
        first += count
    return patients


@pytest.fixture(scope="module")
def drawn():
    """Frontal images of 150 studies at 64 px with their states."""
    return [
        (state, draw_image(patient, state, state.views[0], 64, stream(3, Stream.IMAGE, k, 0)))
        for patient in make_patients(150)
        for k, state in ((state.number, state) for state in patient.studies)
    ]


def quiet(state: StudyState, **changes) -> StudyState:
    from dataclasses import replace

    plain = {"opacity": None, "atelectasis": None, "pneumothorax": None, "nodule": None}
    plain |= {"fracture": None, "effusions": {}, "devices": (), "views": ("PA",)}
    signs = {"vascular": 0.0, "interstitial": 0.0, "alveolar": 0.0}
    return replace(state, **(plain | signs | changes))


def draw(state, patient, *, view="PA", seed=0, size=96):
    return draw_image(patient, state, view, size, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("fluid", "level"), [(0.0, 0), (0.429, 0), (0.43, 1), (0.66, 2), (0.9099, 2), (0.91, 3), (1, 3)]
)
def test_levels_follow_the_cuts(fluid, level):
    assert level_of(fluid) == level


def test_the_prior_follows_from_uniform_fluid():
    fluid = [state.fluid for patient in make_patients(4000) for state in patient.studies]
    shares = np.bincount([level_of(f) for f in fluid], minlength=4) / len(fluid)
    np.testing.assert_allclose(shares, np.diff([0, *LEVEL_CUTS, 1]), atol=0.03)


def test_fluid_moves_slowly_within_a_patient():
    pairs = [
        (early.fluid, late.fluid)
        for patient in make_patients(3000)
        for early, late in zip(patient.studies, patient.studies[1:], strict=False)
    ]
    assert 0.45 < spearmanr(*zip(*pairs, strict=True)).statistic < 0.75


def test_heart_size_goes_with_fluid_but_is_its_own():
    states = [state for patient in make_patients(3000) for state in patient.studies]
    tie = spearmanr([s.fluid for s in states], [s.heart_ratio for s in states]).statistic
    assert 0.3 < tie < 0.6


def test_signs_come_in_clinical_order():
    patients = make_patients(3000)
    states = [state for patient in patients for state in patient.studies]

    def half(sign):
        return np.median([s.fluid for s in states if 0.4 < getattr(s, sign) < 0.6])

    assert half("vascular") < half("interstitial") < half("alveolar")


@pytest.mark.parametrize(("sign", "level"), [("vascular", 1), ("interstitial", 2), ("alveolar", 3)])
def test_a_sign_is_much_stronger_from_its_level_on(drawn, sign, level):
    below = [getattr(i.strengths, sign) for state, i in drawn if state.severity < level]
    above = [getattr(i.strengths, sign) for state, i in drawn if state.severity >= level]
    assert np.mean(above) > np.mean(below) + 0.4


def test_pixels_tell_the_grade_but_not_surely(drawn):
    """Two plain features, lung brightness at the hila and texture, know something of the fluid."""
    fluid, bright, rough = [], [], []
    for state, image in drawn:
        lung = (image.lung_mask == 64) | (image.lung_mask == 128)
        pixels = image.pixels.astype(float)
        body = np.median(pixels[image.lung_mask == 192])
        fluid.append(state.fluid)
        bright.append(pixels[lung].mean() / body)
        rough.append(np.abs(np.diff(pixels, axis=1))[lung[:, 1:]].mean() / body)
    assert 0.3 < spearmanr(fluid, bright).statistic < 0.9
    assert abs(spearmanr(fluid, rough).statistic) < 0.9


@pytest.mark.parametrize(
    ("sign", "changes"),
    [
        ("vascular", {"vascular": 1.0}),
        ("interstitial", {"interstitial": 1.0}),
        ("alveolar", {"alveolar": 1.0}),
        ("effusion", {"effusions": {-1: 0.6}}),
        ("device", {"devices": ("pacemaker", "central line")}),
    ],
)
def test_a_sign_changes_pixels_where_its_mask_says(sign, changes):
    from data_cards.phantom.render import SIGN_BITS

    patient = make_patients(1)[0]
    state = quiet(patient.studies[0])
    healthy, ill = draw(state, patient), draw(quiet(patient.studies[0], **changes), patient)
    marked = (ill.sign_mask & SIGN_BITS[sign]) > 0
    if sign in ("effusion", "device"):  # the grain of the two images is the same draw
        change = np.abs(ill.pixels.astype(float) - healthy.pixels.astype(float))
        assert change[marked].mean() > 3 * change[~marked].mean()
    assert marked.any()
    assert not (healthy.sign_mask & SIGN_BITS[sign]).any()


def test_redistribution_widens_upper_vessels_only():
    patient = make_patients(1)[0]
    state, grid = quiet(patient.studies[0]), make_grid(128)
    gains = []
    for vascular in (0.0, 1.0):
        chest = draw_frontal(grid, patient.build, state, "PA")
        before = chest.attenuation.copy()
        draw_vessels(chest, SignStrengths(vascular, 0, 0))
        added = (chest.attenuation - before) * (np.abs(grid.x) > 0.3)
        hilum = chest.hila[-1][1]
        gains.append((added[grid.y < hilum - 0.2].sum(), added[grid.y > hilum + 0.25].sum()))
    (upper, lower), (upper_ill, lower_ill) = gains
    assert upper_ill / upper > 1.4
    assert lower_ill / lower < upper_ill / upper - 0.2


def test_the_heart_looks_larger_in_ap():
    patient = make_patients(1)[0]
    state, grid = quiet(patient.studies[0]), make_grid(128)
    pa, ap = (draw_frontal(grid, patient.build, state, view).bits["heart"] for view in ("PA", "AP"))
    assert (ap > 0.5).sum() > 1.05 * (pa > 0.5).sum()


def test_a_line_has_the_same_peak_at_any_resolution():
    peaks = []
    for size in (128, 256, 512):
        grid = make_grid(size)
        ends = np.array([[[-0.5, 0.0]], [[0.0, 0.1]], [[0.5, 0.0]]], np.float32)
        curve = bezier(ends[0], ends[1], ends[2], points_for(grid, 1.1))
        peaks.append(splat(grid, [(curve, 0.2)], 0.02).max())
    np.testing.assert_allclose(peaks, 0.2, rtol=0.1)


def test_noise_is_one_pattern_at_every_resolution():
    coarse, fine = (smooth_noise(np.random.default_rng(5), size, 8) for size in (64, 256))
    shrunk = fine.reshape(64, 4, 64, 4).mean((1, 3))
    np.testing.assert_allclose(coarse, shrunk, atol=0.1)
