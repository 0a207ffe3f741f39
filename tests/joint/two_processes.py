"""What the two-process test runs under torchrun, and once more in one process, to compare.

Usage: `torchrun --nproc_per_node 2 -m tests.joint.two_processes OUT`. Writes OUT/*.npz.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from joint.joint_settings import JointLossSettings
from joint.training.launch import leave_launch
from tests.joint.tiny import tiny_joint_task, train, weights_of
from vision.batches import BatchSettings
from vision.noise_robust_losses import ElrSettings

WIDTH = 6
DTYPES = (torch.float64, torch.float32)


def train_unevenly(
    out: Path, name: str, *, losses: JointLossSettings | None = None, is_double=False, **changes
) -> None:
    """Train on 17 rows in batches of 8: the last batch of an epoch is one row."""
    task = tiny_joint_task(batches=BatchSettings(size=8), losses=losses or JointLossSettings())
    object.__setattr__(task.images, "train", np.arange(17))
    if is_double:
        make_double(task)
    _, _, recorded = train(task, out / name / str(Accelerator(cpu=True).num_processes), **changes)
    if Accelerator(cpu=True).is_main_process:
        steps = np.array(
            [[v["loss"], v["gradient_norm"]] for kind, _, v in recorded if kind == "train"]
        )
        scores = np.array([v["loss_severity"] for kind, _, v in recorded if kind == "validate"])
        state = {each: value.numpy() for each, value in task.state_dict().items()}
        np.savez(out / f"{name}.npz", losses=steps, scores=scores, **state, **weights_of(task))


def make_double(task) -> None:
    """Compute in float64: what is left of a difference then is no rounding."""
    task.model.double()
    prepare = task.prepare

    def prepare_double(batch):
        prepared = prepare(batch)
        return {n: v.double() if v.is_floating_point() else v for n, v in prepared.items()}

    task.prepare = prepare_double


def main(out: Path) -> None:
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    train_unevenly(out, "uneven")
    train_unevenly(out, "micro", micro_batch=2, steps=3)
    train_unevenly(out, "double", is_double=True, steps=15, evaluate_every=15)
    elr = JointLossSettings(noise=ElrSettings(kind="elr", momentum=0.5))
    train_unevenly(out, "elr", losses=elr)
    leave_launch()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
