"""Rows of all processes in one tensor, with the exact gradient: what contrastive losses need.

`Accelerator.gather` and `torch.distributed.all_gather` cut the gradient; here the gradient of
the gathered rows is summed over the processes and goes back to the process whose rows they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class RowGather:
    """Gather the rows of every process in the order of the global batch.

    sizes: how many rows each process has, dealt in turn (`joint/batch_stream.py`): row k of
    process r has place r + k · processes. rank: this process. With one process it returns its
    argument.
    """

    sizes: tuple[int, ...]
    rank: int

    def __post_init__(self) -> None:
        total, processes = sum(self.sizes), len(self.sizes)
        if self.sizes != tuple(len(range(rank, total, processes)) for rank in range(processes)):
            raise ValueError(f"row counts {self.sizes}: expected those of rows dealt in turn")

    @property
    def places(self) -> Tensor:
        """Give the place of each own row in the global batch, int64 [own rows]."""
        return torch.arange(sum(self.sizes))[self.rank :: len(self.sizes)]

    def __call__(self, rows: Tensor) -> Tensor:
        """Turn [own rows, ...] into [rows of all, ...]; gradients flow for float tensors."""
        if rows.shape[0] != self.sizes[self.rank]:
            raise ValueError(f"{rows.shape[0]} rows; process {self.rank} of {self.sizes} expected")
        if len(self.sizes) == 1:
            return rows
        gathered: Tensor = _GatherRows.apply(rows, self.sizes, self.rank)
        return gathered


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, sizes: tuple[int, ...], rank: int) -> Tensor:
        ctx.processes, ctx.rank = len(sizes), rank
        return _gather_uneven(rows, sizes)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total[ctx.rank :: ctx.processes], None, None


def _gather_uneven(rows: Tensor, sizes: Sequence[int]) -> Tensor:
    # Collectives need equal shapes: every share is padded to the largest. Interleaved, all
    # padding comes last, since the longer shares are those of the first processes.
    padded = rows.new_zeros((max(sizes), *rows.shape[1:]))
    padded[: rows.shape[0]] = rows
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)
    return torch.stack(parts, dim=1).flatten(0, 1)[: sum(sizes)]
