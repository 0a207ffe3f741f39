"""Contrastive loss and distillation against slow, obvious references."""

from __future__ import annotations

import math

import pytest
import torch

from joint.losses import PairRows, contrastive_loss, distillation_loss


def random_pairs(rows, *, groups=None, has_report=None, seed=0):
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(2, rows, 5, generator=generator, dtype=torch.float64)
    images, texts = torch.nn.functional.normalize(vectors, dim=2)
    groups = torch.arange(rows) if groups is None else torch.tensor(groups)
    has_report = torch.ones(rows, dtype=torch.bool) if has_report is None else has_report
    return PairRows(images, texts, groups, has_report)


def slow_contrastive(pairs, scale):
    """One row, one candidate at a time, over rows that have a report."""
    rows = [i for i in range(len(pairs.groups)) if pairs.has_report[i]]
    total = 0.0
    for anchors, candidates in ((pairs.images, pairs.texts), (pairs.texts, pairs.images)):
        for i in rows:
            scores = {j: float(scale * (anchors[i] @ candidates[j])) for j in rows}
            log_sum = math.log(sum(math.exp(score) for score in scores.values()))
            positives = [j for j in rows if pairs.groups[j] == pairs.groups[i]]
            total += 0.5 * sum(log_sum - scores[j] for j in positives) / len(positives)
    return total


@pytest.mark.parametrize("groups", [None, [0, 0, 1, 2, 1, 0], [3] * 6])
@pytest.mark.parametrize("missing", [(), (0,), (1, 4)])
def test_contrastive_loss_is_what_it_says(groups, missing):
    has_report = torch.tensor([i not in missing for i in range(6)])
    pairs = random_pairs(6, groups=groups, has_report=has_report)
    loss = contrastive_loss(pairs, pairs, torch.full((6,), 4.0, dtype=torch.float64))
    assert float(loss.total.detach()) == pytest.approx(slow_contrastive(pairs, 4.0), rel=1e-12)
    assert int(loss.count) == 6 - len(missing)


def test_a_row_without_report_gets_no_gradient_and_no_nan():
    vectors = torch.randn(4, 3, requires_grad=True)
    pairs = PairRows(vectors, vectors.roll(1, 0), torch.arange(4), torch.zeros(4, dtype=torch.bool))
    loss = contrastive_loss(pairs, pairs, torch.ones(4))
    loss.total.backward()
    assert float(loss.total.detach()) == 0.0
    assert not vectors.grad.any()


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
