"""Losses for wrong labels, and the forms of the severity loss, by numbers to check by hand."""

from __future__ import annotations

import math

import pytest
import torch

from vision.heads import severity_log_probabilities, severity_probabilities
from vision.losses import (
    finding_loss,
    soft_cross_entropy_loss,
    soft_cumulative_loss,
    squared_emd_loss,
)
from vision.noise_robust_losses import (
    PredictionMemory,
    early_learning_loss,
    generalised_cross_entropy_loss,
    smooth_targets,
)

NAN = math.nan
P = torch.tensor([0.1, 0.3, 0.4, 0.2], dtype=torch.float64)
LOGITS = torch.logit(torch.tensor([[0.9, 0.6, 0.2]], dtype=torch.float64))
"""What gives P."""
KNOWN = torch.tensor([True])


def gce(logits, targets, mask, exponent=0.7):
    return generalised_cross_entropy_loss(logits, targets, mask, exponent=exponent)


ON_SEVERITY = (
    soft_cumulative_loss,
    soft_cross_entropy_loss,
    squared_emd_loss,
    gce,
    early_learning_loss,
)


def one_hot(level):
    return torch.eye(4, dtype=torch.float64)[[level]]


def test_log_probabilities_are_the_logs_and_finite_far_out() -> None:
    assert severity_log_probabilities(LOGITS)[0].exp().tolist() == pytest.approx(P.tolist())
    far = torch.tensor([[30.0, 25.0, 22.0], [-60.0, -80.0, -100.0], [1.0, 1.0, -1.0]])
    assert severity_log_probabilities(far).isfinite().all()
    # σ(30) − σ(25) is 0 in float32; its log is about −25.
    assert float(severity_log_probabilities(far)[0, 1]) == pytest.approx(
        -25 + math.log(1 - math.exp(-5))
    )


def test_cross_entropy_by_hand() -> None:
    soft = torch.tensor([[0.0, 0.25, 0.75, 0.0]], dtype=torch.float64)
    expected = -0.25 * math.log(0.3) - 0.75 * math.log(0.4)
    assert soft_cross_entropy_loss(LOGITS, soft, KNOWN).total.item() == pytest.approx(expected)


def test_squared_emd_by_hand() -> None:
    # All on level 0: 0 above each threshold; P has 0.9, 0.6 and 0.2 there.
    loss = squared_emd_loss(LOGITS, one_hot(0), KNOWN)
    assert loss.total.item() == pytest.approx(0.81 + 0.36 + 0.04)


@pytest.mark.parametrize("level", range(4))
def test_gce_lies_between_cross_entropy_and_absolute_error(level: int) -> None:
    p = float(P[level])
    for exponent, expected in ((1.0, 1 - p), (0.5, (1 - p**0.5) / 0.5)):
        assert gce(LOGITS, one_hot(level), KNOWN, exponent).total.item() == pytest.approx(expected)
    nearly = gce(LOGITS, one_hot(level), KNOWN, 1e-6).total.item()
    assert nearly == pytest.approx(-math.log(p), rel=1e-5)


def test_smoothing_by_hand() -> None:
    assert smooth_targets(one_hot(1), 0.2).tolist() == [pytest.approx([0.05, 0.85, 0.05, 0.05])]


def test_early_learning_by_hand() -> None:
    remembered = torch.tensor([[0.0, 0.5, 0.5, 0.0]], dtype=torch.float64)
    loss = early_learning_loss(LOGITS, remembered, KNOWN)
    assert loss.total.item() == pytest.approx(math.log(1 - 0.5 * 0.3 - 0.5 * 0.4))


def test_early_learning_pulls_towards_what_is_remembered() -> None:
    logits = LOGITS.clone().requires_grad_()
    remembered = one_hot(0).requires_grad_()
    early_learning_loss(logits, remembered, KNOWN).total.backward()
    assert remembered.grad is None
    # Descent lowers P(y > 0): the gradient at its logit is positive, and there alone.
    assert (logits.grad > 0).tolist() == [[True, False, False]]


