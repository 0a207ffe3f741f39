"""When the grader abstains: unlike the training images, or too unsure."""

from __future__ import annotations

import numpy as np
import pytest

from vision.abstention import AbstentionError, fit_abstention

SURE = [0.9, 0.1, 0.0, 0.0]


def embeddings(count: int, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(6, 6))
    return rng.normal(size=(count, 6)) @ mixing + 3.0


def confidences(count: int) -> np.ndarray:
    top = np.linspace(0.4, 1.0, count)
    return np.stack([top, *[(1 - top) / 3] * 3], axis=1)


def test_distance_is_mahalanobis() -> None:
    points = embeddings(4000)
    rule = fit_abstention(points, confidences(4000))
    covariance = np.cov(points.T)
    delta = points[:50] - points.mean(axis=0)
    expected = np.sqrt(np.einsum("ij,jk,ik->i", delta, np.linalg.inv(covariance), delta))
    assert rule.distances(points[:50]) == pytest.approx(expected, rel=0.05)


def test_the_limits_refuse_the_shares_asked_for_on_new_images() -> None:
    rule = fit_abstention(
        embeddings(2000), confidences(2000), low_confidence_share=0.1, unlike_share=0.02
    )
    unlike = rule.distances(embeddings(5000, seed=1)) > rule.limits.largest_distance
    assert unlike.mean() == pytest.approx(0.02, abs=0.01)
    assert rule.limits.least_confidence == pytest.approx(0.46, abs=0.001)


def test_reasons() -> None:
    rule = fit_abstention(embeddings(500), confidences(500))
    usual = embeddings(500).mean(axis=0)
    assert rule.reason_for(usual, SURE) is None
    assert str(rule.reason_for(usual, [0.3, 0.3, 0.2, 0.2])).startswith("low confidence (0.30")
    assert str(rule.reason_for(usual + 100, SURE)).startswith("unlike the training images")
    assert rule.reason_for(np.full(6, np.nan), SURE) is not None


def test_more_dimensions_than_images_still_give_usable_limits() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 200))
    rule = fit_abstention(points, confidences(60), unlike_share=0.05)
    unlike = rule.distances(rng.normal(size=(500, 200))) > rule.limits.largest_distance
    assert unlike.mean() < 0.2


def test_too_few_or_broken_values_are_refused() -> None:
    with pytest.raises(AbstentionError, match="at least 20"):
        fit_abstention(embeddings(5), confidences(5))
    broken = embeddings(30)
    broken[3, 2] = np.nan
    with pytest.raises(AbstentionError, match="NaN"):
        fit_abstention(broken, confidences(30))
