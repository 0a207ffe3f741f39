"""The ordinal head and the masked losses, against numbers one can check by hand."""

from __future__ import annotations

import inspect
import math

import pytest
import torch
from torch.nn.functional import one_hot

from tests.vision.examples import small_tower
from vision import losses
from vision.heads import SeverityHead, severity_probabilities
from vision.losses import finding_loss, soft_cumulative_loss
from vision.tower import TowerSettings

NAN = math.nan


def test_probabilities_are_differences_of_the_cumulative_ones() -> None:
    beyond = torch.tensor([[0.9, 0.6, 0.1]])
    probabilities = severity_probabilities(torch.logit(beyond))
    assert probabilities.tolist()[0] == pytest.approx([0.1, 0.3, 0.5, 0.1], abs=1e-6)


def test_logits_out_of_order_still_give_a_distribution() -> None:
    probabilities = severity_probabilities(torch.tensor([[0.0, 2.0, -1.0], [-3.0, 3.0, 9.0]]))
    assert (probabilities >= 0).all()
    assert probabilities.sum(dim=1).tolist() == pytest.approx([1, 1])


def test_the_head_keeps_its_cuts_in_order_whatever_is_learned() -> None:
    torch.manual_seed(0)
    head = SeverityHead(5)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.normal_(0, 2)
    logits = head(torch.randn(50, 5))
    assert (logits[:, :-1] >= logits[:, 1:]).all()


def test_soft_cumulative_loss_by_hand() -> None:
    logits = torch.tensor([[1.0, 0.0, -2.0]])
    targets = torch.tensor([[0.1, 0.2, 0.3, 0.4]])  # above 0, 1, 2: 0.9, 0.7, 0.4

    def cross_entropy(logit: float, target: float) -> float:
        p = 1 / (1 + math.exp(-logit))
        return -target * math.log(p) - (1 - target) * math.log(1 - p)

    loss = soft_cumulative_loss(logits, targets, torch.tensor([True]))
    expected = cross_entropy(1, 0.9) + cross_entropy(0, 0.7) + cross_entropy(-2, 0.4)
    assert loss.total.item() == pytest.approx(expected, abs=1e-6)
    assert loss.count.item() == 1


@pytest.mark.parametrize("garbage", [NAN, math.inf, -1e30, 0.0])
def test_a_masked_sample_has_exactly_no_gradient(garbage: float) -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 3, requires_grad=True)
    targets = one_hot(torch.tensor([0, 3, 2]), 4).float()
    targets[1] = garbage
    loss = soft_cumulative_loss(logits, targets, torch.tensor([True, False, True]))
    loss.total.backward()
    assert logits.grad is not None
    assert (logits.grad[1] == 0).all()
    assert (logits.grad[[0, 2]] != 0).all()
    assert loss.count.item() == 2


@pytest.mark.parametrize("garbage", [NAN, math.inf])
def test_a_masked_cell_has_exactly_no_gradient(garbage: float) -> None:
    logits = torch.zeros(2, 3, requires_grad=True)
    targets = torch.tensor([[1.0, garbage, 0.0], [garbage, garbage, 0.3]])
    loss = finding_loss(logits, targets, torch.isfinite(targets))
    loss.total.backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == [
        pytest.approx([-0.5, 0, 0.5]),
        pytest.approx([0, 0, 0.2]),
    ]
    assert loss.total.item() == pytest.approx(3 * math.log(2))
    assert loss.count.item() == 3


ON_SEVERITY = ((4, 3), (4, 4), (4,))
SHAPES = {
    "soft_cumulative_loss": ON_SEVERITY,
    "soft_cross_entropy_loss": ON_SEVERITY,
    "squared_emd_loss": ON_SEVERITY,
    "finding_loss": ((4, 5), (4, 5), (4, 5)),
}
"""Logits, targets and mask of every loss."""


