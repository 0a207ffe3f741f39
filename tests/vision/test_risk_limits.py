"""The share of wrong grades stays under the promised one, as often as promised."""

import numpy as np
import pytest
from scipy.stats import binom

from vision.metrics import MetricsError
from vision.risk_limits import (
    RiskThreshold,
    risk_coverage_curve,
    select_risk_threshold,
    upper_risk_limit,
)


def draw_images(generator, images):
    """The most probable grade is right with the probability confidence², so over-confident."""
    confidence = generator.uniform(0.3, 1.0, images)
    levels = generator.integers(0, 4, images)
    right = generator.random(images) < confidence**2
    graded = np.where(right, levels, (levels + 1) % 4)
    probabilities = np.repeat((1 - confidence)[:, None] / 3, 4, axis=1)
    probabilities[np.arange(images), graded] = confidence
    return probabilities, levels


def true_risk(threshold):
    grid = np.linspace(max(threshold, 0.3), 1.0, 2001)
    return float(np.mean(1 - grid**2))


def test_the_promise_is_broken_in_fewer_draws_than_delta():
    generator = np.random.default_rng(0)
    broken, refused, coverages = 0, 0, []
    for _ in range(400):
        probabilities, levels = draw_images(generator, 400)
        try:
            chosen = select_risk_threshold(probabilities, levels, target_risk=0.3, delta=0.1)
        except MetricsError:
            refused += 1
            continue
        broken += true_risk(chosen.least_confidence) > 0.3
        coverages.append(chosen.coverage)
        assert chosen.observed_risk <= chosen.bound <= 0.3
    # 40 expected at most; three standard deviations above it.
    assert broken <= 40 + 3 * np.sqrt(400 * 0.1 * 0.9)
    assert refused < 20
    assert np.mean(coverages) > 0.2


def test_the_limit_is_the_risk_that_shows_so_few_errors_with_probability_delta():
    for errors, images in [(0, 10), (3, 50), (49, 50)]:
        limit = upper_risk_limit(errors, images, 0.05)
        assert binom.cdf(errors, images, limit) == pytest.approx(0.05)
    assert upper_risk_limit(5, 5, 0.05) == 1.0


def test_too_few_images_for_the_promise_are_refused_with_the_limit_reached():
    probabilities, levels = draw_images(np.random.default_rng(1), 20)
    with pytest.raises(MetricsError, match="20 images"):
        select_risk_threshold(probabilities, levels, target_risk=0.01)


def test_what_is_below_the_threshold_is_not_graded():
    probabilities, levels = draw_images(np.random.default_rng(2), 2000)
    chosen = select_risk_threshold(probabilities, levels, target_risk=0.3)
    graded = [chosen.reason_for(row) is None for row in probabilities]
    assert np.mean(graded) == chosen.coverage
    assert "at most 30% of grades are wrong" in str(chosen.reason_for([0.25] * 4))
    assert RiskThreshold.model_validate_json(chosen.model_dump_json()) == chosen


def test_being_off_by_one_may_be_tolerated():
    probabilities, levels = draw_images(np.random.default_rng(3), 2000)
    # Wrong grades are one too high, or 0 for a 3: a quarter of them is off by three.
    strict = select_risk_threshold(probabilities, levels, target_risk=0.2)
    lenient = select_risk_threshold(probabilities, levels, target_risk=0.2, tolerance=1)
    assert lenient.coverage > strict.coverage


def test_the_curve_counts_errors_among_the_most_confident_and_keeps_ties_together():
    probabilities = np.array([[0.9, 0.1, 0, 0], [0.6, 0.4, 0, 0], [0.4, 0.6, 0, 0]])
    curve = risk_coverage_curve(probabilities, [0, 1, 1])
    assert curve["confidence"].tolist() == [0.9, 0.6]
    assert curve["coverage"].tolist() == pytest.approx([1 / 3, 1])
    assert curve["risk"].tolist() == pytest.approx([0, 1 / 3])
