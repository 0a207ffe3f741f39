"""Every loss that settings can choose trains, as docs/losses.md writes it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
import yaml
from pydantic import ValidationError

import joint.joint_task
from joint.joint_settings import ContrastiveSettings, JointLossSettings
from joint.losses.gather import RowGather
from joint.losses.settings import contrastive_loss
from joint.resuming.checkpoints import Checkpoints
from joint.tracking.settings import PUBLIC_STRINGS
from tests.joint.tiny import seed_everything, tiny_joint_task, tiny_loop, train, weights_of
from vision.grading_losses import SEVERITY_LOSSES
from vision.losses import squared_emd_loss
from vision.noise_robust_losses import NoiseSettings

PAGE = Path(__file__).parents[2] / "docs" / "losses.md"
BLOCKS = re.findall(r"```yaml\nlosses:\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
ELR = {"noise": {"kind": "elr", "momentum": 0.5}}


def read_losses(values) -> JointLossSettings:
    return JointLossSettings.model_validate_json(json.dumps(values))


EXAMPLES = [read_losses(yaml.safe_load(block)) for block in BLOCKS]


def kinds_of(union) -> set[str]:
    """The kinds of a tagged union of settings."""
    members = get_args(get_args(union)[0])
    return {kind for each in members for kind in get_args(each.model_fields["kind"].annotation)}


@pytest.mark.parametrize(
    ("part", "kinds"),
    [
        ("contrastive", kinds_of(ContrastiveSettings)),
        ("noise", kinds_of(NoiseSettings)),
        ("severity_loss", set(SEVERITY_LOSSES)),
    ],
)
def test_the_page_shows_every_kind(part, kinds):
    assert {getattr(each, part).kind for each in EXAMPLES} == kinds


@pytest.mark.parametrize("losses", EXAMPLES, ids=[block.split("{")[1][:28] for block in BLOCKS])
def test_every_example_trains(losses, tmp_path):
    task = tiny_joint_task(losses=losses)
    before = weights_of(task)
    _, _, rows = train(task, tmp_path, steps=2, evaluate_every=2)
    taught = [values for kind, _, values in rows if kind == "train"]
    expected = {"severity", "findings", "text_severity", "contrastive", "distillation"}
    expected |= {"early_learning"} if losses.noise.kind == "elr" else set()
    for values in taught:
        assert {f"loss_{name}" for name in expected} <= values.keys()
        assert np.isfinite(list(values.values())).all()
        assert values["skipped"] == 0
        assert values["loss_contrastive"] > 0
    after = weights_of(task)
    assert before.keys() == after.keys()
    # All that the loss learns with has moved: scale and bias too, where there are any.
    learned = {"log_scale", "bias"} & before.keys()
    assert ("bias" in learned) == (losses.contrastive.kind == "siglip")
    assert ("log_scale" in learned) == (losses.contrastive.temperature is not None)
    assert all((before[name] != after[name]).any() for name in learned)


def test_only_the_founding_similarities_leave_the_length_of_embeddings_free():
    for contrastive, is_unit in (
        ({"kind": "ranking", "similarity": "dot"}, False),
        ({"kind": "ranking", "similarity": "l2"}, False),
        ({"kind": "ranking", "similarity": "cosine"}, True),
        ({"kind": "siglip"}, True),
    ):
        task = tiny_joint_task(losses=read_losses({"contrastive": contrastive}))
        outputs = task.model(task.prepare(task.load(np.arange(4), step=0)))
        lengths = outputs["image_embeddings"].norm(dim=1)
        assert torch.allclose(lengths, torch.ones(4), atol=1e-5) == is_unit


def test_a_pairs_severity_is_what_its_report_states(monkeypatch):
    seen = []

    def watched(settings, own, whole, outputs):
        seen.append(own)
        return contrastive_loss(settings, own, whole, outputs)

    monkeypatch.setattr(joint.joint_task, "contrastive_loss", watched)
    task = tiny_joint_task()
    task.pairs.severity_targets[1] = [0.0, 0.0, 0.5, 0.5]
    batch = task.prepare(task.load(np.arange(4), step=0))
    task.losses(task.model(batch), batch, RowGather((4,), 0))
    # Grade g of the tiny task has 0.8 + 0.05 on g and 0.05 on each other; row 0 states none.
    assert seen[0].severities.tolist() == pytest.approx([0.3, 2.5, 1.9, 2.7])
    assert seen[0].has_severity.tolist() == [False, True, True, False]


def test_both_heads_have_the_form_that_the_settings_name():
    task = tiny_joint_task(losses=read_losses({"severity_loss": {"kind": "emd"}}))
    batch = task.prepare(task.load(np.arange(8), step=0))
    outputs = task.model(batch)
    losses = task.losses(outputs, batch, RowGather((8,), 0))
    for name, logits, targets, known in (
        ("severity", "severity_logits", "severity_targets", "has_severity"),
        ("text_severity", "text_severity_logits", "report_targets", "report_states_severity"),
    ):
        expected = squared_emd_loss(outputs[logits], batch[targets], batch[known])
        assert torch.equal(losses[name].total, expected.total)


def test_the_weight_of_elr_is_relative_to_severity():
    losses = read_losses({"severity": 0.5, "noise": {"kind": "elr", "weight": 3.0}})
    assert tiny_joint_task(losses=losses).loss_weights["early_learning"] == 1.5


def test_the_mirror_names_every_choice_of_a_loss():
    words = {
        f"task.losses.{part}.{name}"
        for each in EXAMPLES
        for part, values in each.model_dump().items()
        if isinstance(values, dict)
        for name, value in values.items()
        if isinstance(value, str)
    }
    assert {name for name in PUBLIC_STRINGS if name.startswith("task.losses.")} == words


def test_gce_without_cross_entropy_is_refused():
    with pytest.raises(ValidationError, match=r"expected severity_loss.*found cumulative"):
        read_losses({"noise": {"kind": "gce"}})


def test_the_image_only_control_has_the_image_sides_losses():
    losses = read_losses({"severity": 0.7, "severity_loss": {"kind": "emd"}, **ELR})
    image_side = losses.image_side().model_dump()
    assert image_side == {name: losses.model_dump()[name] for name in image_side}
    assert image_side["noise"]["kind"] == "elr"


def test_a_resumed_run_remembers_what_it_predicted(tmp_path):
    def crash(kind, step, values):
        if step == 5:
            raise KeyError("the machine went down")

    whole, first, second = (tiny_joint_task(losses=read_losses(ELR)) for _ in range(3))
    train(whole, tmp_path / "whole", steps=7)
    loop, checkpoints = tiny_loop(first, steps=7), Checkpoints(tmp_path / "parts", {})
    seed_everything()
    with pytest.raises(KeyError):
        loop.run(checkpoints, crash)
    loop = tiny_loop(second, steps=7)
    assert loop.resume(checkpoints) == 3
    assert second.state_dict()["values"].any()
    loop.run(checkpoints, lambda kind, step, values: None)
    assert torch.equal(second.state_dict()["values"], whole.state_dict()["values"])
    expected, found = weights_of(whole), weights_of(second)
    assert all((found[name] == expected[name]).all() for name in expected)


def test_a_run_that_had_no_memory_begins_one():
    task = tiny_joint_task(losses=read_losses(ELR))
    task.load_state_dict(tiny_joint_task().state_dict())
    assert not task.state_dict()["values"].any()
