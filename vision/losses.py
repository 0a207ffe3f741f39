"""Losses over partly known targets, as sums and counts, so that a caller normalises globally.

A mean over one process's known targets would weigh a sample by where it fell; a sum and a count
can be added up over processes and micro-batches first.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from vision.heads import severity_log_probabilities


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
    return _masked_cross_entropy(logits, _beyond(targets), known.expand_as(logits), known.sum())


def soft_cross_entropy_loss(logits: Tensor, targets: Tensor, mask: Tensor) -> MaskedSum:
    """Cross-entropy −Σ_k t_k log p_k of the four levels that the cumulative logits stand for.

    Shapes and masks as in `soft_cumulative_loss`.
    """
    logits, targets, known = hide_unknown(logits, targets, mask)
    per_row = -(targets * severity_log_probabilities(logits)).sum(dim=1)
    return sum_known(per_row, known)


def squared_emd_loss(logits: Tensor, targets: Tensor, mask: Tensor) -> MaskedSum:
    """Squared earth mover's distance: Σ_k (P(y > k) − Σ of targets above k)².

    Hou, Yu and Samaras 2016, for levels one apart. Bounded, so one wrong label pulls less than
    in a cross-entropy. Shapes and masks as in `soft_cumulative_loss`.
    """
    logits, targets, known = hide_unknown(logits, targets, mask)
    return sum_known((torch.sigmoid(logits) - _beyond(targets)).square().sum(dim=1), known)


def finding_loss(logits: Tensor, targets: Tensor, mask: Tensor) -> MaskedSum:
    """Binary cross-entropy per finding against soft targets, where they are known.

    logits, targets and mask: [n, k]; counts known cells. Unknown cells behave as in
    `soft_cumulative_loss`.
    """
    known = mask.bool()
    return _masked_cross_entropy(logits, targets, known, known.sum())


def hide_unknown(logits: Tensor, targets: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Replace logits [n, k] and targets [n, l] of unknown rows by 0; give the mask as bools [n].

    Replaced, not multiplied by zero: zero times NaN is NaN.
    """
    known = mask.bool()
    rows = known.unsqueeze(1)
    return torch.where(rows, logits, 0.0), torch.where(rows, targets, 0.0).to(logits.dtype), known


def sum_known(per_row: Tensor, known: Tensor) -> MaskedSum:
    """Add up a loss [n] over its known rows."""
    return MaskedSum(torch.where(known, per_row, 0.0).sum(), known.sum().to(per_row.dtype))


def _masked_cross_entropy(
    logits: Tensor, targets: Tensor, known: Tensor, count: Tensor
) -> MaskedSum:
    # Both sides are replaced, not multiplied by zero: zero times NaN is NaN.
    logits = torch.where(known, logits, 0.0)
    targets = torch.where(known, targets.to(logits.dtype), 0.5)
    losses = binary_cross_entropy_with_logits(logits, targets, reduction="none")
    total = torch.where(known, losses, 0.0).sum()
    return MaskedSum(total, count.to(logits.dtype))


def _beyond(targets: Tensor) -> Tensor:
    """Give the sum of targets above each of the three thresholds, [n, 3]."""
    return targets.flip(1).cumsum(1).flip(1)[:, 1:]
