"""A NaN or infinite pixel, label or loss reaches no weight and no statistic, and is named."""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest
import torch

from joint.resuming.checkpoints import Checkpoints
from tests.joint.tiny import (
    TOWER,
    seed_everything,
    tiny_data,
    tiny_joint_task,
    tiny_loop,
)
from vision.batches import BatchSettings
from vision.grading_task import GradingTask, GradingTaskSettings

ROW = 3
"""Of the images that are trained on; it has both a severity and findings."""


def batch_norm_task() -> GradingTask:
    encoder = TOWER.encoder.model_copy(update={"norm": "batch"})
    seed_everything()
    settings = GradingTaskSettings(
        kind="grading",
        tower=TOWER.model_copy(update={"encoder": encoder}),
        batches=BatchSettings(size=8),
    )
    return GradingTask(settings, tiny_data()[0], seed=3)


def spoil_pixels(task, value, steps=(0, 1, 2)):
    """Put a value into one prepared pixel of each batch of these steps."""
    prepare, seen = task.prepare, []

    def spoiled(batch):
        prepared = prepare(batch)
        if "seeds" in batch:
            if len(seen) in steps:
                prepared["images"][2, 0, 4, 4] = value
            seen.append(1)
        return prepared

    task.prepare = spoiled
    return task


def spoil_loss(task):
    """Make the network itself overflow: nothing that went in is at fault."""
    task.tower.register_forward_hook(
        lambda tower, given, graded: graded._replace(severity_logits=graded.severity_logits * 1e39)
    )
    return task


def state_of(task) -> dict[str, np.ndarray]:
    return {name: value.numpy().copy() for name, value in task.model.state_dict().items()}


def run(task, folder, **changes):
    loop = tiny_loop(task, steps=1, evaluate_every=1, **changes)
    task.evaluate = lambda predict: {"score": None}
    rows = task.plan_epoch(0)[0]
    loop.run(Checkpoints(folder, {}), lambda kind, step, values: None)
    return loop, [f"hash{row:02d}" for row in rows]


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("micro_batch", [None, 3])
def test_a_bad_pixel_changes_neither_weights_nor_statistics(
    tmp_path, caplog, value, micro_batch
) -> None:
    task = spoil_pixels(batch_norm_task(), value)
    before = state_of(task)
    loop, names = run(task, tmp_path, micro_batch=micro_batch)
    after = state_of(task)
    assert [n for n in after if "num_batches" not in n and (after[n] != before[n]).any()] == []
    assert loop.progress.skipped == 1
    assert (
        f"step 0 skipped: its loss or gradient is not finite; pixels or labels of {names[2]}"
        in (caplog.messages)
    )


def test_a_good_step_does_change_weights_and_statistics(tmp_path, caplog) -> None:
    task = batch_norm_task()
    before = state_of(task)
    loop, _ = run(task, tmp_path)
    changed = [name for name, value in state_of(task).items() if (value != before[name]).any()]
    assert any("running_mean" in name for name in changed)
    assert any("weight" in name for name in changed)
    assert loop.progress.skipped == 0
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    ("name", "mask"),
    [("severity_targets", "has_severity"), ("finding_targets", "has_finding")],
)
@pytest.mark.parametrize("make", [batch_norm_task, tiny_joint_task])
def test_a_bad_label_is_named_where_it_is_known_and_ignored_where_masked(
    tmp_path, caplog, make, name, mask
) -> None:
    task = make()
    load, chosen = task.load, []

    def spoiled(rows, *, step):
        batch = load(rows, step=step)
        if step is not None:
            known = batch[mask].view(len(rows), -1).all(dim=1)
            hidden = ~batch[mask].view(len(rows), -1).any(dim=1)
            batch[name][hidden] = math.nan
            if step == 1:
                chosen.append(int(rows[int(known.nonzero()[0])]))
                batch[name][known.nonzero()[0]] = math.nan
        return batch

    task.load = spoiled
    task.evaluate = lambda predict: {"score": None}
    loop = tiny_loop(task, steps=2, evaluate_every=2)
    loop.run(Checkpoints(tmp_path, {}), lambda kind, step, values: None)
    assert loop.progress.skipped == 1
    [message] = [m for m in caplog.messages if "skipped" in m]
    assert message.startswith("step 1 skipped")
    assert message.endswith(f"pixels or labels of hash{chosen[0]:02d}")
    assert all(torch.isfinite(p).all() for p in task.model.parameters())


def test_an_overflow_is_not_blamed_on_a_study(tmp_path, caplog) -> None:
    task = spoil_loss(batch_norm_task())
    before = state_of(task)
    loop, _ = run(task, tmp_path)
    after = state_of(task)
    assert [n for n in after if "running" in n and (after[n] != before[n]).any()] == []
    assert loop.progress.skipped == 1
    assert "pixels or labels" not in caplog.text
    assert "outputs of" in caplog.text


def test_joint_steps_survive_a_bad_pixel(tmp_path, caplog) -> None:
    task = spoil_pixels(tiny_joint_task(), math.nan, steps=(0,))
    loop = tiny_loop(task, steps=3, evaluate_every=3)
    loop.run(Checkpoints(tmp_path, {}), lambda kind, step, values: None)
    assert (loop.progress.skipped, loop.progress.step) == (1, 3)
    assert all(torch.isfinite(p).all() for p in task.model.parameters())
