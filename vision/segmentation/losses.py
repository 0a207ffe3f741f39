"""Binary cross-entropy and Dice over the pixels whose truth is known, as sums and counts."""

from __future__ import annotations

import torch
from torch import Tensor

from vision.losses import MaskedSum, finding_loss

SMOOTHING = 1.0
"""Pixels added above and below, so that an image without the structure has a loss."""


def pixel_loss(logits: Tensor, inside: Tensor, known: Tensor) -> MaskedSum:
    """Binary cross-entropy of each known pixel; logits, inside and known are [n, h, w].

    Unknown pixels may hold anything and get a gradient of exactly zero.
    """
    return finding_loss(logits, inside, known)


def dice_loss(logits: Tensor, inside: Tensor, known: Tensor) -> MaskedSum:
    """Give 1 − (2 Σ p·t + 1) / (Σ p + Σ t + 1) of each image's known pixels (Milletari 2016).

    Each image counts once, however large its lungs, and those without a known pixel not at all:
    the sum over images doesn't depend on how they fall on processes and micro-batches.
    """
    # Replaced, not multiplied by zero: zero times NaN is NaN.
    probabilities = torch.where(known, logits, 0.0).sigmoid()
    probabilities = torch.where(known, probabilities, 0.0).flatten(1)
    truth = torch.where(known, inside.to(logits.dtype), 0.0).flatten(1)
    shared = (probabilities * truth).sum(dim=1)
    both = probabilities.sum(dim=1) + truth.sum(dim=1)
    each = 1 - (2 * shared + SMOOTHING) / (both + SMOOTHING)
    counted = known.flatten(1).any(dim=1)
    return MaskedSum(torch.where(counted, each, 0.0).sum(), counted.sum().to(logits.dtype))
