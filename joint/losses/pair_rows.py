"""Images and their reports row by row, as contrastive losses see them, over all processes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from joint.task import Gather


class PairRows(NamedTuple):
    """Embeddings of images and reports, and what decides which pairs belong together.

    images, texts: [n, width]. groups: int64 [n], equal where the report is the same (same study,
    or two studies with the same words). has_report: bool [n]; rows without a report may hold
    anything and are neither anchors nor candidates. severities: [n], the expected grade 0 to 3
    that the report states, where has_severity: bool [n]. places: int64 [n], each row's place in
    the global batch.
    """

    images: Tensor
    texts: Tensor
    groups: Tensor
    has_report: Tensor
    severities: Tensor
    has_severity: Tensor
    places: Tensor


def gather_pairs(own: PairRows, gather: Gather) -> PairRows:
    """Gather the pairs of all processes in the order of the global batch, in two messages."""
    width = own.images.shape[1]
    severities = own.severities[:, None].to(own.images)
    vectors = gather(torch.cat([own.images, own.texts, severities], dim=1))
    marks = gather(torch.stack([own.groups, own.has_report, own.has_severity], dim=1).long())
    return PairRows(
        images=vectors[:, :width],
        texts=vectors[:, width:-1],
        groups=marks[:, 0],
        has_report=marks[:, 1] > 0,
        severities=vectors[:, -1].detach(),
        has_severity=marks[:, 2] > 0,
        places=torch.arange(len(marks), device=marks.device),
    )


def hide_missing(pairs: PairRows) -> PairRows:
    """Put zeros in place of the embeddings of rows without a report: they may be NaN."""
    has_report = pairs.has_report[:, None]
    return pairs._replace(
        images=torch.where(has_report, pairs.images, 0.0),
        texts=torch.where(has_report, pairs.texts, 0.0),
    )
