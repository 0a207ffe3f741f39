"""Intervals of scores against closed forms, slow references and simulations."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from text_labeler.finding_intervals import compare_findings, estimate_findings
from text_labeler.level_intervals import KAPPA, compare_severity, estimate_severity
from text_labeler.score_levels import score_severity
from text_labeler.scoring import ScoringError, score_findings


def _frame(patients=None, **columns):
    rows = len(next(iter(columns.values())))
    frame = pd.DataFrame({"study_id": [str(n) for n in range(rows)]} | columns)
    frame = frame.astype(dict.fromkeys(columns, "Int8"))
    return frame if patients is None else frame.assign(patient_id=[str(p) for p in patients])


def _score(given, meant, patients=None):
    return score_findings(_frame(Edema=given), _frame(patients, Edema=meant))


def _counts(hits, false_alarms, misses, rest):
    given = [1] * (hits + false_alarms) + [0] * (misses + rest)
    meant = [1] * hits + [0] * false_alarms + [1] * misses + [0] * rest
    return given, meant


@pytest.mark.parametrize("counts", [(20, 3, 5), (4, 0, 1), (150, 30, 10)])
def test_with_one_study_each_intervals_are_the_beta_posteriors(counts):
    hits, false_alarms, misses = counts
    one = estimate_findings(_score(*_counts(*counts, 10)), seed=1, draws=40_000)[0]
    ends = (0.025, 0.975)
    precision = stats.beta(hits + 0.5, false_alarms + 0.5).ppf(ends)
    recall = stats.beta(hits + 0.5, misses + 0.5).ppf(ends)
    share = stats.beta(hits + 0.5, false_alarms + misses + 1).ppf(ends)  # Goutte & Gaussier
    for estimate, exact in zip(
        (one.precision, one.recall, one.f1),
        (precision, recall, 2 * share / (1 + share)),
        strict=True,
    ):
        lower, upper = min(exact[0], estimate.value), max(exact[1], estimate.value)
        assert estimate[1:] == pytest.approx((lower, upper), abs=0.006)


@pytest.mark.parametrize("n", [3, 30])
def test_an_interval_does_not_collapse_when_all_is_right_or_wrong(n):
    right = estimate_findings(_score(*_counts(n, 0, 0, 5)), seed=0)
    wrong = estimate_findings(_score(*_counts(0, n, n, 5)), seed=0)
    for best, worst in zip(right, wrong, strict=True):
        for name in ("precision", "recall", "f1"):
            value, lower, upper = getattr(best, name)
            assert (value, upper) == (1, 1)
            assert 0.3 < lower < 0.98
            value, lower, upper = getattr(worst, name)
            assert (value, lower) == (0, 0)
            assert 0.02 < upper < 0.6


def test_what_never_occurs_has_no_score_and_no_part_in_macro():
    truth = _frame(Edema=[1, 1, 0], Fracture=[0, 0, 0])
    *findings, _, macro = estimate_findings(
        score_findings(_frame(Edema=[1, 1, 0], Fracture=[0, 0, None]), truth), seed=0
    )
    assert np.isnan(findings[1].f1).all()
    assert macro.f1.value == 1


def test_the_same_seed_gives_the_same_interval():
    scores = _score(*_counts(9, 2, 1, 5))
    assert estimate_findings(scores, seed=3) == estimate_findings(scores, seed=3)
    assert estimate_findings(scores, seed=3) != estimate_findings(scores, seed=4)


def test_studies_of_one_patient_count_as_one_witness():
    given, meant = _counts(60, 20, 20, 0)
    apart = estimate_findings(_score(given, meant), seed=0)[0].f1
    # Each patient has ten studies that are all alike: ten patients, not a hundred studies.
    together = estimate_findings(_score(given, meant, np.arange(100) // 10), seed=0)[0].f1
    assert together.value == apart.value
    ratio = (together.upper - together.lower) / (apart.upper - apart.lower)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.25)


def test_on_many_studies_the_interval_is_that_of_a_bootstrap_of_patients():
    randomness = np.random.default_rng(5)
    patients = np.repeat(np.arange(300), 3)
    ease = randomness.random(300)[patients]
    meant = (randomness.random(900) < 0.4).astype(int)
    given = np.where(randomness.random(900) < 0.4 + 0.6 * ease, meant, 1 - meant)
    one = estimate_findings(_score(given, meant, patients), seed=0)[0].f1
    drawn = []
    for _ in range(1000):  # slow and obvious: draw patients, take all of their studies
        rows = np.concatenate([np.flatnonzero(patients == p) for p in
                               randomness.integers(300, size=300)])  # fmt: skip
        g, m = given[rows], meant[rows]
        drawn.append(2 * (g & m).sum() / (g.sum() + m.sum()))
    assert one[1:] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.012)


@pytest.mark.parametrize(("n", "recall"), [(8, 0.9), (30, 0.7), (120, 0.95)])
def test_intervals_of_f1_hold_the_true_value_as_often_as_they_say(n, recall):
    randomness = np.random.default_rng(11)
    precision = 0.8
    truth = 2 * precision * recall / (precision + recall)
    inside = []
    for seed in range(200):
        hits = randomness.binomial(n, recall)
        # As many are given as makes this precision: false alarms wait for hits.
        false_alarms = randomness.poisson(n * recall * (1 - precision) / precision)
        one = estimate_findings(
            _score(*_counts(hits, false_alarms, n - hits, 1)), seed=seed, draws=400
        )[0]
        inside.append(one.f1.lower <= truth <= one.f1.upper)
    assert 0.92 <= np.mean(inside) <= 0.995


def test_intervals_of_macro_f1_hold_the_true_value_though_findings_are_rare():
    randomness = np.random.default_rng(12)
    names, n = ("Edema", "Fracture", "Mass", "Nodule", "Pneumonia"), 6
    truth = 0.85  # as many misses as false alarms, in the mean: F1 is the recall
    inside = []
    for seed in range(200):
        given, meant = {}, {}
        for name in names:
            hits = randomness.binomial(n, truth)
            alarms = min(randomness.poisson(n * (1 - truth)), 8)
            given[name], meant[name] = _counts(hits, alarms, n - hits, 8 - alarms)
        macro = estimate_findings(
            score_findings(_frame(**given), _frame(**meant)), seed=seed, draws=400
        )[-1].f1
        inside.append(macro.lower <= truth <= macro.upper)
    assert 0.92 <= np.mean(inside) <= 0.998


def test_the_difference_of_two_labelers_is_paired():
    randomness = np.random.default_rng(2)
    meant = (randomness.random(2000) < 0.3).astype(int)
    first = np.where(randomness.random(2000) < 0.8, meant, 1 - meant)
    second = np.where(randomness.random(2000) < 0.03, 1 - meant, first)
    truth = _frame(Edema=meant)
    a, b = (score_findings(_frame(Edema=codes), truth) for codes in (first, second))
    edema, micro, macro = compare_findings(a, b, seed=0)
    assert edema.difference.value == pytest.approx(a.scores[0].f1 - b.scores[0].f1)
    assert micro.difference.value == macro.difference.value == edema.difference.value
    drawn = []
    for _ in range(1000):
        rows = randomness.integers(2000, size=2000)
        f1 = [2 * (g[rows] & meant[rows]).sum() / (g[rows].sum() + meant[rows].sum())
              for g in (first, second)]  # fmt: skip
        drawn.append(f1[0] - f1[1])
    assert edema.difference[1:] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.005)
    alone = estimate_findings(a, seed=0)[0].f1
    assert edema.difference.upper - edema.difference.lower < (alone.upper - alone.lower) / 1.5


def test_one_study_is_no_proof_that_a_labeler_is_better():
    meant = [1] * 3 + [0] * 40
    better, worse = meant, [1] * 4 + [0] * 39
    scores = [score_findings(_frame(Edema=c), _frame(Edema=meant)) for c in (better, worse)]
    difference = compare_findings(*scores, seed=0)[0].difference
    assert difference.value == pytest.approx(1 - 6 / 7)
    assert difference.lower < 0 < difference.upper


def test_scores_of_other_studies_cannot_be_compared():
    with pytest.raises(ScoringError, match="not of the same studies"):
        compare_findings(_score([1, 0], [1, 0]), _score([1], [1]), seed=0)


def test_severity_by_hand_has_intervals():
    predicted = _frame(edema_severity=[0] * 10 + [1] * 8 + [2] * 2 + [2] * 5 + [None] * 5)
    truth = _frame(severity=[0] * 10 + [1] * 10 + [2] * 5 + [3] * 5)
    estimates = estimate_severity(score_severity(predicted, truth), seed=0, draws=20_000)
    exact = stats.beta(8.5, 2.5).ppf([0.025, 0.975])
    assert estimates["recall at level 1"] == pytest.approx((0.8, *exact), abs=0.01)
    assert estimates["recall at level 3"].value == 0
    assert estimates["recall at level 3"].upper > 0.2
    assert estimates["coverage"].value == pytest.approx(25 / 30)
    assert estimates["levels met"].value == pytest.approx(23 / 30)
    assert estimates["accuracy"].value == pytest.approx(23 / 25)
    value, lower, upper = estimates[KAPPA]
    assert 0.5 < lower < value < upper < 1


def test_kappa_does_not_collapse_when_all_is_right():
    levels = [0] * 8 + [1] * 8 + [2] * 4
    scores = score_severity(_frame(edema_severity=levels), _frame(severity=levels))
    value, lower, upper = estimate_severity(scores, seed=0)[KAPPA]
    assert (value, upper) == (1, 1)
    assert 0.4 < lower < 0.98


def test_severity_is_compared_on_the_studies_that_both_have():
    truth = _frame(severity=[0, 0, 1, 1, 2, 2, 2])
    first = _frame(edema_severity=[0, 0, 1, 1, 2, 2])
    second = _frame(edema_severity=[0, 0, 0, 1, None, None, 2])
    named = {one.name: one for one in compare_severity(first, second, truth, seed=0)}
    assert named["levels met"].support == 6
    assert named["levels met"].difference.value == pytest.approx(1 - 3 / 6)
    assert named["coverage"].difference.value == pytest.approx(1 - 4 / 6)
    assert named["recall at level 2"].first == 1
    assert -0.3 < named["recall at level 2"].difference.lower < 0  # two studies prove nothing
