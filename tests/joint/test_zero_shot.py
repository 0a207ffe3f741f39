"""Scores by prompts against sums written out, and the traps of prompts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from configs.settings import SettingsError
from data_cards.findings import CHEXPERT_OBSERVATIONS
from joint.evaluation.zero_shot import average_prompts, read_prompts, score_by_prompts


def test_scores_are_a_softmax_over_grades_and_a_sigmoid_of_two_sides():
    generator = np.random.default_rng(0)
    names = [*(f"severity {level}" for level in range(4)), "Edema +", "Edema −"]
    prompts = {name: generator.normal(size=3) for name in names}
    images = generator.normal(size=(5, 3))
    found = score_by_prompts(images, prompts, ["Edema", "Fracture"], scale=2.0)
    assert set(found.findings) == {"Edema"}
    for row, image in enumerate(images):
        odds = [math.exp(2 * sum(image * prompts[f"severity {k}"])) for k in range(4)]
        assert found.severity[row] == pytest.approx([value / sum(odds) for value in odds])
        sides = [math.exp(2 * sum(image * prompts[f"Edema {side}"])) for side in "+−"]
        assert found.findings["Edema"][row] == pytest.approx(sides[0] / sum(sides))


def test_prompts_of_a_run_trained_on_distances_are_compared_by_distances():
    generator = np.random.default_rng(1)
    names = [*(f"severity {level}" for level in range(4)), "Edema +", "Edema −"]
    prompts = {name: generator.normal(size=3) for name in names}
    image = generator.normal(size=3)
    found = score_by_prompts(image[None], prompts, ["Edema"], scale=1.0, measure="distance")
    odds = [math.exp(-math.dist(image, prompts[f"severity {k}"])) for k in range(4)]
    assert found.severity[0] == pytest.approx([value / sum(odds) for value in odds])
    sides = [math.exp(-math.dist(image, prompts[f"Edema {side}"])) for side in "+−"]
    assert found.findings["Edema"] == pytest.approx([sides[0] / sum(sides)])


def test_an_ensemble_is_the_mean_of_its_prompts():
    texts = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert average_prompts(texts, unit_length=False).tolist() == [0.5, 0.5]
    assert average_prompts(texts, unit_length=True) == pytest.approx([0.5**0.5] * 2)


def test_every_observation_has_both_sides_in_words_of_its_own():
    prompts = read_prompts()
    assert set(prompts.findings) >= set(CHEXPERT_OBSERVATIONS)
    assert len(set(sum(prompts.classes().values(), ()))) > 60
    opposite = " ".join(prompts.findings["No Finding"].negative)
    assert "no " not in opposite
    assert "no finding" not in opposite.lower()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("findings: {Edema: {positive: [a], negative: [a]}}", "stand on both sides"),
        ("findings: {Oedema: {positive: [a], negative: [b]}}", "not findings"),
        ("findings: {Edema: {positive: [], negative: [b]}}", "at least 1"),
    ],
)
def test_prompts_that_cannot_score_are_refused(tmp_path, text, message):
    file = tmp_path / "prompts.yaml"
    file.write_text(f"severity: [[a], [b], [c], [d]]\n{text}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        read_prompts(file)
