"""Losses over partly known targets, as sums and counts, so that a caller normalises globally.

A mean over one process's known targets would weigh a sample by where it fell; a sum and a count
can be added up over processes and micro-batches first.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


class MaskedSum(NamedTuple):
    """The sum of a loss over what is known, and how many summands that were; both scalars."""

    total: Tensor
    count: Tensor  # type: ignore[assignment]  # hides tuple.count, which nobody needs here


def soft_cumulative_loss(logits: Tensor, targets: Tensor, mask: Tensor) -> MaskedSum:
    """Ordinal binary cross-entropy against a distribution over the four levels.

    logits: [n, 3] of P(y > k). targets: [n, 4], rows sum to one. mask: [n], true where the
    target is known. Each known row adds the sum over k of BCE(logit_k, sum of targets above k)
    (soft levels of CORAL, Cao et al. 2020). Unknown rows may hold anything, NaN included: they
    add nothing and get a gradient of exactly zero.
    """
    known = mask.bool().unsqueeze(1)
    beyond = targets.flip(1).cumsum(1).flip(1)[:, 1:]
    return _masked_cross_entropy(logits, beyond, known.expand_as(logits), known.sum())


def finding_loss(logits: Tensor, targets: Tensor, mask: Tensor) -> MaskedSum:
    """Binary cross-entropy per finding against soft targets, where they are known.

    logits, targets and mask: [n, k]; counts known cells. Unknown cells behave as in
    `soft_cumulative_loss`.
    """
    known = mask.bool()
    return _masked_cross_entropy(logits, targets, known, known.sum())


def _masked_cross_entropy(
    logits: Tensor, targets: Tensor, known: Tensor, count: Tensor
) -> MaskedSum:
    # Both sides are replaced, not multiplied by zero: zero times NaN is NaN.
    logits = torch.where(known, logits, 0.0)
    targets = torch.where(known, targets.to(logits.dtype), 0.5)
    losses = binary_cross_entropy_with_logits(logits, targets, reduction="none")
    total = torch.where(known, losses, 0.0).sum()
    return MaskedSum(total, count.to(logits.dtype))