def test_every_loss_is_in_the_table_of_shapes() -> None:
    public = {name for name, _ in inspect.getmembers(losses, inspect.isfunction)}
    ours = {name for name in public if getattr(losses, name).__module__ == losses.__name__}
    assert {name for name in ours if name.endswith("_loss")} == SHAPES.keys()


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_masked_has_exactly_no_gradient_and_no_say(name: str) -> None:
    torch.manual_seed(0)
    loss = getattr(losses, name)
    logit_shape, target_shape, mask_shape = SHAPES[name]
    mask = torch.arange(math.prod(mask_shape)).reshape(mask_shape) % 3 != 0
    targets = torch.rand(target_shape).softmax(dim=1)
    hidden = ~mask if mask.ndim == 2 else ~mask.unsqueeze(1)
    results = []
    for garbage in (0.0, NAN, math.inf):
        logits = torch.linspace(2, -2, math.prod(logit_shape)).reshape(logit_shape)
        logits = torch.where(hidden, garbage, logits).requires_grad_()
        found = loss(logits, torch.where(hidden, garbage, targets), mask)
        found.total.backward()
        assert logits.grad is not None
        is_hidden = hidden.expand(logit_shape)
        assert (logits.grad[is_hidden] == 0).all()
        assert (logits.grad[~is_hidden] != 0).all()
        assert found.count == mask.sum()
        results.append((found.total.item(), logits.grad))
    assert results[0][0] == results[1][0] == results[2][0]
    assert torch.equal(results[0][1], results[1][1])
    assert torch.equal(results[0][1], results[2][1])


def test_a_finding_that_nobody_labelled_leaves_its_weights_alone() -> None:
    tower = small_tower(("Cardiomegaly", "Edema"))
    graded = tower(torch.randn(3, 1, 32, 32))
    mask = torch.tensor([[True, False]]).expand(3, 2)
    losses.finding_loss(graded.finding_logits, torch.ones(3, 2), mask).total.backward()
    weights = tower.finding_head.weight.grad
    assert (weights[0] != 0).any()
    assert (weights[1] == 0).all()
    assert tower.finding_head.bias.grad[1] == 0


def test_nothing_known_is_zero_and_not_nan() -> None:
    logits = torch.full((2, 3), NAN, requires_grad=True)
    loss = soft_cumulative_loss(logits, torch.full((2, 4), NAN), torch.zeros(2, dtype=torch.bool))
    loss.total.backward()
    assert (loss.total.item(), loss.count.item()) == (0, 0)
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_sums_add_up_over_any_split_of_the_batch() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(7, 3).double(), torch.rand(7, 4).double().softmax(dim=1)
    mask = torch.tensor([1, 0, 1, 1, 0, 1, 1]).bool()
    whole = soft_cumulative_loss(logits, targets, mask)
    parts = [
        soft_cumulative_loss(logits[i : i + 3], targets[i : i + 3], mask[i : i + 3])
        for i in (0, 3, 6)
    ]
    assert float(sum(part.total for part in parts)) == pytest.approx(float(whole.total))
    assert float(sum(part.count for part in parts)) == float(whole.count) == 5


@pytest.mark.parametrize("findings", [(), ("Edema",), ("Cardiomegaly", "Pleural Effusion")])
def test_tower_shapes(findings: tuple[str, ...]) -> None:
    tower = small_tower(findings)
    graded = tower(torch.randn(3, 1, 48, 48))
    assert graded.features.shape == (3, 28, 6, 6)
    assert graded.embeddings.shape == (3, tower.width)
    assert graded.severity_logits.shape == (3, 3)
    assert graded.finding_logits.shape == (3, len(findings))


@pytest.mark.parametrize("findings", [("Oedema",), ("Edema", "Edema")])
def test_finding_names_are_checked(findings: tuple[str, ...]) -> None:
    encoder = small_tower().settings.encoder
    with pytest.raises(ValueError, match="finding"):
        TowerSettings(encoder=encoder, findings=findings)
