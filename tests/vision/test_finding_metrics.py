"""Weighted metrics agree with scikit-learn and torchmetrics, with ties, weights and gaps."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score, roc_curve
from torchmetrics.classification import (
    BinaryCalibrationError,
    BinarySensitivityAtSpecificity,
    BinarySpecificityAtSensitivity,
    MulticlassCohenKappa,
    MulticlassF1Score,
)
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

from vision.finding_metrics import FINDING_LABELS, finding_metrics
from vision.metrics import MetricsError, severity_metrics
from vision.weighted_metrics import (
    weighted_equal_mass_error,
    weighted_risk_coverage_area,
    weighted_sensitivity_at,
)


def draw_scores(seed, *, images=120, decimals=None):
    """Scores, labels and whole-number weights, some of them zero; rounded scores have ties."""
    generator = np.random.default_rng(seed)
    positive = generator.random(images) < 0.4
    scores = np.clip(generator.normal(0.4 + 0.2 * positive, 0.2), 0, 1)
    scores = scores if decimals is None else np.round(scores, decimals)
    return scores, positive, generator.integers(0, 4, images).astype(float)


def measure(scores, positive, weights=None):
    return finding_metrics(scores[:, None], positive[:, None], ["Edema"], weights=weights)["Edema"]


@pytest.mark.parametrize("decimals", [None, 1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_findings_agree_with_scikit_learn(seed, weighted, decimals):
    scores, positive, weights = draw_scores(seed, decimals=decimals)
    w = weights if weighted else None
    false_rate, true_rate, _ = roc_curve(positive, scores, sample_weight=w, drop_intermediate=False)
    expected = {
        "auc": roc_auc_score(positive, scores, sample_weight=w),
        "average_precision": average_precision_score(positive, scores, sample_weight=w),
        "brier": brier_score_loss(positive, scores, sample_weight=w),
        "sensitivity_at_specificity": true_rate[false_rate <= 0.05 + 1e-9].max(),
        "specificity_at_sensitivity": 1 - false_rate[true_rate >= 0.95 - 1e-9].min(),
    }
    metrics = measure(scores, positive, w)
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)


@pytest.mark.parametrize("decimals", [None, 1])
@pytest.mark.parametrize("seed", range(3))
def test_findings_agree_with_torchmetrics(seed, decimals):
    scores, positive, _ = draw_scores(seed, decimals=decimals)
    p, t = torch.from_numpy(scores), torch.from_numpy(positive).long()
    sensitivity, _ = BinarySensitivityAtSpecificity(0.95)(p, t)
    specificity, _ = BinarySpecificityAtSensitivity(0.95)(p, t)
    expected = {
        "auc": binary_auroc(p, t),
        "average_precision": binary_average_precision(p, t),
        "sensitivity_at_specificity": sensitivity,
        "specificity_at_sensitivity": specificity,
    }
    metrics = measure(scores, positive)
    for name, value in expected.items():
        assert metrics[name] == pytest.approx(float(value), abs=1e-6), name


def test_severity_agrees_with_torchmetrics():
    generator = np.random.default_rng(4)
    levels = generator.integers(0, 4, 300)
    probabilities = generator.dirichlet(np.ones(4), 300) * 0.7 + 0.3 * np.eye(4)[levels]
    p, t = torch.from_numpy(probabilities), torch.from_numpy(levels)
    right = (p.argmax(1) == t).long()
    metrics = severity_metrics(probabilities, levels)
    assert metrics["quadratic_kappa"] == pytest.approx(
        float(MulticlassCohenKappa(4, weights="quadratic")(p, t)), abs=1e-6
    )
    assert metrics["macro_f1"] == pytest.approx(float(MulticlassF1Score(4)(p, t)), abs=1e-6)
    # torchmetrics 1.x closes its bins below, so the oracle of the top class needs no edge values.
    top = BinaryCalibrationError(n_bins=15, norm="l1")
    stated = torch.from_numpy(probabilities.max(axis=1))
    above_half = stated > 0.5
    assert above_half.any()
    error = severity_metrics(probabilities[above_half.numpy()], levels[above_half.numpy()])["ece"]
    assert error == pytest.approx(float(top(stated[above_half], right[above_half])), abs=1e-6)


@pytest.mark.parametrize("decimals", [None, 1])
def test_a_weight_of_two_is_the_image_twice(decimals):
    scores, positive, weights = draw_scores(5, decimals=decimals)
    rows = np.repeat(np.arange(len(scores)), weights.astype(int))
    weighted, repeated = measure(scores, positive, weights), measure(scores[rows], positive[rows])
    for name in FINDING_LABELS:
        assert weighted[name] == pytest.approx(repeated[name]), name
    area = weighted_risk_coverage_area(scores, (~positive).astype(float), weights[None])
    plain = weighted_risk_coverage_area(
        scores[rows], (~positive[rows]).astype(float), np.ones((1, len(rows)))
    )
    assert area == pytest.approx(plain)


def test_the_risk_coverage_area_is_the_mean_over_prefixes_and_over_orders_of_ties():
    generator = np.random.default_rng(6)
    confidence, losses = np.round(generator.random(12), 1), generator.random(12)
    prefixes = []
    for _ in range(20_000):
        order = np.lexsort((generator.random(12), -confidence))
        prefixes.append((np.cumsum(losses[order]) / np.arange(1, 13)).mean())
    area = weighted_risk_coverage_area(confidence, losses, np.ones((1, 12)))
    assert area == pytest.approx(np.mean(prefixes), abs=2e-3)
    alone = generator.random(50)
    losses = generator.random(50)
    expected = np.mean(np.cumsum(losses[np.argsort(-alone)]) / np.arange(1, 51))
    assert weighted_risk_coverage_area(alone, losses, np.ones((1, 50))) == pytest.approx(expected)


def test_bins_of_equal_mass_agree_with_a_loop():
    generator = np.random.default_rng(7)
    confidence = generator.random(150)
    correct = generator.random(150) < confidence**2
    order = np.argsort(confidence)
    gaps = [abs((correct[rows] - confidence[rows]).sum()) for rows in np.array_split(order, 15)]
    error = weighted_equal_mass_error(confidence, correct, np.ones((1, 150)))
    assert error == pytest.approx(sum(gaps) / 150)


def test_the_specificity_is_never_below_the_one_asked_for():
    scores, positive, weights = draw_scores(8, decimals=1)
    found = weighted_sensitivity_at(scores, positive, weights[None], specificity=1.0)
    highest_negative = scores[~positive & (weights > 0)].max()
    beyond = (weights * (positive & (scores > highest_negative))).sum()
    assert found == pytest.approx(beyond / (weights * positive).sum())


def test_findings_are_compared_where_there_is_a_label():
    nan = np.nan
    metrics = finding_metrics(
        [[0.9, 0.2], [0.6, 0.3], [0.4, 0.4], [0.1, 0.9]],
        [[1, nan], [0, 0], [1, 0], [nan, nan]],
        ["Edema", "Fracture"],
    )
    edema = {"auc": 0.5, "average_precision": (1 + 2 / 3) / 2, "f1": 0.5, "n": 3, "positives": 2}
    assert {name: metrics["Edema"][name] for name in edema} == pytest.approx(edema)
    undefined = {"auc", "average_precision", "f1"} | {
        "sensitivity_at_specificity",
        "specificity_at_sensitivity",
    }
    assert {name for name, value in metrics["Fracture"].items() if value is None} == undefined
    assert metrics["Fracture"]["brier"] == pytest.approx((0.3**2 + 0.4**2) / 2)


def test_a_finding_without_any_label_has_no_metrics():
    metrics = finding_metrics([[0.5]], [[np.nan]], ["Edema"])["Edema"]
    assert [metrics[name] for name in FINDING_LABELS] == [None] * len(FINDING_LABELS)
    assert (metrics["n"], metrics["positives"]) == (0, 0)


@pytest.mark.parametrize(
    ("probability", "label", "message"),
    [(0.5, -1, "uncertain"), (1.5, 1, "0 to 1"), (np.nan, 1, "0 to 1")],
)
def test_what_does_not_fit_is_refused(probability, label, message):
    with pytest.raises(MetricsError, match=message):
        finding_metrics([[probability]], [[label]], ["Edema"])
