"""What makes a step cheaper changes neither its loss nor its gradient nor any weight's name."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from torch import nn

from joint.batch_stream import GlobalBatch
from joint.optimizer import OptimizerSettings, build_optimizer
from joint.speed.settings import SpeedError, SpeedSettings, find_blocks, speed_up
from joint.text_encoder import ConvTextSettings
from tests.joint.tiny import TEXT, TOWER, tiny_joint_task, tiny_loop, train
from vision.encoder_settings import ChauhanEncoderSettings
from vision.tower import TowerSettings

BATCH_NORMS = TowerSettings(
    encoder=ChauhanEncoderSettings(kind="chauhan2020", widths=(8, 8)),
    findings=("Cardiomegaly", "Edema"),
)
DROPOUT = TEXT.model_copy(update={"dropout": 0.2})


def take_steps(task, speed, *, batches=(range(8),)):
    """The loss and gradient of the last step, and what batch norms counted."""
    loop = tiny_loop(task, speed=speed)
    for rows in map(np.array, batches):
        torch.manual_seed(5)
        values = loop.take_step(task.load(rows, step=50), GlobalBatch(rows, 0, 0, 50))
    gradient = {name: p.grad.clone() for name, p in task.model.named_parameters()}
    return values["loss"], gradient, dict(task.model.named_buffers())


def assert_same_step(ours, theirs, *, share):
    """Losses within a share of themselves, gradients within that share of the largest one."""
    assert ours[0] == pytest.approx(theirs[0], rel=share)
    largest = max(float(value.abs().max()) for value in theirs[1].values())
    for name, value in theirs[1].items():
        torch.testing.assert_close(ours[1][name], value, rtol=0, atol=share * largest, msg=name)
    for name, value in theirs[2].items():
        torch.testing.assert_close(ours[2][name], value, rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.parametrize("tower", [TOWER, BATCH_NORMS])
@pytest.mark.parametrize("switch", ["channels_last", "checkpoint_activations"])
def test_a_switch_changes_neither_loss_nor_gradient_nor_running_statistics(tower, switch):
    plain, quick = (tiny_joint_task(tower=tower, text=DROPOUT) for _ in range(2))
    theirs = take_steps(plain, SpeedSettings(), batches=(range(8), range(8, 16)))
    ours = take_steps(quick, SpeedSettings(**{switch: True}), batches=(range(8), range(8, 16)))
    assert_same_step(ours, theirs, share=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's compiler uses what its own parts deprecate
@pytest.mark.parametrize("checkpoint_activations", [False, True])
def test_compiled_encoders_take_batches_of_any_length(checkpoint_activations):
    batches = (range(8), range(8, 16), range(7))
    speed = SpeedSettings(compile=True, checkpoint_activations=checkpoint_activations)
    plain, quick = tiny_joint_task(), tiny_joint_task()
    theirs = take_steps(plain, SpeedSettings(), batches=batches)
    assert_same_step(take_steps(quick, speed, batches=batches), theirs, share=1e-4)


def test_no_switch_changes_a_name_or_a_shape_in_the_checkpoint(tmp_path):
    plain, quick = tiny_joint_task(), tiny_joint_task()
    expected = {name: value.shape for name, value in plain.model.state_dict().items()}
    every = SpeedSettings(compile=True, channels_last=True, checkpoint_activations=True)
    speed_up(quick.model, every)
    assert {name: value.shape for name, value in quick.model.state_dict().items()} == expected


def test_a_run_in_channels_last_goes_on_to_the_bit_and_saves_contiguous_weights(tmp_path):
    speed = SpeedSettings(channels_last=True)
    whole, parts = tiny_joint_task(tower=BATCH_NORMS), tiny_joint_task(tower=BATCH_NORMS)
    train(whole, tmp_path / "whole", steps=5, speed=speed)
    train(parts, tmp_path / "parts", steps=3, speed=speed)
    again = tiny_joint_task(tower=BATCH_NORMS)
    loop, _, _ = train(again, tmp_path / "parts", steps=5, speed=speed)
    saved = load_file(tmp_path / "whole" / "last" / "model.safetensors")
    assert all(value.is_contiguous() for value in saved.values())
    kernel = loop.model.tower.encoder.trunk[1][0].inner[0].weight
    assert kernel.is_contiguous(memory_format=torch.channels_last)
    assert not kernel.is_contiguous()
    for name, value in again.model.state_dict().items():
        assert torch.equal(value, saved[name]), name


def test_checkpointed_blocks_keep_less_for_the_gradient():
    def kept(speed):
        task, sizes = tiny_joint_task(tower=BATCH_NORMS), []
        speed_up(task.model, speed)
        batch = task.prepare(task.load(np.arange(8), step=0))
        hooks = torch.autograd.graph.saved_tensors_hooks(
            lambda value: sizes.append(value.nbytes) or value, lambda value: value
        )
        with hooks:
            task.model(batch)
        return sum(sizes)

    assert kept(SpeedSettings(checkpoint_activations=True)) < kept(SpeedSettings()) / 2


def test_blocks_are_the_layers_of_a_bert_and_the_stages_of_an_image_network():
    names = [type(block).__name__ for block in find_blocks(tiny_joint_task().model)]
    assert sorted(names) == ["BertLayer", "_DenseBlock", "_DenseBlock", "_Transition"]


def test_a_switch_that_the_model_cannot_use_is_refused_with_what_to_do():
    every = SpeedSettings(compile=True, checkpoint_activations=True)
    with pytest.raises(SpeedError, match="batch norms; set norm: group"):
        speed_up(tiny_joint_task(tower=BATCH_NORMS).model, every)
    blockless = tiny_joint_task(text=ConvTextSettings(kind="conv")).model.text
    with pytest.raises(SpeedError, match="turn it off"):
        speed_up(blockless, SpeedSettings(checkpoint_activations=True))


def test_fused_adamw_takes_the_steps_of_the_other():
    def trained(fused):
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4))
        optimizer = build_optimizer(model, OptimizerSettings(fused=fused))
        for _ in range(20):
            optimizer.zero_grad()
            model(torch.randn(3, 5)).square().sum().backward()
            optimizer.step()
        assert bool(optimizer.defaults["fused"]) is fused
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    torch.testing.assert_close(trained(fused=True), trained(fused=False), rtol=1e-5, atol=1e-6)


def test_bf16_keeps_the_loss_and_the_weights_in_float32():
    plain, half = tiny_joint_task(), tiny_joint_task()
    loss = take_steps(plain, SpeedSettings())[0]
    AcceleratorState._reset_state()
    loop, rows = tiny_loop(half, mixed_precision="bf16"), np.arange(8)
    values = loop.take_step(half.load(rows, step=50), GlobalBatch(rows, 0, 0, 50))
    AcceleratorState._reset_state()
    assert values["loss"] == pytest.approx(loss, rel=0.02)
    assert values["loss"] != loss
    assert {p.dtype for p in half.model.parameters()} == {torch.float32}
