"""Settings choose the loss on severity that they name."""

from __future__ import annotations

import json

import pytest
import torch

from vision.grading_losses import GradingLossSettings, severity_loss
from vision.losses import soft_cross_entropy_loss, soft_cumulative_loss, squared_emd_loss
from vision.noise_robust_losses import generalised_cross_entropy_loss, smooth_targets

LOGITS = torch.tensor([[2.0, 0.5, -1.0], [0.1, -0.4, -3.0]])
TARGETS = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.0, 1.0, 0.0, 0.0]])
KNOWN = torch.tensor([True, True])
SMOOTH = {"kind": "label_smoothing", "amount": 0.2}


def choose(severity_kind, noise=None):
    values = {"severity_loss": {"kind": severity_kind}, "noise": noise or {"kind": "none"}}
    settings = GradingLossSettings.model_validate_json(json.dumps(values))
    return float(severity_loss(settings, LOGITS, TARGETS, KNOWN).total)


@pytest.mark.parametrize(
    ("kind", "loss"),
    [
        ("cumulative", soft_cumulative_loss),
        ("cross_entropy", soft_cross_entropy_loss),
        ("emd", squared_emd_loss),
    ],
)
def test_the_kind_is_the_loss_with_smoothed_targets_or_without(kind, loss):
    assert choose(kind) == float(loss(LOGITS, TARGETS, KNOWN).total)
    smoothed = smooth_targets(TARGETS, 0.2)
    assert choose(kind, SMOOTH) == float(loss(LOGITS, smoothed, KNOWN).total) != choose(kind)
    assert choose(kind, {"kind": "elr"}) == choose(kind)


def test_gce_takes_the_place_of_cross_entropy():
    expected = generalised_cross_entropy_loss(LOGITS, TARGETS, KNOWN, exponent=0.4).total
    assert choose("cross_entropy", {"kind": "gce", "exponent": 0.4}) == float(expected)
