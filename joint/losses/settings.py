"""Losses between images and reports: the contrastive one that is chosen, and distillation."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from joint.joint_settings import ContrastiveSettings
from joint.losses.contrastive import SiglipSettings, infonce_loss, siglip_loss
from joint.losses.pair_rows import PairRows
from joint.losses.ranking import RankingSettings, all_pairs_ranking_loss, ranking_loss
from joint.task import Batch
from vision.losses import MaskedSum, hide_unknown, sum_known


def contrastive_loss(
    settings: ContrastiveSettings, own: PairRows, whole: PairRows, outputs: Batch
) -> MaskedSum:
    """Give the contrastive loss that the settings choose.

    outputs: the joint model's `scale` [n] and, for SigLIP, `bias` [n].
    """
    scale = outputs["scale"]
    if isinstance(settings, RankingSettings):
        rank = ranking_loss if settings.imposters == "next" else all_pairs_ranking_loss
        return rank(own, whole, scale, similarity=settings.similarity)
    if isinstance(settings, SiglipSettings):
        return siglip_loss(own, whole, scale, outputs["bias"], settings)
    return infonce_loss(own, whole, scale, settings)


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
    logits, p, known = hide_unknown(image_logits, text_probabilities.detach(), mask)
    entropy = -(p * p.clamp(min=torch.finfo(p.dtype).tiny).log()).sum(dim=1)
    confidence = 1 - entropy / math.log(p.shape[1])
    above = p.flip(1).cumsum(dim=1).flip(1)[:, 1:].clamp(0, 1)
    per_row = F.binary_cross_entropy_with_logits(logits, above, reduction="none").sum(dim=1)
    return sum_known(ramp * confidence * per_row, known)
