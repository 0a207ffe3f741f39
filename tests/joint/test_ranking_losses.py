"""The vectorised founding loss against its loop, on many batches and by hand."""

from __future__ import annotations

import pytest
import torch

from joint.losses.pair_rows import PairRows
from joint.losses.ranking import (
    RankingSettings,
    all_pairs_ranking_loss,
    margins,
    ranking_loss,
)
from tests.joint.contrastive_cases import SIMILARITIES, random_pairs, slow_contrastive

BATCHES = 1000


def test_the_founding_loss_is_its_loop_on_a_thousand_batches():
    generator = torch.Generator().manual_seed(11)
    largest, rows_seen, hinges_seen = 0.0, set(), 0
    for number in range(BATCHES):
        rows = 1 + number % 6
        settings = RankingSettings(kind="ranking", similarity=SIMILARITIES[number % 3])
        pairs = random_pairs(rows, generator, width=3)
        results = []
        for is_slow in (False, True):
            vectors = [part.clone().requires_grad_() for part in (pairs.images, pairs.texts)]
            mine = pairs._replace(images=vectors[0], texts=vectors[1])
            if is_slow:
                total = slow_contrastive(settings, mine, 1.0, None)
            else:
                ones = torch.ones(rows, dtype=torch.float64)
                total = ranking_loss(mine, mine, ones, similarity=settings.similarity).total
            gradients = torch.autograd.grad(total, vectors)
            results.append(torch.cat([total.detach()[None], *(g.flatten() for g in gradients)]))
        largest = max(largest, float((results[0] - results[1]).abs().max()))
        rows_seen.add(rows)
        hinges_seen += bool(results[1][0] > 0)
    assert largest <= 1e-6
    assert len(rows_seen) == 6
    assert hinges_seen > BATCHES // 2


def three_pairs(**changes) -> PairRows:
    """Products of image i and report j: 1 where i = j, else 0; grades 0, 2 and unknown."""
    axes, true = torch.eye(3), torch.ones(3, dtype=torch.bool)
    stated = torch.tensor([True, True, False])
    grades = torch.tensor([0.0, 2.0, 0.0])
    pairs = PairRows(axes, axes, torch.arange(3), true, grades, stated, torch.arange(3))
    return pairs._replace(**changes)


def test_margins_by_hand():
    same = torch.tensor([True, False, False, False, False])
    known = torch.tensor([True, False, True, True, True])
    distance = torch.tensor([3.0, 3.0, 0.0, 1.0, 2.5])
    assert margins(same, distance, known).tolist() == [0.0, 0.5, 0.5, 1.0, 2.5]


def test_ranking_by_hand():
    # Row 0 has the imposter 1, two grades away: twice [2 + 0 − 1]₊. The others: [0.5 − 1]₊ = 0.
    pairs, ones = three_pairs(), torch.ones(3)
    assert float(ranking_loss(pairs, pairs, ones).total) == 2.0
    # Against all others, in the mean: rows 0 and 1 meet each other among two imposters.
    assert float(all_pairs_ranking_loss(pairs, pairs, ones).total) == pytest.approx(1 + 1)


def test_the_next_row_skips_rows_without_a_report():
    # Row 1 has no report: 2 comes after 0, and 0 after 2; grades 0 and 3 are three apart.
    pairs = three_pairs(
        has_report=torch.tensor([True, False, True]),
        severities=torch.tensor([0.0, 1.0, 3.0]),
        has_severity=torch.ones(3, dtype=torch.bool),
    )
    assert float(ranking_loss(pairs, pairs, torch.ones(3)).total) == 2 * 2 * (3 - 1)


@pytest.mark.parametrize("loss", [ranking_loss, all_pairs_ranking_loss])
def test_a_learned_scale_widens_what_the_margin_asks_for(loss):
    pairs = three_pairs()
    assert float(loss(pairs, pairs, torch.full((3,), 2.0)).total) == 0.0
