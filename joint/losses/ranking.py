"""The hinge ranking of Chauhan et al. 2020, without a loop: pairs before imposters, by a margin."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from configs.settings import Settings
from joint.losses.pair_rows import PairRows, hide_missing
from vision.losses import MaskedSum

Similarity = Literal["dot", "cosine", "l2"]

SMALLEST_MARGIN = 0.5


class RankingSettings(Settings):
    """Hinge ranking with margins by severity (Chauhan et al. 2020).

    imposters: the next row of the batch, as published, or all rows. temperature: where a learned
    scale of the similarity starts; null: none, as published.
    """

    kind: Literal["ranking"]
    weight: float = Field(1.0, ge=0)
    similarity: Similarity = "dot"
    imposters: Literal["next", "all"] = "next"
    temperature: float | None = Field(None, gt=0)


def ranking_loss(
    own: PairRows, whole: PairRows, scale: Tensor, *, similarity: Similarity = "dot"
) -> MaskedSum:
    """Rank each pair before the pairs with one imposter, the next row of the global batch.

    For row i and the next row j that has a report, after the last one the first:
    [η + s(x_j, r_i) − s(x_i, r_i)]₊ + [η + s(x_i, r_j) − s(x_i, r_i)]₊, images x and reports r,
    with η of `margins` (Chauhan et al. 2020, eq. 1). similarity s: dot, cosine, or l2 (minus
    the distance), each times scale [n]. Counts rows with a report. The next row is of another
    process as often as not: its place in the global batch decides, not where it lies.
    """
    own, whole = _ready(own, similarity), _ready(whole, similarity)
    chosen = _next_row(own, whole)
    other = PairRows(*(column[chosen] for column in whole))
    margin = margins(
        own.groups == other.groups,
        (own.severities - other.severities).abs(),
        own.has_severity & other.has_severity,
    )
    paired = scale * _similar(own.images, own.texts, similarity)
    wrong_image = scale * _similar(other.images, own.texts, similarity)
    wrong_text = scale * _similar(own.images, other.texts, similarity)
    per_row = F.relu(margin + wrong_image - paired) + F.relu(margin + wrong_text - paired)
    total = torch.where(own.has_report, per_row, 0.0).sum()
    return MaskedSum(total, own.has_report.sum().to(total))


def all_pairs_ranking_loss(
    own: PairRows, whole: PairRows, scale: Tensor, *, similarity: Similarity = "dot"
) -> MaskedSum:
    """Rank each pair before the pairs with every imposter of the global batch, in the mean.

    As `ranking_loss`, with the mean over all other rows j that have a report in place of one j.
    """
    own, whole = _ready(own, similarity), _ready(whole, similarity)
    is_imposter = (own.places[:, None] != whole.places) & whole.has_report
    margin = margins(
        own.groups[:, None] == whole.groups,
        (own.severities[:, None] - whole.severities).abs(),
        own.has_severity[:, None] & whole.has_severity,
    )
    paired = (scale * _similar(own.images, own.texts, similarity))[:, None]
    hinges = own.images.new_zeros(())
    for anchors, others in ((own.texts, whole.images), (own.images, whole.texts)):
        imposters = scale[:, None] * _similar_to_all(anchors, others, similarity)
        hinges = hinges + F.relu(margin + imposters - paired)
    sums = torch.where(is_imposter & own.has_report[:, None], hinges, 0.0).sum(dim=1)
    total = (sums / is_imposter.sum(dim=1).clamp(min=1)).sum()
    return MaskedSum(total, own.has_report.sum().to(total))


def margins(same_report: Tensor, distance: Tensor, both_known: Tensor) -> Tensor:
    """Give η: 0 for the same report, 0.5 where a severity is unknown, else max(0.5, |Δy|)."""
    known = torch.where(both_known, distance.clamp(min=SMALLEST_MARGIN), SMALLEST_MARGIN)
    return torch.where(same_report, 0.0, known)


def _ready(pairs: PairRows, similarity: Similarity) -> PairRows:
    pairs = hide_missing(pairs)
    if similarity != "cosine":
        return pairs
    images, texts = F.normalize(pairs.images, dim=1), F.normalize(pairs.texts, dim=1)
    return pairs._replace(images=images, texts=texts)


def _next_row(own: PairRows, whole: PairRows) -> Tensor:
    """Give the place of the next row with a report, [own]; the own place if there is none else."""
    rows = len(whole.places)
    steps = (whole.places - own.places[:, None] - 1) % rows
    return torch.where(whole.has_report, steps, rows).argmin(dim=1)


def _similar(left: Tensor, right: Tensor, similarity: Similarity) -> Tensor:
    if similarity == "l2":
        distances: Tensor = torch.linalg.vector_norm(left - right, dim=1)
        return -distances
    return (left * right).sum(dim=1)


def _similar_to_all(left: Tensor, right: Tensor, similarity: Similarity) -> Tensor:
    if similarity == "l2":
        return -torch.cdist(left, right, compute_mode="donot_use_mm_for_euclid_dist")
    return left @ right.T
