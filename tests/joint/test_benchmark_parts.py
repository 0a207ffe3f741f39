"""The benchmark's noise is what it says it is, and its intervals hold patients and seeds."""

from __future__ import annotations

import numpy as np
import pytest

from joint.benchmark.labels import draw_anchors, weigh_anchors
from joint.benchmark.noise import (
    cast_votes,
    draw_graded,
    plant_shortcut,
    planted_confusion,
    teach_votes,
)
from joint.benchmark.score import retrieval_recall
from joint.benchmark.statistics import Contrast, Judged, estimate, seed_values

STUDIES = 20_000


def grades(count=STUDIES):
    return np.random.default_rng(0).choice(4, size=count, p=[0.43, 0.25, 0.23, 0.09])


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.6])
def test_labeling_functions_err_as_planted(rate):
    truth = grades()
    votes = cast_votes(truth, rate, seed=1)
    for labeler in range(3):
        found = np.array([np.bincount(votes[truth == g, labeler], minlength=4) for g in range(4)])
        found = found / found.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(found, planted_confusion(rate), atol=0.03)
    assert planted_confusion(rate).sum(axis=1) == pytest.approx(1)
    errs = votes != truth[:, None]
    both = (errs[:, 0] & errs[:, 1]).mean()
    assert both == pytest.approx(rate**2, abs=0.02)


def test_the_label_model_beats_one_labeler_and_knows_the_taught_alone():
    truth = grades(2000)
    votes, known = cast_votes(truth, 0.3, seed=2), np.arange(2000) < 1500
    targets, _ = teach_votes(votes, known, seed=0)
    np.testing.assert_array_equal(targets.known, known)
    taught = (targets.values[known].argmax(axis=1) == truth[known]).mean()
    assert taught > (votes[known, 0] == truth[known]).mean() + 0.05


def test_more_graded_reports_hold_the_fewer():
    few, many = (set(draw_graded(np.arange(100), n, seed=3)) for n in (10, 40))
    assert len(few) == 10
    assert few < many


@pytest.mark.parametrize("share", [0.9, 0.1])
def test_a_shortcut_has_the_share_asked_for(share):
    generator = np.random.default_rng(4)
    device, edema = generator.random(5000) < 0.4, generator.random(5000) < 0.6
    chosen = plant_shortcut(device, edema, share, seed=0)
    assert (device == edema)[chosen].mean() == pytest.approx(share, abs=0.002)


def test_anchors_are_even_over_reported_grades_and_weighed_back():
    votes = grades(3000).astype(np.int8)
    anchors = draw_anchors(np.arange(3000), votes, seed=0)
    counts = np.bincount(votes[anchors], minlength=4)
    assert counts.sum() == 141
    assert counts.max() - counts.min() <= 1
    weights = weigh_anchors(anchors, np.arange(3000), votes)
    shares = np.bincount(votes[anchors], weights=weights, minlength=4) / weights.sum()
    np.testing.assert_allclose(shares, np.bincount(votes, minlength=4) / 3000, atol=1e-9)


def test_an_image_finds_its_own_words_whoever_else_has_them():
    vectors = np.eye(4, dtype=np.float32)
    found = retrieval_recall(vectors, vectors[[0, 1, 3, 2]], np.array([0, 1, 2, 3]))
    assert found["recall_at_1"] == 0.5
    assert found["recall_at_5"] == 1
    shared = retrieval_recall(vectors[[0, 0]], vectors[[0, 0]], np.array([7, 7]))
    assert shared["recall_at_1"] == 1


def judged(truth, noise, seeds):
    groups = {}
    for seed in range(seeds):
        sure = np.eye(4)[truth]
        wrong = np.random.default_rng(seed).dirichlet(np.ones(4), size=len(truth))
        groups[seed] = (1 - noise) * sure + noise * wrong
    return Judged(groups)


def test_a_difference_is_the_mean_over_seeds_with_zero_outside_where_it_is_clear():
    truth = grades(400)
    patients = [str(number // 2) for number in range(400)]
    groups = {"good": judged(truth, 0.7, 3), "poor": judged(truth, 0.95, 3)}
    contrast = Contrast("good", "poor")
    found = estimate(groups, [contrast], truth, patients, seed=0, resamples=60)
    gain = found[contrast.name]["auc_0v123"]
    means = [np.mean(list(seed_values(g, truth, "auc_0v123").values())) for g in groups.values()]
    assert gain.value == pytest.approx(means[0] - means[1])
    assert 0 < gain.low < gain.value < gain.high
    assert found["good"]["auc_0v123"].clusters == 200


def test_seeds_that_disagree_widen_the_interval():
    truth = grades(400)
    patients = [str(number) for number in range(400)]
    alike = Judged(dict.fromkeys(range(4), judged(truth, 0.8, 1).probabilities[0]))
    spread = Judged({s: judged(truth, 0.5 + 0.15 * s, 1).probabilities[0] for s in range(4)})
    widths = []
    for group in (alike, spread):
        found = estimate({"a": group}, [], truth, patients, seed=0, resamples=80)["a"]["auc_0v123"]
        widths.append(found.high - found.low)
    assert widths[1] > 1.5 * widths[0]
