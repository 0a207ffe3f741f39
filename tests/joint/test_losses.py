"""Distillation by hand; the contrastive losses have test files of their own."""

from __future__ import annotations

import math

import pytest
import torch

from joint.losses.settings import distillation_loss


def test_distillation_by_hand():
    # A sure text head says level 2: exceedances 1, 1, 0; image logits 0 give 3 log 2.
    sure = torch.tensor([[0.0, 0.0, 1.0, 0.0]])
    unsure = torch.full((1, 4), 0.25)
    logits = torch.zeros(3, 3, requires_grad=True)
    text = torch.cat([sure, unsure, sure]).requires_grad_()
    mask, ramp = torch.tensor([True, True, False]), torch.full((3,), 0.5)
    loss = distillation_loss(logits, text, mask, ramp)
    assert float(loss.total.detach()) == pytest.approx(0.5 * 3 * math.log(2), abs=1e-6)
    assert int(loss.count) == 2
    loss.total.backward()
    assert text.grad is None
    assert logits.grad[0].tolist() == pytest.approx([-0.25, -0.25, 0.25])
    assert logits.grad[1:].abs().max() < 1e-6


def slow_distillation(logits, text, mask, ramp):
    total = 0.0
    for i in range(len(logits)):
        if mask[i]:
            p = text[i].tolist()
            confidence = 1 + sum(q * math.log(q) for q in p) / math.log(4)
            for k in range(3):
                said, taught = torch.sigmoid(logits[i, k]), sum(p[k + 1 :])
                loss = -taught * said.log() - (1 - taught) * (1 - said).log()
                total = total + ramp[i] * confidence * loss
    return total


def test_distillation_is_its_slow_reference_and_its_numerical_gradient():
    torch.manual_seed(0)
    logits = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    text = torch.randn(6, 4, dtype=torch.float64).softmax(dim=1)
    mask, ramp = torch.arange(6) % 3 != 0, torch.linspace(0.1, 1, 6, dtype=torch.float64)
    fast = distillation_loss(logits, text, mask, ramp).total
    slow = slow_distillation(logits, text, mask, ramp)
    assert float(fast.detach()) == pytest.approx(float(slow.detach()), rel=1e-12)
    gradients = [torch.autograd.grad(loss, logits)[0] for loss in (fast, slow)]
    assert torch.allclose(*gradients, rtol=1e-10)
    assert torch.autograd.gradcheck(
        lambda each: distillation_loss(each, text, mask, ramp).total, (logits,)
    )


@pytest.mark.parametrize("garbage", [math.nan, math.inf])
def test_pairs_that_are_not_taught_may_hold_anything(garbage):
    logits = torch.tensor([[0.5, 0.0, -1.0], [garbage] * 3], requires_grad=True)
    text = torch.tensor([[0.7, 0.1, 0.1, 0.1], [garbage] * 4])
    for first in (True, False):
        loss = distillation_loss(logits, text, torch.tensor([first, False]), torch.ones(2))
        (gradient,) = torch.autograd.grad(loss.total, logits)
        assert loss.total.isfinite()
        assert int(loss.count) == first
        assert (gradient[1] == 0).all()
        assert gradient[0].any() == first
