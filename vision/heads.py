"""Heads on an image embedding: the ordinal severity head and one logit per finding."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

from data_cards.findings import SEVERITY_LEVELS

THRESHOLDS = SEVERITY_LEVELS - 1
FIRST_GAP = 1.0
"""Distance of neighbouring cuts at the start, in logits."""
SCALE_RATE = 5.0
"""How much faster the scale learns than other weights: it has to grow about fivefold."""


class SeverityHead(nn.Module):
    """Proportional odds: one score and ordered cuts, P(y > k) = sigmoid(scale × (score − cut_k)).

    The cuts stay in order by construction (softplus gaps), so that the probabilities of the
    four levels are never negative. McCullagh 1980; as a network head CORAL, Cao et al. 2020.
    The scale moves score and gaps together: without it the gaps, learned one small step at a
    time, stay so narrow that the middle levels are hardly ever the most probable.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)
        self.first_cut = nn.Parameter(torch.tensor([-FIRST_GAP]))
        gap = torch.tensor(FIRST_GAP)
        self.raw_gaps = nn.Parameter(torch.log(torch.expm1(gap)).repeat(THRESHOLDS - 1))
        self.slow_log_scale = nn.Parameter(torch.zeros(1))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Turn embeddings [n, width] into cumulative logits [n, 3], falling along the row."""
        gaps = softplus(self.raw_gaps).cumsum(dim=0)
        cuts = torch.cat([self.first_cut, self.first_cut + gaps])
        scale = torch.exp(SCALE_RATE * self.slow_log_scale)
        logits: Tensor = scale * (self.score(embeddings) - cuts)
        return logits


def severity_probabilities(cumulative_logits: Tensor) -> Tensor:
    """Turn cumulative logits [n, 3] of P(y > k) into probabilities [n, 4] that sum to one.

    Logits out of order (from a head that doesn't hold them) are lowered to their left neighbour.
    """
    beyond = torch.sigmoid(cumulative_logits).cummin(dim=1).values
    padded = torch.cat(
        [torch.ones_like(beyond[:, :1]), beyond, torch.zeros_like(beyond[:, :1])], dim=1
    )
    return padded[:, :-1] - padded[:, 1:]


def severity_log_probabilities(cumulative_logits: Tensor) -> Tensor:
    """Turn cumulative logits [n, 3] into log-probabilities [n, 4], finite where they are far out.

    log(σ(a) − σ(b)) = log σ(a) + log σ(−b) + log(1 − exp(b − a)): the difference itself is 0 in
    float32 from a logit of about 17. Two equal logits give the log of the smallest number.
    """
    logits = cumulative_logits.cummin(dim=1).values
    gaps = (logits[:, :-1] - logits[:, 1:]).clamp(min=torch.finfo(logits.dtype).tiny)
    above, below = logsigmoid(logits[:, :-1]), logsigmoid(-logits[:, 1:])
    middle = above + below + torch.log(-torch.expm1(-gaps))
    return torch.cat([logsigmoid(-logits[:, :1]), middle, logsigmoid(logits[:, -1:])], dim=1)
