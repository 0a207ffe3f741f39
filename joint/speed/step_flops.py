"""The arithmetic of a training step, and how much of a machine's matrix peak it comes to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch.utils.flop_counter import FlopCounterMode

PEAK_SIDE = {"cuda": 8192, "cpu": 2048}
PEAK_ROUNDS = 10


@dataclass(frozen=True)
class StepFlops:
    """Floating point operations of matrix products and convolutions in one step.

    padding_share: of the tokens. useful leaves out what is computed for padding: that share of
    the text encoder's (attention, which grows with the square, is counted as if it didn't).
    """

    total: int
    text: int
    padding_share: float

    @property
    def useful(self) -> float:
        """Operations for pixels and tokens that are there."""
        return self.total - self.text * self.padding_share


def count_flops(step: Callable[[], Any]) -> int:
    """Count what a call computes, forward and backward, as it is: twice what is computed twice."""
    with FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops())


def measure_peak(accelerator: Accelerator) -> float:
    """Time the product of two large square matrices in the run's precision; operations a second."""
    device = accelerator.device
    side = PEAK_SIDE.get(device.type, PEAK_SIDE["cpu"])
    halves = {"bf16": torch.bfloat16, "fp16": torch.float16}
    dtype = halves.get(accelerator.mixed_precision, torch.float32)
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(PEAK_ROUNDS):
        _synchronize(device)
        start = time.perf_counter()
        torch.mm(left, right)
        _synchronize(device)
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