@pytest.mark.parametrize("loss", ON_SEVERITY)
def test_gradients_are_the_numerical_ones(loss) -> None:
    logits = torch.tensor([[2.0, 0.5, -1.0], [0.1, -0.4, -3.0], [1.0, 0.0, -1.0]]).double()
    targets = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.0, 1.0, 0.0, 0.0], [1.0, 0, 0, 0]]).double()
    mask = torch.tensor([True, True, False])
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda each: loss(each, targets, mask).total, (logits,))


@pytest.mark.parametrize("loss", ON_SEVERITY)
@pytest.mark.parametrize("garbage", [0.0, NAN, math.inf])
def test_a_masked_row_has_exactly_no_gradient_and_no_say(loss, garbage: float) -> None:
    logits = torch.tensor([[2.0, 0.5, -1.0], [garbage] * 3]).requires_grad_()
    targets = torch.tensor([[0.4, 0.3, 0.2, 0.1], [garbage] * 4])
    found = loss(logits, targets, torch.tensor([True, False]))
    alone = loss(logits[:1].detach(), targets[:1], KNOWN)
    assert (found.total.item(), found.count.item()) == (alone.total.item(), 1)
    found.total.backward()
    assert (logits.grad[1] == 0).all()
    assert (logits.grad[0] != 0).any()


@pytest.mark.parametrize("loss", [*ON_SEVERITY, finding_loss])
def test_nothing_known_is_zero_and_not_nan(loss) -> None:
    width = 3 if loss is finding_loss else 4
    logits = torch.full((2, 3), NAN, requires_grad=True)
    mask = torch.zeros((2, 3) if loss is finding_loss else 2, dtype=torch.bool)
    found = loss(logits, torch.full((2, width), NAN), mask)
    found.total.backward()
    assert (found.total.item(), found.count.item()) == (0, 0)
    assert (logits.grad == 0).all()


def remember(memory, rows, logits, mask=None):
    mask = torch.ones(len(rows), dtype=torch.bool) if mask is None else torch.tensor(mask)
    return memory.update(torch.tensor(rows), logits, mask, lambda each: each)


def test_the_memory_is_a_moving_average_per_image() -> None:
    memory = PredictionMemory(3, momentum=0.75)
    assert remember(memory, [2], LOGITS)[0].tolist() == pytest.approx((0.25 * P).tolist())
    assert remember(memory, [2], LOGITS)[0].tolist() == pytest.approx((0.4375 * P).tolist())
    assert not memory.values[:2].any()


def test_an_image_met_twice_counts_with_the_mean() -> None:
    memory, other = PredictionMemory(2, momentum=0.0), LOGITS.roll(1) * 0
    remember(memory, [1, 1], torch.cat([LOGITS, other]))
    mean = (severity_probabilities(LOGITS) + severity_probabilities(other))[0] / 2
    assert memory.values[1].tolist() == pytest.approx(mean.tolist())


def test_what_is_unknown_or_not_finite_is_not_remembered() -> None:
    memory = PredictionMemory(3, momentum=0.5)
    logits = torch.cat([LOGITS, LOGITS, torch.full_like(LOGITS, NAN)])
    remember(memory, [0, 1, 2], logits, [True, False, True])
    assert memory.values.any(dim=1).tolist() == [True, False, False]


def test_the_memory_goes_through_a_state_dict_of_the_same_images() -> None:
    memory, other = PredictionMemory(3, momentum=0.5), PredictionMemory(3, momentum=0.5)
    remember(memory, [1], LOGITS)
    other.load_state_dict(memory.state_dict())
    remember(memory, [0], LOGITS)
    assert other.values.any(dim=1).tolist() == [False, True, False]
    with pytest.raises(ValueError, match=r"expected shape \(4, 4\), found \(3, 4\)"):
        PredictionMemory(4, momentum=0.5).load_state_dict(memory.state_dict())
