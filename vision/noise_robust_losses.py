"""Learning from labels of which some are wrong: what `losses.noise` in a run's settings chooses.

They act on the image head's severity: its labels are mined from reports, and what a report says
and what the image shows differ more often than reports are misread. docs/losses.md compares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from configs.settings import Settings
from data_cards.findings import SEVERITY_LEVELS
from vision.heads import severity_log_probabilities, severity_probabilities
from vision.losses import MaskedSum, hide_unknown, sum_known

SMALLEST_DISAGREEMENT = 1e-4
"""Keeps the logarithm of ELR finite, as its authors' code does."""


class NoNoiseSettings(Settings):
    """Labels are taken at their word."""

    kind: Literal["none"] = "none"


class LabelSmoothingSettings(Settings):
    """Each target gives `amount` of its mass to all four levels alike (Szegedy et al. 2016)."""

    kind: Literal["label_smoothing"]
    amount: float = Field(0.1, gt=0, lt=1)


class GceSettings(Settings):
    """Generalised cross-entropy: `exponent` → 0 is cross-entropy, 1 the mean absolute error.

    0.7 is the paper's choice (Zhang and Sabuncu 2018).
    """

    kind: Literal["gce"]
    exponent: float = Field(0.7, gt=0, le=1)


class ElrSettings(Settings):
    """Early-learning regularisation: hold on to what was predicted before noise was learned.

    weight and momentum are the paper's for CIFAR-10 (Liu et al. 2020): λ = 3, β = 0.7.
    """

    kind: Literal["elr"]
    weight: float = Field(3.0, gt=0)
    momentum: float = Field(0.7, ge=0, lt=1)


NoiseSettings = Annotated[
    NoNoiseSettings | LabelSmoothingSettings | GceSettings | ElrSettings,
    Field(discriminator="kind"),
]


def smooth_targets(targets: Tensor, amount: float) -> Tensor:
    """Mix target distributions [n, k] with the uniform one."""
    return (1 - amount) * targets + amount / targets.shape[1]


def generalised_cross_entropy_loss(
    logits: Tensor, targets: Tensor, mask: Tensor, *, exponent: float
) -> MaskedSum:
    """Σ_k t_k (1 − p_k^q) / q, for q = exponent: bounded by 1/q, so a wrong label pulls less.

    Zhang and Sabuncu 2018, for soft targets [n, 4]; logits [n, 3] and mask [n] as in
    `vision.losses.soft_cumulative_loss`.
    """
    logits, targets, known = hide_unknown(logits, targets, mask)
    powers = torch.exp(exponent * severity_log_probabilities(logits))
    return sum_known((targets * (1 - powers)).sum(dim=1) / exponent, known)


def early_learning_loss(logits: Tensor, remembered: Tensor, mask: Tensor) -> MaskedSum:
    """log(1 − ⟨m, p⟩): lowest where the head says again what it has said so far (Liu 2020).

    logits: cumulative [n, 3]; remembered: m [n, 4] of a PredictionMemory, no gradient flows
    into it; mask [n].
    """
    logits, remembered, known = hide_unknown(logits, remembered.detach(), mask)
    agreement = (remembered * severity_probabilities(logits)).sum(dim=1)
    return sum_known(torch.log((1 - agreement).clamp(min=SMALLEST_DISAGREEMENT)), known)


class PredictionMemory:
    """For each image the moving average of what the head said of it; the same on every process.

    values: [images, 4], zeros before an image was first seen.
    """

    def __init__(self, images: int, *, momentum: float) -> None:
        self.values = torch.zeros(images, SEVERITY_LEVELS)
        self.momentum = momentum

    @torch.no_grad()
    def update(
        self, rows: Tensor, logits: Tensor, mask: Tensor, gather: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Take in this step's logits [n, 3] of this process's image rows [n]; return theirs [n, 4].

        Gathers the rows of all processes: each must remember every image, since the next epoch
        deals it to another process. Rows whose mask [n] is false or whose logits are not finite
        change nothing. An image that is in the batch twice counts with the mean of both.
        """
        known = mask & logits.isfinite().all(dim=1)
        said = torch.where(known[:, None], severity_probabilities(logits), 0.0)
        everything = gather(torch.cat([said, known[:, None].to(said)], dim=1))
        places = gather(rows)
        self.values = self.values.to(said)
        sums = (places[:, None] == places).to(said) @ everything
        counts = sums[:, -1:]
        old = self.values[places]
        new = self.momentum * old + (1 - self.momentum) * sums[:, :-1] / counts.clamp(min=1)
        # An image met twice is written twice, with the same values: the order can't matter.
        self.values[places] = torch.where(counts > 0, new, old)
        return self.values[rows]

    def state_dict(self) -> dict[str, Tensor]:
        """Give what a checkpoint keeps."""
        return {"values": self.values}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what a checkpoint kept; a ValueError where it is of other images."""
        if state["values"].shape != self.values.shape:
            given, expected = tuple(state["values"].shape), tuple(self.values.shape)
            raise ValueError(f"memory of predictions: expected shape {expected}, found {given}")
        self.values = state["values"].clone()
