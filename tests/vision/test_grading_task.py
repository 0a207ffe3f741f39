"""The image-only task: unknown labels teach nothing, and images alone decide."""

from __future__ import annotations

import numpy as np
import torch

from tests.joint.tiny import tiny_data, tiny_grading_task
from vision.grading_task import hard_finding_labels, mean_defined


def gradient(task, batch):
    task.model.zero_grad()
    losses = task.losses(task.model(task.prepare(batch)), batch, lambda rows: rows)
    sum(loss.total for loss in losses.values()).backward()
    return torch.cat([p.grad.flatten() for p in task.model.parameters()]), losses


def test_a_masked_label_changes_neither_loss_nor_gradient():
    task = tiny_grading_task()
    batch = task.load(np.arange(8), step=0)
    before, losses = gradient(task, batch)
    unknown = ~batch["has_severity"]
    batch["severity_targets"][unknown] = torch.nan
    batch["finding_targets"][~batch["has_finding"]] = 7.0
    after, _ = gradient(task, batch)
    assert (before == after).all()
    assert int(losses["severity"].count) == int((~unknown).sum()) < 8
    assert int(losses["findings"].count) == int(batch["has_finding"].sum())


def test_an_image_is_augmented_alike_wherever_it_falls():
    task = tiny_grading_task()
    together = task.prepare(task.load(np.array([3, 5]), step=4))["images"]
    alone = task.prepare(task.load(np.array([5]), step=4))["images"]
    later = task.prepare(task.load(np.array([5]), step=5))["images"]
    assert (together[1] == alone[0]).all()
    assert (later != alone).any()


def test_only_rows_that_teach_are_planned():
    task = tiny_grading_task()
    task.data.has_finding[:] = False
    planned = np.concatenate(task.plan_epoch(0))
    assert sorted(planned) == [row for row in range(18) if task.data.has_severity[row]]


def test_validation_without_labels_has_no_score():
    task = tiny_grading_task()
    task.data.has_severity[:] = False
    outputs = {
        "severity_logits": np.zeros((8, 3), np.float32),
        "finding_logits": np.zeros((8, 2), np.float32),
    }
    metrics = task.evaluate(lambda rows: outputs)
    assert (metrics["score"], metrics["loss_severity"]) == (None, None)
    assert metrics["auc_findings"] == 0.5


def test_a_perfect_model_scores_one():
    task, (data, _, _) = tiny_grading_task(), tiny_data()
    grades = data.severity_targets[data.validate].argmax(axis=1)
    logits = (6.0 * (grades[:, None] - np.array([0.5, 1.5, 2.5]))).astype(np.float32)
    outputs = {"severity_logits": logits, "finding_logits": np.zeros((8, 2), np.float32)}
    assert task.evaluate(lambda rows: outputs)["score"] == 1.0


def test_undecided_findings_are_no_labels():
    labels = hard_finding_labels(np.array([0.9, 0.5, 0.1, 0.9]), np.array([1, 1, 1, 0], bool))
    assert np.array_equal(labels, [1, np.nan, 0, np.nan], equal_nan=True)
    assert mean_defined([0.5, None, 1.0]) == 0.75
