"""The memory that one device needs at the moment when it holds most, and what a step repeats."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from joint.loop import LoopSettings
from joint.planning.model_sketch import Work

FLOAT_BYTES, HALF_BYTES = 4, 2
ADAM_MOMENTS = 2
GRADIENTS_IN_PASSING = 2
"""At the widest place the gradient of an output and that of its input stand side by side."""


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes on one device, when the backward pass begins; its own context is not counted.

    activations: what the layers keep for the backward pass, and with mixed precision the copies
    of the weights that autocast makes. passing: gradients of activations at the widest place.
    """

    weights: int
    gradients: int
    moments: int
    activations: int
    passing: int

    @property
    def total(self) -> int:
        """The sum."""
        return self.weights + self.gradients + self.moments + self.activations + self.passing


def plan_memory(model: nn.Module, forward: Work, loop: LoopSettings) -> MemoryPlan:
    """Reckon the memory of AdamW in float32 on a model of which `forward` is one part's pass.

    Not counted: the context and libraries of the device (1 to 2 GB on a GPU), what the allocator
    holds in reserve, and DDP's buckets, which are the gradients themselves.
    """
    learning = sum(p.numel() for p in model.parameters() if p.requires_grad)
    kept = sum(t.numel() for t in (*model.parameters(), *model.buffers()))
    copies = 0 if loop.mixed_precision == "no" else HALF_BYTES * learning
    return MemoryPlan(
        weights=FLOAT_BYTES * kept,
        gradients=FLOAT_BYTES * learning,
        moments=ADAM_MOMENTS * FLOAT_BYTES * learning,
        activations=forward.saved_bytes + copies,
        passing=GRADIENTS_IN_PASSING * forward.largest_bytes,
    )


def count_passes(loop: LoopSettings, parts: int) -> int:
    """Say how many forward passes' work a step is: the backward pass is two of them.

    Rows in several parts are first run without a gradient (`joint/losses/micro_batches.py`), and
    activations that are forgotten are computed again.
    """
    return 3 + (parts > 1) + loop.speed.checkpoint_activations
