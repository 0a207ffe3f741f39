"""Intervals are those of the slow bootstrap, draw patients whole, and keep pairs together."""

import numpy as np
import pytest

from vision.finding_metrics import FINDING_LABELS, finding_metrics
from vision.intervals import (
    finding_intervals,
    paired_differences,
    paired_finding_differences,
    severity_intervals,
)
from vision.metrics import METRIC_LABELS, MetricsError, severity_metrics


def make_sample(seed=0, patients=60, images_each=3, noise=0.5):
    """Images of one patient share the grade and most of the model's mistake."""
    generator = np.random.default_rng(seed)
    ids = np.repeat(np.arange(patients), images_each)
    levels = generator.integers(0, 4, patients)[ids]
    mistaken = generator.dirichlet(np.ones(4), patients)[ids]
    probabilities = noise * mistaken + (1 - noise) * np.eye(4)[levels]
    return probabilities, levels, [f"patient-{i}" for i in ids]


def test_intervals_are_those_of_a_bootstrap_that_copies_images():
    probabilities, levels, patients = make_sample(patients=20, noise=0.8)
    intervals = severity_intervals(probabilities, levels, patients, seed=5, resamples=40)
    generator = np.random.default_rng(5)
    names = list(dict.fromkeys(patients))
    drawn = []
    for counts in generator.multinomial(20, [1 / 20] * 20, size=40):
        rows = [
            i
            for name, n in zip(names, counts, strict=True)
            for _ in range(n)
            for i in range(len(patients))
            if patients[i] == name
        ]
        drawn.append(severity_metrics(probabilities[rows], levels[rows]))
    for name in ("auc_01v23", "macro_f1", "quadratic_kappa", "ece", "brier"):
        low, high = np.quantile([metrics[name] for metrics in drawn], (0.025, 0.975))
        assert intervals[name][1:] == pytest.approx((low, high, 60, 20))


def test_values_are_those_of_the_metrics():
    probabilities, levels, patients = make_sample()
    intervals = severity_intervals(probabilities, levels, patients, seed=0, resamples=50)
    assert list(intervals) == list(METRIC_LABELS)
    values = {name: interval.value for name, interval in intervals.items()}
    assert values == pytest.approx(severity_metrics(probabilities, levels))


def test_clustered_intervals_are_wider_than_those_that_take_images_as_independent():
    probabilities, levels, patients = make_sample(images_each=6, noise=0.8)
    clustered = severity_intervals(probabilities, levels, patients, seed=0, resamples=300)
    alone = severity_intervals(probabilities, levels, range(len(levels)), seed=0, resamples=300)
    for name in ("accuracy", "auc_0v123"):
        ratio = (clustered[name].high - clustered[name].low) / (alone[name].high - alone[name].low)
        assert ratio == pytest.approx(np.sqrt(6), rel=0.25)


def test_about_95_of_100_intervals_hold_the_true_accuracy():
    generator = np.random.default_rng(3)
    hits = 0
    for trial in range(200):
        right = np.repeat(generator.random(80) < 0.7, 2)
        levels = generator.integers(0, 4, 160)
        probabilities = np.eye(4)[np.where(right, levels, (levels + 1) % 4)]
        patients = np.repeat(np.arange(80), 2).tolist()
        accuracy = severity_intervals(probabilities, levels, patients, seed=trial, resamples=200)[
            "accuracy"
        ]
        hits += accuracy.low <= 0.7 <= accuracy.high
    assert 180 <= hits <= 199


def test_the_same_seed_gives_the_same_intervals_whatever_the_block(monkeypatch):
    probabilities, levels, patients = make_sample(noise=0.8)
    whole = severity_intervals(probabilities, levels, patients, seed=1, resamples=30)
    monkeypatch.setattr("vision.intervals.RESAMPLE_BLOCK_VALUES", 7 * len(levels))
    blocks = severity_intervals(probabilities, levels, patients, seed=1, resamples=30)
    assert all(blocks[name] == pytest.approx(whole[name], rel=1e-12) for name in whole)
    other = severity_intervals(probabilities, levels, patients, seed=2, resamples=30)
    assert other["brier"] != whole["brier"]


def test_a_pair_is_compared_on_the_same_patients():
    probabilities, levels, patients = make_sample(noise=0.8)
    same = paired_differences(probabilities, probabilities, levels, patients, seed=0, resamples=50)
    assert all(interval[:3] == (0.0, 0.0, 0.0) for interval in same.values())
    better = 0.95 * probabilities + 0.05 * np.eye(4)[levels]
    gain = paired_differences(better, probabilities, levels, patients, seed=0, resamples=200)
    alone = severity_intervals(better, levels, patients, seed=0, resamples=200)
    assert gain["brier"].high < 0
    assert gain["brier"].high - gain["brier"].low < alone["brier"].high - alone["brier"].low
    back = paired_differences(probabilities, better, levels, patients, seed=0, resamples=200)
    assert back["brier"].value == pytest.approx(-gain["brier"].value)


def test_too_few_patients_of_a_grade_have_no_interval():
    probabilities, levels, patients = make_sample()
    levels = np.minimum(levels, 2)
    levels[:3] = 3
    intervals = severity_intervals(probabilities, levels, patients, seed=0, resamples=200)
    assert severity_metrics(probabilities, levels)["auc_012v3"] is not None
    assert intervals["auc_012v3"] is None
    assert intervals["auc_0v123"] is not None


def test_no_images_have_no_interval():
    empty = severity_intervals(np.empty((0, 4)), [], [], seed=0)
    assert set(empty.values()) == {None}


def test_a_patient_id_per_image_is_needed():
    probabilities, levels, patients = make_sample()
    with pytest.raises(MetricsError, match="180 images but 179 patient ids"):
        severity_intervals(probabilities, levels, patients[:-1], seed=0)


def test_findings_have_intervals_on_their_labelled_images():
    generator = np.random.default_rng(0)
    labels = np.where(generator.random((200, 2)) < 0.2, np.nan, generator.random((200, 2)) < 0.5)
    scores = np.clip(np.nan_to_num(labels) * 0.3 + generator.random((200, 2)) * 0.7, 0, 1)
    labels[:, 1] = np.nan
    patients = np.repeat(np.arange(100), 2).tolist()
    names = ["Edema", "Fracture"]
    intervals = finding_intervals(scores, labels, names, patients, seed=0, resamples=200)
    points = finding_metrics(scores, labels, names)
    for name in FINDING_LABELS:
        interval = intervals["Edema"][name]
        assert interval.value == pytest.approx(points["Edema"][name])
        assert interval.low <= interval.high
        assert interval.n == points["Edema"]["n"]
    assert set(intervals["Fracture"].values()) == {None}


def test_a_better_finding_model_is_better_on_the_same_patients():
    generator = np.random.default_rng(1)
    labels = (generator.random(300) < 0.5).astype(float)
    good, bad = np.clip(0.4 * labels + 0.6 * generator.random(300), 0, 1), generator.random(300)
    gain = paired_finding_differences(good, bad, labels, range(300), seed=0, resamples=200)
    assert gain["auc"].low > 0
    same = paired_finding_differences(good, good, labels, range(300), seed=0, resamples=50)
    assert {interval[:3] for interval in same.values()} == {(0.0, 0.0, 0.0)}
