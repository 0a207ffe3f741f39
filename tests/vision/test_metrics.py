"""Metrics agree with slow formulae, with scikit-learn, and with numbers worked out by hand."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    roc_auc_score,
)

from vision.metrics import (
    LOWER_IS_BETTER,
    METRIC_LABELS,
    MetricsError,
    confusion,
    severity_metrics,
)

HAND_PROBABILITIES = [
    [0.7, 0.2, 0.1, 0.0],
    [0.1, 0.6, 0.2, 0.1],
    [0.2, 0.5, 0.2, 0.1],
    [0.0, 0.1, 0.3, 0.6],
]
HAND_LEVELS = [0, 1, 2, 3]


def make_sample(seed=0, images=200, decimals=None):
    generator = np.random.default_rng(seed)
    levels = generator.integers(0, 4, images)
    probabilities = generator.dirichlet(np.ones(4), images) * 0.7 + 0.3 * np.eye(4)[levels]
    if decimals is not None:
        probabilities = np.round(probabilities, decimals)
        probabilities[:, 0] += 1 - probabilities.sum(axis=1)
        probabilities = np.clip(probabilities, 0, None)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    return probabilities, levels, generator.integers(0, 4, images).astype(float)


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("accuracy", 3 / 4),
        ("macro_f1", (1 + 2 / 3 + 0 + 1) / 4),
        ("quadratic_kappa", 1 - 1 / (40 / 4)),
        ("over_call", 0.0),
        ("under_call", 1 / 4),
        ("auc_0v123", 1.0),
        ("auc_01v23", (3 + 1 / 2) / 4),
        ("auc_012v3", 1.0),
        ("auc_1v2", 1.0),
        ("mean_absolute_error", (0.4 + 0.3 + 0.8 + 0.5) / 4),
        ("ece", (0.3 + 0.5 + 2 * 0.4) / 4),
        ("brier", (0.14 + 0.22 + 0.94 + 0.26) / 4),
        ("ranked_probability_score", (0.10 + 0.11 + 0.54 + 0.17) / 12),
    ],
)
def test_values_worked_out_by_hand(metric, value):
    assert severity_metrics(HAND_PROBABILITIES, HAND_LEVELS)[metric] == pytest.approx(value)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("decimals", [None, 1])
def test_severity_metrics_agree_with_scikit_learn(weighted, decimals):
    probabilities, levels, weights = make_sample(decimals=decimals)
    w = weights if weighted else None
    metrics = severity_metrics(probabilities, levels, weights=w)
    predicted = probabilities.argmax(axis=1)
    expected = {
        "accuracy": accuracy_score(levels, predicted, sample_weight=w),
        "macro_f1": f1_score(levels, predicted, average="macro", sample_weight=w),
        "quadratic_kappa": cohen_kappa_score(
            levels, predicted, weights="quadratic", sample_weight=w
        ),
    }
    for k, name in enumerate(("auc_0v123", "auc_01v23", "auc_012v3")):
        tail = np.cumsum(probabilities[:, ::-1], axis=1)[:, ::-1][:, k + 1]
        expected[name] = roc_auc_score(levels > k, tail, sample_weight=w)
    for low, high in [(0, 1), (1, 3), (2, 3)]:
        pair = np.isin(levels, (low, high))
        both = probabilities[pair, low] + probabilities[pair, high]
        share = np.divide(
            probabilities[pair, high], both, out=np.full(len(both), 0.5), where=both > 0
        )
        expected[f"auc_{low}v{high}"] = roc_auc_score(
            levels[pair] == high, share, sample_weight=None if w is None else w[pair]
        )
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)


def test_calibration_errors_agree_with_a_loop_over_bins():
    probabilities, levels, _ = make_sample(seed=1)

    def loop(confidence, correct):
        total = 0.0
        for m in range(15):
            inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
            if inside.any():
                total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
        return total

    metrics = severity_metrics(probabilities, levels)
    top = loop(probabilities.max(axis=1), probabilities.argmax(axis=1) == levels)
    above = [loop(probabilities[:, k + 1 :].sum(axis=1), levels > k) for k in range(3)]
    assert metrics["ece"] == pytest.approx(top)
    assert metrics["ece_cumulative"] == pytest.approx(np.mean(above))


def test_calibration_bins_are_closed_above_and_do_not_mix():
    above = np.array([1 / 15, 2 / 15, 0.1, 0.05])
    probabilities = np.stack([1 - above, 0 * above, 0 * above, above], axis=1)
    gaps_of_bins = abs(1 - 1 / 15 - 0.05) + abs(-2 / 15 - 0.1)
    metrics = severity_metrics(probabilities, [3, 0, 0, 0])
    assert metrics["ece_cumulative"] == pytest.approx(gaps_of_bins / 4)


def test_weight_two_is_the_image_twice_and_weight_zero_is_no_image():
    probabilities, levels, weights = make_sample(seed=2, images=60)
    repeated = np.repeat(np.arange(60), weights.astype(int))
    assert severity_metrics(probabilities, levels, weights=weights) == pytest.approx(
        severity_metrics(probabilities[repeated], levels[repeated])
    )


def test_calibrated_and_certain_predictions_are_perfect():
    metrics = severity_metrics(np.eye(4)[[0, 1, 2, 3, 3]], [0, 1, 2, 3, 3])
    assert metrics == pytest.approx(
        {name: 0.0 if name in LOWER_IS_BETTER else 1.0 for name in METRIC_LABELS}
    )


@pytest.mark.parametrize(
    ("levels", "undefined"),
    [
        ([0, 1, 2, 2], {"auc_012v3", "auc_0v3", "auc_1v3", "auc_2v3"}),
        ([3, 3, 3, 3], {name for name in METRIC_LABELS if name.startswith("auc")}),
        ([], set(METRIC_LABELS)),
    ],
)
def test_what_the_sample_does_not_define_is_none(levels, undefined):
    metrics = severity_metrics(np.reshape(HAND_PROBABILITIES[: len(levels)], (-1, 4)), levels)
    assert {name for name, value in metrics.items() if value is None} == undefined
    assert not any(np.isnan(value) for value in metrics.values() if value is not None)


def test_kappa_of_one_grade_only_is_none():
    assert severity_metrics(np.eye(4)[[1, 1]], [1, 1])["quadratic_kappa"] is None


def test_macro_f1_is_over_the_grades_that_occur():
    metrics = severity_metrics(np.eye(4)[[0, 0, 1, 3]], [0, 0, 1, 1])
    assert metrics["macro_f1"] == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize(
    ("probabilities", "levels", "message"),
    [
        (np.full((2, 3), 1 / 3), [0, 1], "expected"),
        (np.full((2, 4), 0.25), [0, 4], "0 to 3"),
        (np.full((2, 4), 0.25), [0, 0.5], "0 to 3"),
        (np.full((2, 4), 0.5), [0, 1], "not a distribution"),
        (np.full((2, 4), np.nan), [0, 1], "not a distribution"),
    ],
)
def test_what_does_not_fit_is_refused(probabilities, levels, message):
    with pytest.raises(MetricsError, match=message):
        severity_metrics(probabilities, levels)


def test_confusion_has_the_reference_in_rows():
    counts = confusion([0, 0, 3, 2], [0, 1, 2, 2])
    assert counts.tolist() == confusion_matrix([0, 0, 3, 2], [0, 1, 2, 2], labels=range(4)).tolist()
    assert confusion([0, 3], [0, 2], weights=[2, 0.5])[3, 2] == 0.5
    with pytest.raises(MetricsError, match="predictions"):
        confusion([0, 1], [0])
