"""InfoNCE and SigLIP between images and reports, with soft targets and study masks."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from configs.settings import Settings
from joint.losses.pair_rows import PairRows, hide_missing
from vision.losses import MaskedSum


class SoftTargetSettings(Settings):
    """What is positive beside the own pair.

    same_report: another row with the same report shares the target, or is left out (skip).
    share_equal_labels: how much of the target goes to other reports of equal severity; at
    label_reach grades of distance nothing is shared, and in between less the further they are.
    """

    weight: float = Field(1.0, ge=0)
    same_report: Literal["share", "skip"] = "share"
    share_equal_labels: float = Field(0.0, ge=0, lt=1)
    label_reach: float = Field(1.0, gt=0)


class InfoNceSettings(SoftTargetSettings):
    """Soft-target InfoNCE; temperature is where the learned one starts (0.07: CLIP)."""

    kind: Literal["infonce"] = "infonce"
    temperature: float = Field(0.07, gt=0)


class SiglipSettings(SoftTargetSettings):
    """Sigmoid loss; temperature and bias are where the learned ones start (Zhai et al. 2023)."""

    kind: Literal["siglip"]
    temperature: float = Field(0.1, gt=0)
    bias: float = -10.0


AS_PUBLISHED = SoftTargetSettings()


class PairTargets(NamedTuple):
    """What is known of each own row against each row of all processes, all [own, all].

    is_positive: the pair belongs together. is_candidate: the pair counts at all. closeness:
    0 to 1, how near the severities of two different reports are; 0 where one is unknown.
    """

    is_positive: Tensor
    is_candidate: Tensor
    closeness: Tensor


def pair_targets(own: PairRows, whole: PairRows, soft: SoftTargetSettings) -> PairTargets:
    """Compare rows by report and severity; closeness is max(0, 1 − |Δ severity| / label_reach)."""
    visible = own.has_report[:, None] & whole.has_report
    same = (own.groups[:, None] == whole.groups) & visible
    itself = (own.places[:, None] == whole.places) & visible
    labelled = own.has_severity[:, None] & whole.has_severity & visible & ~same
    distance = (own.severities[:, None] - whole.severities).abs()
    closeness = torch.where(labelled, (1 - distance / soft.label_reach).clamp(min=0), 0.0)
    if soft.same_report == "skip":
        return PairTargets(itself, visible & (~same | itself), closeness)
    return PairTargets(same, visible, closeness)


def infonce_loss(
    own: PairRows,
    whole: PairRows,
    scale: Tensor,
    soft: SoftTargetSettings = AS_PUBLISHED,
) -> MaskedSum:
    """Soft-target InfoNCE of this process's rows against the rows of all processes.

    For row i: ½ · Σ_j t_ij · (−log softmax_j(scale_i ⟨image_i, text_j⟩)) and the same from text
    to images (van den Oord et al. 2018; Radford et al. 2021). t_i is uniform over the rows of
    i's group: another image of the study, or an identical report, is no false negative but
    shares the target mass (or, with skip, is no candidate). Where other reports of a near
    severity are in the batch, `share_equal_labels` of the mass goes to them, by closeness
    (`pair_targets`). scale: [n], the inverse temperature. Counts rows with a report.
    """
    own, whole = hide_missing(own), hide_missing(whole)
    targets = pair_targets(own, whole, soft)
    share = _spread(targets.is_positive.to(own.images))
    if soft.share_equal_labels:
        close = targets.closeness.to(own.images)
        kept = 1 - soft.share_equal_labels * close.any(dim=1, keepdim=True).to(close)
        share = kept * share + (1 - kept) * _spread(close)
    total = own.images.new_zeros(())
    for anchors, candidates in ((own.images, whole.texts), (own.texts, whole.images)):
        logits = scale[:, None] * (anchors @ candidates.T)
        # A large finite number: a row without any candidate must give 0, not 0 · infinity.
        logits = logits.masked_fill(~targets.is_candidate, torch.finfo(logits.dtype).min / 2)
        per_row = -(share * F.log_softmax(logits, dim=1)).sum(dim=1)
        total = total + 0.5 * torch.where(own.has_report, per_row, 0.0).sum()
    return MaskedSum(total, own.has_report.sum().to(total))


def siglip_loss(
    own: PairRows,
    whole: PairRows,
    scale: Tensor,
    bias: Tensor,
    soft: SoftTargetSettings = AS_PUBLISHED,
) -> MaskedSum:
    """Sigmoid loss of this process's images against the reports of all processes.

    For row i: Σ_j BCE(scale_i ⟨image_i, text_j⟩ + bias_i, t_ij) (Zhai et al. 2023), where t_ij
    is 1 for the rows of i's group and `share_equal_labels` · closeness for other reports
    (`pair_targets`). Each pair of the global batch is met once, so that images alone are
    anchors. scale, bias: [n]. Counts rows with a report.
    """
    own, whole = hide_missing(own), hide_missing(whole)
    targets = pair_targets(own, whole, soft)
    logits = scale[:, None] * (own.images @ whole.texts.T) + bias[:, None]
    near = soft.share_equal_labels * targets.closeness.to(logits)
    values = torch.where(targets.is_positive, 1.0, near)
    per_pair = F.binary_cross_entropy_with_logits(logits, values, reduction="none")
    total = torch.where(targets.is_candidate, per_pair, 0.0).sum()
    return MaskedSum(total, own.has_report.sum().to(total))


def _spread(weights: Tensor) -> Tensor:
    """Scale each row [n, m] to sum to one; a row of zeros stays."""
    sums = weights.sum(dim=1, keepdim=True)
    return weights / torch.where(sums > 0, sums, 1.0)
