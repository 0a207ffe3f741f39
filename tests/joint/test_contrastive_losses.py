"""Every contrastive loss against its slow reference, and what all of them promise."""

from __future__ import annotations

import math

import pytest
import torch

from joint.losses.contrastive import InfoNceSettings, SiglipSettings, infonce_loss, siglip_loss
from joint.losses.pair_rows import PairRows
from joint.losses.settings import contrastive_loss
from tests.joint.contrastive_cases import (
    CONTRASTIVE_LOSSES,
    choose_rows,
    random_pairs,
    slow_contrastive,
)

ALL = pytest.mark.parametrize("settings", CONTRASTIVE_LOSSES.values(), ids=CONTRASTIVE_LOSSES)
SCALE, BIAS = 4.0, -1.5


def learned(rows):
    """Scale and bias as the model gives them, and the two numbers that are learned."""
    scale = torch.tensor(SCALE, dtype=torch.float64, requires_grad=True)
    bias = torch.tensor(BIAS, dtype=torch.float64, requires_grad=True)
    return {"scale": scale.expand(rows), "bias": bias.expand(rows)}, (scale, bias)


def unit_pairs(**changes):
    """Four rows; images and reports on two axes, so that every product is 0 or 1."""
    axes = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    true = torch.ones(4, dtype=torch.bool)
    pairs = PairRows(axes, axes, torch.arange(4), true, torch.zeros(4), ~true, torch.arange(4))
    return pairs._replace(**changes)


@ALL
def test_value_and_gradient_are_the_references(settings):
    generator = torch.Generator().manual_seed(7)
    for rows in (1, 2, 3, 5, 8, 8, 8):
        pairs = random_pairs(rows, generator)
        results = []
        for is_slow in (False, True):
            images, texts = pairs.images.clone(), pairs.texts.clone()
            mine = pairs._replace(images=images.requires_grad_(), texts=texts.requires_grad_())
            outputs, leaves = learned(rows)
            if is_slow:
                total = slow_contrastive(settings, mine, *leaves)
            else:
                found = contrastive_loss(settings, mine, mine, outputs)
                total = found.total
                assert int(found.count) == int(pairs.has_report.sum())
            inputs = [images, texts, *leaves]
            gradients = torch.autograd.grad(total, inputs, materialize_grads=True)
            results.append([total.detach(), *gradients])
        for fast, slow in zip(*results, strict=True):
            assert torch.allclose(fast, slow, rtol=1e-10, atol=1e-12)


@ALL
def test_analytic_gradients_are_the_numerical_ones(settings):
    pairs = random_pairs(4, torch.Generator().manual_seed(2))
    pairs = pairs._replace(has_report=torch.tensor([True, True, False, True]))

    def total(images, texts, scale, bias):
        mine = pairs._replace(images=images, texts=texts)
        outputs = {"scale": scale.expand(4), "bias": bias.expand(4)}
        return contrastive_loss(settings, mine, mine, outputs).total

    leaves = (pairs.images, pairs.texts, torch.tensor(SCALE).double(), torch.tensor(BIAS).double())
    assert torch.autograd.gradcheck(total, [leaf.clone().requires_grad_() for leaf in leaves])


@ALL
@pytest.mark.parametrize("garbage", [math.nan, math.inf])
def test_a_row_without_report_has_exactly_no_gradient_and_no_say(settings, garbage):
    pairs = random_pairs(6, torch.Generator().manual_seed(3))
    hidden = torch.tensor([False, True, False, False, True, False])
    results = []
    for value in (0.0, garbage):
        images = torch.where(hidden[:, None], value, pairs.images).requires_grad_()
        texts = torch.where(hidden[:, None], value, pairs.texts).requires_grad_()
        severities = torch.where(hidden, value, pairs.severities)
        mine = PairRows(
            images, texts, pairs.groups, ~hidden, severities, pairs.has_severity, pairs.places
        )
        found = contrastive_loss(settings, mine, mine, learned(6)[0])
        found.total.backward()
        results.append((found.total.detach(), images.grad, texts.grad))
        for gradient in (images.grad, texts.grad):
            assert (gradient[hidden] == 0).all()
        assert (texts.grad[~hidden] != 0).any()
        assert int(found.count) == 4
    for clean, dirty in zip(*results, strict=True):
        assert torch.equal(clean, dirty)


