"""The loop: resumed equals uninterrupted, bad steps change nothing, parts equal the whole."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
import torch

from joint.loop import TrainingError
from joint.resuming.checkpoints import CheckpointError, Checkpoints
from tests.joint.tiny import (
    TEXT,
    seed_everything,
    tiny_grading_task,
    tiny_joint_task,
    tiny_loop,
    train,
    weights_of,
)


def dropout_task():
    """A task whose steps draw random numbers, so that their state must be saved too."""
    return tiny_joint_task(text=TEXT.model_copy(update={"dropout": 0.2}))


def assert_same_weights(ours, theirs):
    ours, theirs = weights_of(ours), weights_of(theirs)
    assert [name for name in ours if (ours[name] != theirs[name]).any()] == []


def stop_at(step):
    def record(kind, at, values):
        if (kind, at) == ("train", step):
            os.kill(os.getpid(), signal.SIGTERM)

    return record


def crash_at(step):
    def record(kind, at, values):
        if (kind, at) == ("train", step):
            raise KeyError("crash")

    return record


def run(task, folder, record=lambda kind, step, values: None, **changes):
    loop, checkpoints = tiny_loop(task, **changes), Checkpoints(folder, {"settings": "a"})
    seed_everything()
    loop.resume(checkpoints)
    return loop.run(checkpoints, record), loop


@pytest.mark.parametrize(("stop", "step"), [(stop_at, 2), (stop_at, 4), (crash_at, 4)])
def test_a_resumed_run_gives_the_weights_of_an_uninterrupted_one(tmp_path, stop, step):
    whole, first, second = dropout_task(), dropout_task(), dropout_task()
    _, _, rows = train(whole, tmp_path / "whole", steps=7, evaluate_every=3)
    if stop is crash_at:
        with pytest.raises(KeyError):
            run(first, tmp_path / "parts", crash_at(step), steps=7)
    else:
        report, _ = run(first, tmp_path / "parts", stop_at(step), steps=7)
        assert report.interrupted
        assert report.progress.step == step + 1
    _, report, again = train(second, tmp_path / "parts", steps=7, evaluate_every=3)
    assert not report.interrupted
    assert_same_weights(whole, second)

    def numbers(rows):
        return [(k, s, {n: v for n, v in x.items() if "per_second" not in n}) for k, s, x in rows]

    assert numbers(again) == numbers(rows)[-len(again) :]


def test_a_finished_run_takes_no_step(tmp_path):
    task = tiny_grading_task()
    train(task, tmp_path)
    again = tiny_grading_task()
    _, report, rows = train(again, tmp_path)
    assert (report.samples, rows) == (0, [])
    assert_same_weights(task, again)


@pytest.mark.parametrize("micro_batch", [1, 3])
def test_micro_batches_give_the_gradient_of_the_whole_batch(tmp_path, micro_batch):
    whole, parts = dropout_free_gradient(None), dropout_free_gradient(micro_batch)
    largest = float(max(abs(value).max() for value in whole.values()))
    for name, gradient in whole.items():
        # float32: other sizes of a matrix product round otherwise
        assert parts[name] == pytest.approx(gradient, abs=1e-5 * largest), name


def dropout_free_gradient(micro_batch):
    from joint.batch_stream import GlobalBatch

    task, rows = tiny_joint_task(), np.arange(8)
    loop = tiny_loop(task, micro_batch=micro_batch)
    loop.take_step(task.load(rows, step=50), GlobalBatch(rows, 0, 0, 50))
    return {name: p.grad.numpy().copy() for name, p in task.model.named_parameters()}


def poison(task, steps):
    """Make the loss of these steps infinite."""
    load = task.load

    def poisoned(rows, *, step):
        batch = load(rows, step=step)
        if step in steps:
            batch["severity_targets"] = batch["severity_targets"] * float("inf")
        return batch

    task.load = poisoned
    return task


def test_a_step_that_is_not_finite_changes_no_weight_and_is_counted(tmp_path, caplog):
    task = tiny_grading_task()
    loop = tiny_loop(poison(task, {0}), steps=2)
    before = weights_of(task)
    checkpoints = Checkpoints(tmp_path, {})
    changed = []

    def record(kind, step, values):
        changed.append(any((weights_of(task)[n] != w).any() for n, w in before.items()))

    report = loop.run(checkpoints, record)
    assert changed[:2] == [False, True]
    assert (report.progress.skipped, report.progress.skipped_in_a_row) == (1, 0)
    assert "step 0 skipped" in caplog.text


def test_many_bad_steps_in_a_row_end_the_run_with_one_message(tmp_path, caplog):
    loop = tiny_loop(poison(tiny_grading_task(), {1, 2, 3, 4}), max_skipped=3)
    with pytest.raises(TrainingError, match=r"step 3: 3 steps in a row .* not finite"):
        loop.run(Checkpoints(tmp_path, {}), lambda kind, step, values: None)


def test_another_run_is_not_gone_on_with(tmp_path):
    train(tiny_grading_task(), tmp_path)
    loop = tiny_loop(tiny_grading_task())
    with pytest.raises(CheckpointError, match="made from other labels than this run"):
        loop.resume(Checkpoints(tmp_path, {"settings": "a", "labels": "b"}))


def test_a_failed_save_leaves_the_checkpoint_before_whole(tmp_path, monkeypatch):
    task = tiny_grading_task()
    loop = tiny_loop(task, steps=4, evaluate_every=2)
    checkpoints = Checkpoints(tmp_path, {"settings": "a"})
    save_state = loop.accelerator.save_state

    def fill_disk(folder):
        if loop.progress.step == 4:
            raise OSError(28, "No space left on device")
        save_state(folder)

    monkeypatch.setattr(loop.accelerator, "save_state", fill_disk)
    with pytest.raises(CheckpointError, match=r"step 4 cannot be written with .*No space"):
        loop.run(checkpoints, lambda kind, step, values: None)
    again = tiny_loop(tiny_grading_task(), steps=4, evaluate_every=2)
    assert again.resume(Checkpoints(tmp_path, {"settings": "a"})) == 2


def test_last_and_best_are_kept_and_nothing_else(tmp_path):
    task = tiny_grading_task()
    scores = iter([0.9, 0.5, 0.7, 0.6])
    task.evaluate = lambda predict: {"score": next(scores)}
    train(task, tmp_path, steps=4, evaluate_every=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "best",
        "last",
        "step-00000001",
        "step-00000004",
    ]
    assert (tmp_path / "best").resolve().name == "step-00000001"


def test_clipping_bounds_the_step(tmp_path):
    task = tiny_grading_task()
    loop, _, rows = train(task, tmp_path, steps=1, clip_norm=1e-3)
    norm = torch.cat([p.grad.flatten() for p in task.model.parameters()]).norm()
    assert float(norm) == pytest.approx(1e-3, rel=1e-3)
    assert rows[0][2]["gradient_norm"] > 0.01
    assert loop.progress.step == 1


def test_bf16_trains(tmp_path):
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state()
    _, report, rows = train(tiny_joint_task(), tmp_path, steps=2, mixed_precision="bf16")
    AcceleratorState._reset_state()
    assert report.progress.skipped == 0
    assert np.isfinite([values["loss"] for kind, _, values in rows if kind == "train"]).all()


def test_micro_batches_drop_the_same_places_in_both_runs():
    from accelerate import Accelerator

    from joint.losses.micro_batches import backward_in_parts

    class Dropped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor(3.0))

        def forward(self, batch):
            return {"out": torch.nn.functional.dropout(self.weight * batch["x"], 0.5)}

    model, seen = Dropped(), []

    def loss(outputs, batch):
        seen.append(outputs["out"].sum())
        return seen[0]

    torch.manual_seed(1)
    batch = {"x": torch.arange(1.0, 65.0)}
    backward_in_parts(model, batch, loss, accelerator=Accelerator(cpu=True), parts=4)
    # The output is linear in the weight, so this holds only for the very same mask.
    assert model.weight.item() * model.weight.grad.item() == pytest.approx(float(seen[0].detach()))
