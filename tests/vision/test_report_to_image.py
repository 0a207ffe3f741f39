"""Forward correction of the image head: the arithmetic, its gradient, and its settings."""

import math

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from data_cards.transition import TransitionError, write_transition
from data_cards.transition_estimate import named_transition
from vision.heads import severity_probabilities
from vision.losses import soft_cumulative_loss
from vision.report_to_image import (
    CorrectionSettings,
    NoCorrection,
    hash_correction,
    load_correction,
    reported_logits,
    transition_matrix,
)

T = transition_matrix(named_transition("mimic_edema"))
CORRECTION = TypeAdapter(CorrectionSettings)


def draw_logits(rows: int = 7, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(rows, 3, generator=generator, dtype=torch.float64) * 3
    return drawn.sort(dim=1, descending=True).values


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def slow_loss(logits: list[float], target: list[float], transition: list[list[float]]) -> float:
    """One row's loss, written out: cumulative → levels → report levels → cumulative → BCE."""
    beyond = [1.0, *(sigmoid(value) for value in logits), 0.0]
    image = [beyond[level] - beyond[level + 1] for level in range(4)]
    report = [sum(image[i] * transition[i][r] for i in range(4)) for r in range(4)]
    loss = 0.0
    for cut in (1, 2, 3):
        said, wanted = sum(report[cut:]), sum(target[cut:])
        loss -= wanted * math.log(said) + (1 - wanted) * math.log(1 - said)
    return loss


def test_the_loss_equals_the_slow_one() -> None:
    logits = draw_logits()
    targets = torch.softmax(torch.arange(28, dtype=torch.float64).reshape(7, 4).sin(), dim=1)
    known = torch.tensor([True, True, False, True, True, False, True])
    loss = soft_cumulative_loss(reported_logits(logits, T), targets, known)
    exact = [
        slow_loss(row.tolist(), target.tolist(), T.double().tolist())
        for row, target, is_known in zip(logits, targets, known, strict=True)
        if is_known
    ]
    assert loss.total.item() == pytest.approx(sum(exact), rel=1e-7)
    assert loss.count == 5


def test_what_the_report_says_is_the_image_times_the_transition() -> None:
    logits = draw_logits()
    found = severity_probabilities(reported_logits(logits, T))
    torch.testing.assert_close(found, severity_probabilities(logits) @ T.double())


def test_reports_that_match_their_images_change_nothing() -> None:
    logits = draw_logits()
    torch.testing.assert_close(reported_logits(logits, torch.eye(4)), logits)


def test_the_gradient_is_the_losss_own() -> None:
    logits = draw_logits().requires_grad_()
    assert torch.autograd.gradcheck(lambda values: reported_logits(values, T), (logits,))


@pytest.mark.parametrize("size", [1e2, 1e4])
def test_far_out_logits_have_a_finite_loss_and_gradient(size) -> None:
    logits = torch.tensor([[size, size / 2, size / 3], [-size, -2 * size, -3 * size]])
    logits.requires_grad_()
    targets = torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 1.0]])
    loss = soft_cumulative_loss(reported_logits(logits, T), targets, torch.ones(2))
    loss.total.backward()
    assert loss.total.isfinite()
    assert logits.grad.isfinite().all()


def test_a_head_trained_through_the_transition_says_what_the_image_shows() -> None:
    shown = torch.tensor([0.1, 0.2, 0.3, 0.4])
    logits = torch.tensor([[1.0, 0.0, -1.0]], requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = soft_cumulative_loss(reported_logits(logits, T), (shown @ T)[None], torch.ones(1))
        loss.total.backward()
        return loss.total

    optimizer.step(closure)
    torch.testing.assert_close(severity_probabilities(logits)[0], shown, atol=0.01, rtol=0)


def test_settings_name_no_correction_a_prior_or_a_file(tmp_path) -> None:
    path = tmp_path / "transition.json"
    prior = named_transition("mimic_edema")
    write_transition(path, prior)
    assert load_correction(NoCorrection()) is None
    by_name = CORRECTION.validate_json('{"kind": "forward", "prior": "mimic_edema"}')
    by_path = CORRECTION.validate_json(f'{{"kind": "forward", "path": "{path}"}}')
    assert load_correction(by_name) == load_correction(by_path) == prior
    assert hash_correction(NoCorrection()) == {}
    assert hash_correction(by_path) == {"report_to_image": prior.content_hash}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('{"kind": "forward"}', "either a path or a prior"),
        ('{"kind": "forward", "path": "a", "prior": "mimic_edema"}', "either a path or a prior"),
        ('{"kind": "forward", "prior": "other"}', "no such transition prior. Known: mimic_edema"),
        ('{"kind": "backward"}', "backward"),
    ],
)
def test_settings_without_one_source_are_refused(settings, words) -> None:
    with pytest.raises(ValidationError, match=words):
        CORRECTION.validate_json(settings)


def test_a_missing_file_is_named(tmp_path) -> None:
    settings = CORRECTION.validate_json(f'{{"kind": "forward", "path": "{tmp_path}/no.json"}}')
    with pytest.raises(TransitionError, match=r"no\.json: no such file"):
        load_correction(settings)
