"""A model's outputs over many rows, shared out over the processes and put back in order."""

from __future__ import annotations

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import nn

from joint.batch_stream import move_batch, share_rows
from joint.task import Rows, Task


@torch.no_grad()
def predict_rows(
    task: Task, model: nn.Module, accelerator: Accelerator, rows: Rows, *, size: int
) -> dict[str, NDArray[np.float32]]:
    """Run the model over `rows` in evaluation mode; outputs [rows, ...] on every process.

    size: rows per process and forward call. Leaves the model in evaluation mode.
    """
    model.eval()
    processes = accelerator.num_processes
    collected: list[dict[str, NDArray[np.float32]]] = []
    for start in range(0, len(rows), size * processes):
        chunk = rows[start : start + size * processes]
        own = share_rows(chunk, accelerator.process_index, processes)
        outputs = model(task.prepare(move_batch(task.load(own, step=None), accelerator)))
        # Process r has chunk[r::processes]; interleaving the shares restores the order.
        whole = {
            name: accelerator.gather(value.contiguous())
            .unflatten(0, (processes, len(own)))
            .transpose(0, 1)
            .flatten(0, 1)[: len(chunk)]
            for name, value in outputs.items()
        }
        collected.append({name: value.float().cpu().numpy() for name, value in whole.items()})
    names = collected[0] if collected else {}
    return {name: np.concatenate([part[name] for part in collected]) for name in names}
