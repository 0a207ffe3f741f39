"""Distillation by hand; the contrastive losses have test files of their own."""

from __future__ import annotations

import math

import pytest
import torch

from joint.losses import distillation_loss


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
