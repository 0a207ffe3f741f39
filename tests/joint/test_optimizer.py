"""The learning rate over the steps, and which weights decay."""

from __future__ import annotations

import pytest
from torch import nn

from joint.optimizer import OptimizerSettings, build_optimizer, learning_rate_at

SETTINGS = OptimizerSettings(learning_rate=2.0, warmup_steps=4, final_share=0.1)


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 0.5), (3, 2.0), (4, 2.0), (54, 1.1), (104, 0.2), (200, 0.2)]
)
def test_warm_up_then_half_a_cosine(step, rate):
    assert learning_rate_at(step, 104, SETTINGS) == pytest.approx(rate)


@pytest.mark.parametrize(("step", "rate"), [(3, 2.0), (29, 1.55), (54, 1.1), (104, 0.2)])
def test_a_decay_may_be_a_line(step, rate):
    settings = SETTINGS.model_copy(update={"decay": "linear"})
    assert learning_rate_at(step, 104, settings) == pytest.approx(rate)


def test_biases_norms_and_scales_do_not_decay():
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    decaying, plain = build_optimizer(model, SETTINGS).param_groups
    assert [tuple(p.shape) for p in decaying["params"]] == [(2, 3)]
    assert (len(plain["params"]), plain["weight_decay"]) == (3, 0)
