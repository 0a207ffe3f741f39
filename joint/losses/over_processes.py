"""Each loss as a mean over the rows of all processes, whatever share of them each process holds.

Loss k is a sum over this process's rows and a count. With N processes
total = Σ_k weight_k · N · sum_k / (count_k over all processes); the mean of the gradients that
DDP and FSDP take is then the gradient of the whole global batch in one process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor

from joint.task import Batch
from vision.losses import MaskedSum

SMALLEST_COUNT = 1e-12


class GlobalLosses(NamedTuple):
    """total: what this process calls backward on; means: each loss over all processes.

    flag_sum: the sum over the processes of the flag each of them handed in.
    """

    total: Tensor
    loss: Tensor
    means: dict[str, Tensor]
    flag_sum: Tensor


def combine_losses(
    sums: Mapping[str, MaskedSum],
    weights: Mapping[str, float],
    outputs: Batch,
    *,
    accelerator: Accelerator,
    flag: bool = False,
) -> GlobalLosses:
    """Divide each sum by its global count and add them up; one reduction for everything.

    A loss that no row of any process has counts as 0. outputs: the model's; they are added
    times zero, so that every parameter gets a gradient on every process and DDP never waits.
    """
    local = torch.stack([part.detach() for pair in sums.values() for part in pair])
    with_flag = torch.cat([local, local.new_tensor([float(flag)])])
    reduced: Tensor = accelerator.reduce(with_flag, reduction="sum")
    flag_sum, pairs = reduced[-1], reduced[:-1].view(-1, 2)
    has_rows = pairs[:, 1] > 0
    scales = torch.where(has_rows, 1 / pairs[:, 1].clamp(min=SMALLEST_COUNT), 0.0)
    factors = scales * scales.new_tensor([weights[name] for name in sums])
    touch = sum((value.sum() * 0.0 for value in outputs.values()), start=local.new_zeros(()))
    own = torch.stack([pair.total for pair in sums.values()])
    total = touch + accelerator.num_processes * (factors * own).sum()
    means = dict(zip(sums, pairs[:, 0] * scales, strict=True))
    return GlobalLosses(total, (factors * pairs[:, 0]).sum(), means, flag_sum)
