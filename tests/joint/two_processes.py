"""What the two-process test runs under torchrun, and once more in one process, to compare.

Usage: `torchrun --nproc_per_node 2 -m tests.joint.two_processes OUT`. Writes OUT/*.npz.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch.nn.functional import normalize

from joint.gather import RowGather
from joint.joint_settings import JointLossSettings
from joint.loop import share_sizes
from joint.losses import contrastive_loss
from joint.pair_rows import gather_pairs
from joint.run import leave_launch
from tests.joint.contrastive_cases import CONTRASTIVE_LOSSES, choose_rows, random_pairs
from tests.joint.tiny import tiny_joint_task, tiny_loop, train, weights_of
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


def contrastive_gradient(out: Path, loss: str, dtype: torch.dtype, rows: int) -> None:
    """The gradient of a gathered contrastive loss at two linear towers, scale and bias."""
    accelerator = Accelerator(cpu=True)
    rank, processes = accelerator.process_index, accelerator.num_processes
    generator = torch.Generator().manual_seed(1)
    pairs = random_pairs(rows, generator, width=WIDTH, dtype=dtype)
    towers = torch.randn(2, WIDTH, WIDTH, generator=generator, dtype=torch.float64).to(dtype)
    leaves = {"towers": towers, "scale": torch.tensor(3.0, dtype=dtype)}
    leaves |= {"bias": torch.tensor(-1.0, dtype=dtype)}
    for leaf in leaves.values():
        leaf.requires_grad_()
    gather = RowGather(share_sizes(rows, processes), rank)
    own = choose_rows(pairs, gather.places)
    images, texts = (normalize(part @ tower) for part, tower in zip(own[:2], towers, strict=True))
    own = own._replace(images=images, texts=texts)
    outputs = {name: leaves[name].expand(len(own.groups)) for name in ("scale", "bias")}
    settings = CONTRASTIVE_LOSSES[loss]
    found = contrastive_loss(settings, own, gather_pairs(own, gather), outputs)
    # Adding the leaves times zero gives each of them a gradient, as the loop does.
    touch = sum(leaf.sum() * 0 for leaf in leaves.values())
    (found.total / pairs.has_report.sum().clamp(min=1) + touch).backward()
    # The sum over processes is what DDP's mean times the number of processes gives.
    for leaf in leaves.values():
        leaf.grad.copy_(accelerator.reduce(leaf.grad, reduction="sum"))
    total = accelerator.reduce(found.total.detach(), reduction="sum")
    if accelerator.is_main_process:
        name = f"contrastive-{loss}-{str(dtype).rsplit('.', maxsplit=1)[-1]}-{rows}"
        gradients = {leaf: value.grad.numpy() for leaf, value in leaves.items()}
        np.savez(out / f"{name}.npz", loss=total.numpy(), **gradients)


def main(out: Path) -> None:
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    train_unevenly(out, "uneven")
    train_unevenly(out, "micro", micro_batch=2, steps=3)
    train_unevenly(out, "double", is_double=True, steps=15, evaluate_every=15)
    elr = JointLossSettings(noise=ElrSettings(kind="elr", momentum=0.5))
    train_unevenly(out, "elr", losses=elr)
    # 0, 3, 6, … have no severity: dealt in turn, the second process has no labelled row here.
    take_one_step(out, "unlabelled_rank", np.array([1, 0, 2, 3, 4, 6, 7]))
    take_one_step(out, "empty_rank", np.array([4]))
    for loss, dtype, rows in product(CONTRASTIVE_LOSSES, DTYPES, (8, 7, 1)):
        contrastive_gradient(out, loss, dtype, rows)
    leave_launch()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
