"""Every contrastive loss with a slow, obvious reference, and random pairs to try them on."""

from __future__ import annotations

import torch
from torch.nn.functional import logsigmoid, normalize

from joint.losses.contrastive import InfoNceSettings, SiglipSettings
from joint.losses.pair_rows import PairRows
from joint.losses.ranking import RankingSettings

SIMILARITIES = ("dot", "cosine", "l2")

CONTRASTIVE_LOSSES = {
    "infonce": InfoNceSettings(),
    "infonce_skip": InfoNceSettings(same_report="skip"),
    "infonce_equal_labels": InfoNceSettings(share_equal_labels=0.3),
    "infonce_near_labels": InfoNceSettings(share_equal_labels=0.3, label_reach=2.5),
    "siglip": SiglipSettings(kind="siglip"),
    "siglip_skip": SiglipSettings(kind="siglip", same_report="skip"),
    "siglip_near_labels": SiglipSettings(kind="siglip", share_equal_labels=0.3, label_reach=2.5),
    **{
        f"ranking_{imposters}_{similarity}": RankingSettings(
            kind="ranking", similarity=similarity, imposters=imposters
        )
        for imposters in ("next", "all")
        for similarity in SIMILARITIES
    },
}
"""Name → settings; `contrastive_loss` computes each, `slow_contrastive` says what it must be."""


def random_pairs(
    rows: int, generator: torch.Generator, *, width: int = 5, dtype: torch.dtype = torch.float64
) -> PairRows:
    """Unit vectors; some rows share a report, some have none, some state no severity."""

    def draw(high: int) -> torch.Tensor:
        return torch.randint(high, (rows,), generator=generator)

    vectors = torch.randn(2, rows, width, generator=generator, dtype=torch.float64)
    images, texts = normalize(vectors, dim=2).to(dtype)
    severities = draw(4).to(dtype)
    groups, has_report, has_severity = draw(rows), draw(6) > 0, draw(3) > 0
    return PairRows(images, texts, groups, has_report, severities, has_severity, torch.arange(rows))


def choose_rows(pairs: PairRows, which) -> PairRows:
    """The rows of one process."""
    return PairRows(*(column[which] for column in pairs))


def slow_contrastive(settings, pairs: PairRows, scale, bias):
    """The sum over all rows, one pair at a time."""
    rows = [i for i in range(len(pairs.groups)) if pairs.has_report[i]]
    slow = {"infonce": _slow_infonce, "siglip": _slow_siglip, "ranking": _slow_ranking}[
        settings.kind
    ]
    return sum((slow(settings, pairs, rows, i, scale, bias) for i in rows), start=_zero(pairs))


def _zero(pairs):
    return (pairs.images * 0).sum() + (pairs.texts * 0).sum()


def _closeness(settings, pairs, i, j) -> float:
    if pairs.groups[i] == pairs.groups[j] or not (pairs.has_severity[i] and pairs.has_severity[j]):
        return 0.0
    return max(
        0.0, 1 - abs(float(pairs.severities[i] - pairs.severities[j])) / settings.label_reach
    )


def _candidates(settings, pairs, rows, i):
    """The rows that count for row i, and those of them that are positive."""
    same = [j for j in rows if pairs.groups[j] == pairs.groups[i]]
    if settings.same_report == "share":
        return rows, same
    return [j for j in rows if j == i or j not in same], [i]


def _slow_infonce(settings, pairs, rows, i, scale, _):
    rows, positive = _candidates(settings, pairs, rows, i)
    close = {j: _closeness(settings, pairs, i, j) for j in rows}
    shared = settings.share_equal_labels if sum(close.values()) else 0.0
    loss = 0.0
    for anchors, candidates in ((pairs.images, pairs.texts), (pairs.texts, pairs.images)):
        exponentials = {j: (scale * (anchors[i] @ candidates[j])).exp() for j in rows}
        for j in rows:
            target = (1 - shared) * (j in positive) / len(positive)
            if shared:
                target += shared * close[j] / sum(close.values())
            loss = loss - target / 2 * (exponentials[j] / sum(exponentials.values())).log()
    return loss


def _slow_siglip(settings, pairs, rows, i, scale, bias):
    rows, positive = _candidates(settings, pairs, rows, i)
    loss = 0.0
    for j in rows:
        target = settings.share_equal_labels * _closeness(settings, pairs, i, j)
        target = 1.0 if j in positive else target
        logit = scale * (pairs.images[i] @ pairs.texts[j]) + bias
        loss = loss - target * logsigmoid(logit) - (1 - target) * logsigmoid(-logit)
    return loss


def _slow_ranking(settings, pairs, rows, i, scale, _):
    """Chauhan et al. 2020, equation 1, as a loop; `all`: the mean over every other row."""
    others = [j for j in rows if j != i]
    if settings.imposters == "next" and others:
        others = [rows[(rows.index(i) + 1) % len(rows)]]
    loss = 0.0
    for j in others:
        margin = _margin(pairs, i, j)
        paired = scale * _similarity(settings, pairs.images[i], pairs.texts[i])
        for image, text in ((j, i), (i, j)):
            imposter = scale * _similarity(settings, pairs.images[image], pairs.texts[text])
            if margin + imposter - paired > 0:
                loss = loss + (margin + imposter - paired) / len(others)
    return loss


def _margin(pairs, i, j) -> float:
    if pairs.groups[i] == pairs.groups[j]:
        return 0.0
    if not (pairs.has_severity[i] and pairs.has_severity[j]):
        return 0.5
    return max(0.5, abs(float(pairs.severities[i] - pairs.severities[j])))


def _similarity(settings, image, text):
    if settings.similarity == "l2":
        return -((image - text) ** 2).sum().sqrt()
    if settings.similarity == "dot":
        return (image * text).sum()
    return (image * text).sum() / (image.norm() * text.norm())
