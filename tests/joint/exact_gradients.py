"""What the tests of exact gradients run in one process and, under torchrun, in two and in four.

Usage: `torchrun --nproc_per_node 4 -m tests.joint.exact_gradients OUT`. Writes OUT/*.npz.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from joint.batch_stream import GlobalBatch, share_rows
from joint.joint_settings import JointLossSettings
from joint.loop import share_sizes
from joint.losses.gather import RowGather
from joint.losses.pair_rows import PairRows, gather_pairs
from joint.losses.settings import contrastive_loss
from joint.optimizer import build_optimizer
from joint.training.launch import leave_launch
from tests.joint.contrastive_cases import CONTRASTIVE_LOSSES
from tests.joint.tiny import TINY_OPTIMIZER, tiny_joint_task, tiny_loop

WIDTH = 6
ROWS = (9, 8, 7, 2)
"""Rows of a global batch: of two, the third and fourth process have none of their own."""
STEPS = {
    "uneven": [1, 2, 3, 4, 5, 7, 8],
    # 0, 3, 6, … have no severity: dealt in turn to two, the second process has no labelled row.
    "no-label-on-a-rank": [1, 0, 2, 3, 4, 6, 7],
    "one-row": [4],
    "no-label-at-all": [0, 3, 6, 9, 12],
    "no-report": [5, 5, 5],
}


def contrastive_gradient(kind: str, dtype: torch.dtype, rows: int) -> dict[str, np.ndarray]:
    """The gradient at two linear towers, a scale and a bias of one contrastive loss."""
    accelerator = Accelerator(cpu=True)
    rank, processes = accelerator.process_index, accelerator.num_processes
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(rows, 2, WIDTH, generator=generator, dtype=torch.float64).to(dtype)
    learned = {
        "towers": torch.randn(2, WIDTH, WIDTH, generator=generator, dtype=torch.float64).to(dtype),
        "scale": torch.tensor(3.0, dtype=dtype),
        "bias": torch.tensor(-1.0, dtype=dtype),
    }
    for value in learned.values():
        value.requires_grad_()
    places = torch.arange(rows)[rank::processes]
    gather = RowGather(share_sizes(rows, processes), rank)
    embedded = torch.einsum("nsw,swv->snv", inputs[places], learned["towers"])
    if not kind.startswith("ranking"):
        embedded = torch.nn.functional.normalize(embedded, dim=2)
    own = PairRows(
        *embedded,
        groups=places % 5,
        has_report=places != 2,
        severities=(places % 4).to(dtype),
        has_severity=places % 3 != 0,
        places=places,
    )
    outputs = {name: learned[name].expand(len(places)) for name in ("scale", "bias")}
    loss = contrastive_loss(CONTRASTIVE_LOSSES[kind], own, gather_pairs(own, gather), outputs)
    counted = int((torch.arange(rows) != 2).sum())
    (loss.total / counted + sum(value.sum() * 0 for value in learned.values())).backward()
    # The sum over processes is what DDP's mean times the number of processes gives.
    return {
        name: accelerator.reduce(value.grad, reduction="sum").numpy()
        for name, value in learned.items()
    }


def step_gradient(
    losses: JointLossSettings, rows: list[int], *, is_sharded: bool = False, **changes
) -> dict[str, np.ndarray]:
    """Loss, gradient and new weights of one step of the loop on one global batch, in float64."""
    task = tiny_joint_task(losses=losses)
    task.model.double()
    prepare = task.prepare
    task.prepare = lambda batch: {
        name: value.double() if value.is_floating_point() else value
        for name, value in prepare(batch).items()
    }
    with sharded_instead(is_sharded):
        loop = tiny_loop(task, **changes)
    # Clipping leaves the gradient as it is, and as the optimizer sees it.
    loop.settings = loop.settings.model_copy(update={"clip_norm": 1e9})
    accelerator, batch = loop.accelerator, np.array(rows)
    own = share_rows(batch, accelerator.process_index, accelerator.num_processes)
    values = loop.take_step(task.load(own, step=0), GlobalBatch(batch, 0, 0, 0))
    found = {"loss": np.array(values["loss"]), "gradient_norm": np.array(values["gradient_norm"])}
    for name, parameter in task.model.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        assert isinstance(parameter.grad, DTensor) == is_sharded
        found[f"gradient {name}"] = whole(parameter.grad)
        found[f"weight {name}"] = whole(parameter.detach())
    return found


@contextmanager
def sharded_instead(is_sharded: bool) -> Iterator[None]:
    """Let the loop's model be sharded (FSDP2) in place of replicated.

    Accelerate shards on a GPU alone; what it calls there is called here on the CPU.
    """
    kept = Accelerator.prepare

    def shard(_accelerator: Accelerator, model: nn.Module, _optimizer: object):
        mesh = init_device_mesh("cpu", (torch.distributed.get_world_size(),))
        for part in (model.tower, model.text, model):
            fully_shard(part, mesh=mesh)
        return model, build_optimizer(model, TINY_OPTIMIZER)

    if is_sharded:
        Accelerator.prepare = shard
    yield
    Accelerator.prepare = kept


def whole(value: Tensor) -> np.ndarray:
    """Put a sharded tensor together."""
    return (value.full_tensor() if isinstance(value, DTensor) else value).numpy().copy()


def list_results() -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    for kind in CONTRASTIVE_LOSSES:
        for dtype in (torch.float64, torch.float32):
            for rows in ROWS:
                name = f"{kind} {str(dtype).removeprefix('torch.')} {rows}"
                yield name, contrastive_gradient(kind, dtype, rows)
    for kind, contrastive in CONTRASTIVE_LOSSES.items():
        losses = JointLossSettings(contrastive=contrastive)
        yield f"step {kind}", step_gradient(losses, STEPS["uneven"])
        yield f"cached step {kind}", step_gradient(losses, STEPS["uneven"], micro_batch=1)
    for name, rows in STEPS.items():
        yield f"batch {name}", step_gradient(JointLossSettings(), rows)
        yield f"cached {name}", step_gradient(JointLossSettings(), rows, micro_batch=1)


def main(out: Path) -> None:
    torch.set_num_threads(1)
    accelerator = Accelerator(cpu=True)
    out.mkdir(parents=True, exist_ok=True)
    for name, found in list_results():
        if accelerator.is_main_process:
            np.savez(out / f"{name}.npz", **found)
    is_sharded = accelerator.num_processes == 2
    for name in ("uneven", "no-label-on-a-rank", "one-row"):
        found = step_gradient(JointLossSettings(), STEPS[name], is_sharded=is_sharded)
        if accelerator.is_main_process:
            np.savez(out / f"sharded {name}.npz", **found)
    leave_launch()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