@ALL
def test_what_stands_for_an_unknown_severity_has_no_say(settings):
    pairs = random_pairs(6, torch.Generator().manual_seed(3))
    totals = []
    for value in (0.0, 3.0, math.nan):
        severities = torch.where(pairs.has_severity, pairs.severities, value)
        images = pairs.images.clone().requires_grad_()
        mine = pairs._replace(images=images, severities=severities)
        found = contrastive_loss(settings, mine, mine, learned(6)[0])
        found.total.backward()
        totals.append((float(found.total.detach()), images.grad.sum().item()))
    assert not pairs.has_severity.all()
    assert totals[0] == totals[1] == totals[2]


@ALL
def test_without_any_report_the_loss_is_zero_and_not_nan(settings):
    pairs = random_pairs(3, torch.Generator().manual_seed(4))
    images = torch.full_like(pairs.images, math.nan).requires_grad_()
    mine = pairs._replace(images=images, has_report=torch.zeros(3, dtype=torch.bool))
    found = contrastive_loss(settings, mine, mine, learned(3)[0])
    found.total.backward()
    assert (float(found.total.detach()), int(found.count)) == (0.0, 0)
    assert (images.grad == 0).all()


@ALL
@pytest.mark.parametrize("processes", [2, 3, 8])
def test_the_shares_of_all_processes_add_up(settings, processes):
    pairs = random_pairs(7, torch.Generator().manual_seed(5))
    outputs = {name: value.detach() for name, value in learned(7)[0].items()}
    whole = contrastive_loss(settings, pairs, pairs, outputs)
    shares = []
    for rank in range(processes):
        own = choose_rows(pairs, slice(rank, None, processes))
        mine = {name: value[: len(own.groups)] for name, value in outputs.items()}
        shares.append(contrastive_loss(settings, own, pairs, mine))
    total, count = (sum(float(part) for part in parts) for parts in zip(*shares, strict=True))
    assert total == pytest.approx(float(whole.total), rel=1e-12)
    assert count == float(whole.count)


def test_infonce_by_hand():
    # Rows 0 and 2 have the same report, so do 1 and 3: two of four candidates have product 1.
    pairs = unit_pairs(groups=torch.tensor([0, 1, 0, 1]))
    loss = infonce_loss(pairs, pairs, torch.ones(4))
    assert float(loss.total) == pytest.approx(4 * math.log(2 + 2 / math.e))


def test_skipped_rows_of_the_same_report_are_no_candidates():
    pairs = unit_pairs(groups=torch.tensor([0, 1, 0, 1]))
    loss = infonce_loss(pairs, pairs, torch.ones(4), InfoNceSettings(same_report="skip"))
    assert float(loss.total) == pytest.approx(4 * math.log(1 + 2 / math.e))


def test_equal_labels_share_the_target_by_hand():
    # Rows 0 and 1 say grade 2, row 2 grade 3, row 3 nothing: 0 and 1 share, the others don't.
    stated = torch.tensor([True, True, True, False])
    grades = torch.tensor([2.0, 2.0, 3.0, 0.0])
    pairs = unit_pairs(severities=grades, has_severity=stated)
    soft = InfoNceSettings(share_equal_labels=0.25)
    every = math.log(2 * math.e + 2)
    # 0 and 1: ¾ on the own pair (product 1), ¼ on the other (0); 2 and 3: all on the own.
    expected = 2 * (every - 0.75) + 2 * (every - 1)
    assert float(infonce_loss(pairs, pairs, torch.ones(4), soft).total) == pytest.approx(expected)


def test_siglip_by_hand():
    pairs, soft = unit_pairs(), SiglipSettings(kind="siglip")
    loss = siglip_loss(pairs, pairs, torch.full((4,), 2.0), torch.full((4,), -1.0), soft)
    # Own pair: logit 1, target 1; one other has logit 1, two have −1, target 0.
    low, high = math.log(1 + math.exp(-1)), math.log(1 + math.e)
    assert float(loss.total) == pytest.approx(4 * (low + high + 2 * low))


def test_siglip_gives_near_grades_part_of_a_target():
    grades = torch.tensor([0.0, 1.0, 3.0, 0.0])
    pairs = unit_pairs(severities=grades, has_severity=torch.tensor([True, True, True, False]))
    none = torch.zeros(4)
    soft = SiglipSettings(kind="siglip", share_equal_labels=0.5, label_reach=2.0)
    weight = none.clone().requires_grad_()
    siglip_loss(pairs, pairs, none, weight, soft).total.backward()
    # The gradient at the bias is the sum of ½ − target: near grades (0 and 1) have ½ · ½.
    assert weight.grad.tolist() == pytest.approx([0.75, 0.75, 1.0, 1.0])
