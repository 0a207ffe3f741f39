"""AdamW and its learning rate: linear warm-up, then half a cosine or a line."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn

from configs.settings import Settings

Momentum = Annotated[float, Field(ge=0, lt=1)]


class OptimizerSettings(Settings):
    """AdamW (Loshchilov and Hutter 2019) with linear warm-up and a decay over all steps after it.

    weight_decay acts on matrices and kernels only, never on biases, norms or scales.
    decay: half a cosine, or a line, as BERT has it (Devlin et al. 2019).
    final_share: what the decay would reach one step after the last, as a share of the largest
    learning rate (BERT's line ends there at 0). epsilon is 1e-6, as BERT has it: with 1e-8,
    parameters whose true gradient is zero (the key bias of attention) walk at full speed on
    rounding noise, and two processes drift from one. fused: update all weights in one kernel;
    the same sums, rounded elsewhere.
    """

    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    betas: tuple[Momentum, Momentum] = (0.9, 0.999)
    epsilon: float = Field(1e-6, gt=0)
    warmup_steps: int = Field(50, ge=0)
    decay: Literal["cosine", "linear"] = "cosine"
    final_share: float = Field(0.01, ge=0, le=1)
    fused: bool = False


def build_optimizer(model: nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """Make AdamW over the parameters that learn; decay is kept from vectors and scalars."""
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {
            "params": [parameter for parameter in learning if parameter.ndim >= 2],
            "weight_decay": settings.weight_decay,
        },
        {"params": [parameter for parameter in learning if parameter.ndim < 2], "weight_decay": 0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=settings.learning_rate,
        betas=settings.betas,
        eps=settings.epsilon,
        fused=settings.fused or None,  # False would also forbid the kernels by lists
    )


def learning_rate_at(step: int, steps: int, settings: OptimizerSettings) -> float:
    """Give the learning rate of step 0 … steps - 1; a function of the step, so nothing to save."""
    if step < settings.warmup_steps:
        return settings.learning_rate * (step + 1) / settings.warmup_steps
    done = min(1.0, (step - settings.warmup_steps) / max(1, steps - settings.warmup_steps))
    left = 1 - done if settings.decay == "linear" else (1 + math.cos(math.pi * done)) / 2
    return settings.learning_rate * (settings.final_share + (1 - settings.final_share) * left)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use `rate` for every parameter group from now on."""
    for group in optimizer.param_groups:
        group["lr"] = rate
