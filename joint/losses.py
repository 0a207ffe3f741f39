"""Losses between images and reports: soft-target InfoNCE and text→image distillation."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vision.losses import MaskedSum


class PairRows(NamedTuple):
    """Images and their reports, row by row.

    images, texts: [n, width], unit length. groups: int64 [n], equal where the report is the
    same (same study, or two studies with the same words). has_report: bool [n].
    """

    images: Tensor
    texts: Tensor
    groups: Tensor
    has_report: Tensor


def contrastive_loss(own: PairRows, whole: PairRows, scale: Tensor) -> MaskedSum:
    """Soft-target InfoNCE of this process's rows against the rows of all processes.

    For row i: ½ · Σ_j t_ij · (−log softmax_j(scale_i ⟨image_i, text_j⟩)) and the same from text
    to images (van den Oord et al. 2018; Radford et al. 2021). t_i is uniform over the rows of
    i's group: another image of the study, or an identical report, is no false negative but
    shares the target mass. Rows without a report are neither anchors nor candidates.
    scale: [n], the inverse temperature. Counts rows with a report.
    """
    same = (own.groups[:, None] == whole.groups[None]) & whole.has_report[None]
    share = same.to(own.images.dtype) / same.sum(dim=1, keepdim=True).clamp(min=1)
    total = own.images.new_zeros(())
    for anchors, candidates in ((own.images, whole.texts), (own.texts, whole.images)):
        logits = scale[:, None] * (anchors @ candidates.T)
        # A large finite number: a row without any candidate must give 0, not 0 · infinity.
        logits = logits.masked_fill(~whole.has_report[None], torch.finfo(logits.dtype).min / 2)
        per_row = -(share * F.log_softmax(logits, dim=1)).sum(dim=1)
        total = total + 0.5 * torch.where(own.has_report, per_row, 0.0).sum()
    return MaskedSum(total, own.has_report.sum().to(total))


def distillation_loss(
    image_logits: Tensor, text_probabilities: Tensor, mask: Tensor, ramp: Tensor
) -> MaskedSum:
    """Teach the image head what the text head reads in the report, as sure as it is.

    image_logits: cumulative [n, 3]; text_probabilities: [n, 4], no gradient flows into them;
    mask: bool [n], the unlabelled pairs; ramp: [n], 0 → 1 while the text head learns.
    Per row ramp · confidence · Σ_k BCE(P_image(y > k), P_text(y > k)) with
    confidence = 1 − entropy / log 4. Counts masked rows, so that an unsure text head teaches
    little instead of being scaled up.
    """
    p = text_probabilities.detach()
    entropy = -(p * p.clamp(min=torch.finfo(p.dtype).tiny).log()).sum(dim=1)
    confidence = 1 - entropy / torch.log(torch.tensor(float(p.shape[1])).to(p))
    above = p.flip(1).cumsum(dim=1).flip(1)[:, 1:].clamp(0, 1)
    per_row = F.binary_cross_entropy_with_logits(image_logits, above, reduction="none").sum(dim=1)
    weighted = torch.where(mask, ramp * confidence * per_row, 0.0)
    return MaskedSum(weighted.sum(), mask.sum().to(weighted))
