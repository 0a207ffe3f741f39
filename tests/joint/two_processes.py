"""What the two-process test runs under torchrun, and once more in one process, to compare.

Usage: `torchrun --nproc_per_node 2 -m tests.joint.two_processes OUT`. Writes OUT/*.npz.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from joint.gather import RowGather
from joint.joint_task import gather_pairs
from joint.loop import share_sizes
from joint.losses import PairRows, contrastive_loss
from joint.run import leave_launch
from tests.joint.tiny import tiny_joint_task, tiny_loop, train, weights_of
from vision.batches import BatchSettings

WIDTH = 6


def train_unevenly(out: Path, name: str, *, is_double: bool = False, **changes) -> None:
    """Train on 17 rows in batches of 8: the last batch of an epoch is one row."""
    task = tiny_joint_task(batches=BatchSettings(size=8))
    object.__setattr__(task.images, "train", np.arange(17))
    if is_double:
        make_double(task)
    _, _, recorded = train(task, out / name / str(Accelerator(cpu=True).num_processes), **changes)
    if Accelerator(cpu=True).is_main_process:
        losses = np.array(
            [[v["loss"], v["gradient_norm"]] for kind, _, v in recorded if kind == "train"]
        )
        scores = np.array([v["loss_severity"] for kind, _, v in recorded if kind == "validate"])
        np.savez(out / f"{name}.npz", losses=losses, scores=scores, **weights_of(task))


def make_double(task) -> None:
    """Compute in float64: what is left of a difference then is no rounding."""
    task.model.double()
    prepare = task.prepare

    def prepare_double(batch):
        prepared = prepare(batch)
        return {n: v.double() if v.is_floating_point() else v for n, v in prepared.items()}

    task.prepare = prepare_double


def take_one_step(out: Path, name: str, rows: np.ndarray) -> None:
    """Take one step on one global batch in this very order, to decide which rank has what."""
    from joint.batch_stream import GlobalBatch, share_rows

    task = tiny_joint_task()
    loop = tiny_loop(task)
    accelerator = loop.accelerator
    own = share_rows(rows, accelerator.process_index, accelerator.num_processes)
    values = loop.take_step(task.load(own, step=0), GlobalBatch(rows, 0, 0, 0))
    if accelerator.is_main_process:
        gradients = {n: p.grad.numpy() for n, p in task.model.named_parameters()}
        np.savez(out / f"{name}.npz", loss=values["loss"], **gradients)


def contrastive_gradient(out: Path, dtype: torch.dtype, rows: int) -> None:
    """The gradient at two linear towers of the gathered contrastive loss."""
    accelerator = Accelerator(cpu=True)
    rank, processes = accelerator.process_index, accelerator.num_processes
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(rows, 2, WIDTH, generator=generator, dtype=torch.float64).to(dtype)
    towers = torch.randn(2, WIDTH, WIDTH, generator=generator, dtype=torch.float64).to(dtype)
    scale = torch.tensor(3.0, dtype=dtype, requires_grad=True)
    towers.requires_grad_()
    groups, has_report = torch.arange(rows) % 4, torch.arange(rows) != 2
    mine = slice(rank, None, processes)
    sizes = share_sizes(rows, processes)
    embed = torch.nn.functional.normalize(torch.einsum("nsw,swv->snv", inputs[mine], towers), dim=2)
    own = PairRows(embed[0], embed[1], groups[mine], has_report[mine])
    gather = RowGather(sizes, rank)
    loss = contrastive_loss(own, gather_pairs(own, gather), scale.expand(len(own.groups)))
    (loss.total / has_report.sum()).backward()
    # The sum over processes is what DDP's mean times the number of processes gives.
    for gradient in (towers.grad, scale.grad):
        gradient.copy_(accelerator.reduce(gradient, reduction="sum"))
    if accelerator.is_main_process:
        name = f"contrastive-{str(dtype).rsplit('.', maxsplit=1)[-1]}-{rows}"
        np.savez(out / f"{name}.npz", towers=towers.grad.numpy(), scale=scale.grad.numpy())


def main(out: Path) -> None:
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    train_unevenly(out, "uneven")
    train_unevenly(out, "micro", micro_batch=2, steps=3)
    train_unevenly(out, "double", is_double=True, steps=15, evaluate_every=15)
    # 0, 3, 6, … have no severity: dealt in turn, the second process has no labelled row here.
    take_one_step(out, "unlabelled_rank", np.array([1, 0, 2, 3, 4, 6, 7]))
    take_one_step(out, "empty_rank", np.array([4]))
    for dtype in (torch.float64, torch.float32):
        for rows in (8, 7, 1):
            contrastive_gradient(out, dtype, rows)
    leave_launch()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
