"""Precision, recall and F1 with 95 % intervals, and their difference between two labelers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from text_labeler.score_intervals import (
    DRAWS,
    JEFFREYS,
    Array,
    Difference,
    Estimate,
    average,
    draw_paired_priors,
    draw_totals,
    make_estimate,
    ratio,
    subtract,
)
from text_labeler.scoring import FindingScores, ScoringError


@dataclass(frozen=True)
class FindingEstimate:
    """Counts and scores of one finding, or of all together (micro, macro)."""

    finding: str
    support: int
    given: int
    left_out: int
    precision: Estimate
    recall: Estimate
    f1: Estimate


def estimate_findings(
    scores: FindingScores, *, seed: int, draws: int = DRAWS
) -> list[FindingEstimate]:
    """Return the findings in their order, then micro, then macro (the mean over findings with
    support; a precision without anything given counts as 0 there)."""
    randomness = np.random.default_rng(seed)
    totals = _draw_counts(scores, draws, randomness)
    drawn = _find_ratios(totals + randomness.gamma(JEFFREYS, size=totals.shape))
    values = _find_ratios(_count(scores))
    micro = scores.micro
    has_support = _find_supported(scores)
    rows = [
        FindingEstimate(
            one.finding,
            one.support,
            one.given,
            one.left_out,
            *(make_estimate(values[k, m], drawn[:, k, m]) for m in range(3)),
        )
        for k, one in enumerate((*scores.scores, micro))
    ]
    macro = (average(values[has_support, m], drawn[:, has_support, m]) for m in range(3))
    return [*rows, FindingEstimate("macro", micro.support, micro.given, micro.left_out, *macro)]


def compare_findings(
    first: FindingScores, second: FindingScores, *, seed: int, draws: int = DRAWS
) -> list[Difference]:
    """Return the differences in F1, finding by finding, then micro and macro.

    Both are of the same studies: in each draw a patient weighs the same for both labelers, and
    their priors are drawn together (see `draw_paired_priors`), so that one study on which they
    differ is not taken for proof. Raises ScoringError when studies or findings are not the same.
    """
    if first.tallies.shape != second.tallies.shape or first.studies != second.studies:
        raise ScoringError("labels to compare are not of the same studies and findings")
    randomness = np.random.default_rng(seed)
    paired = FindingScores(
        first.aspect,
        first.studies,
        first.scores + second.scores,
        np.concatenate([first.tallies, second.tallies], axis=1),
    )
    totals = _draw_counts(paired, draws, randomness)
    findings = len(first.scores)
    sides = (totals[:, :findings], totals[:, findings : 2 * findings])
    hits = draw_paired_priors((draws, findings + 1), randomness)
    alarms = draw_paired_priors((draws, findings + 1), randomness)
    drawn = [
        _find_ratios(_add_micro(side) + np.stack([hit, alarm, miss], axis=2))[:, :, 2]
        for side, (hit, miss), (alarm, _) in zip(sides, hits, alarms, strict=True)
    ]
    values = [_find_ratios(_count(scores))[:, 2] for scores in (first, second)]
    has_support = _find_supported(first)
    difference, differences = values[0] - values[1], drawn[0] - drawn[1]
    named = [(score.finding, score.support) for score in (*first.scores, first.micro)]
    macro = average(difference[has_support], differences[:, has_support])
    return [
        *subtract(named, values, drawn),
        Difference("macro", first.micro.support, first.macro_f1, second.macro_f1, macro),
    ]


def _count(scores: FindingScores) -> Array:
    """Return the counts themselves: [findings + 1, 3]."""
    counts: Array = _add_micro(scores.tallies.sum(0, keepdims=True).astype(float))[0]
    return counts


def _draw_counts(scores: FindingScores, draws: int, randomness: np.random.Generator) -> Array:
    """Return hits, false alarms and misses of findings, then micro: [draws, findings + 1, 3]."""
    tallies = scores.tallies.reshape(len(scores.tallies), -1)
    totals = np.concatenate([*draw_totals(tallies, draws, randomness)])
    return _add_micro(totals.reshape(draws, len(scores.scores), 3))


def _add_micro(totals: Array) -> Array:
    return np.concatenate([totals, totals.sum(1, keepdims=True)], axis=1)


def _find_ratios(counts: Array) -> Array:
    """Return precision, recall and F1 in place of hits, false alarms and misses: [..., 3]."""
    hits, false_alarms, misses = np.moveaxis(counts, -1, 0)
    ratios = [
        ratio(hits, hits + false_alarms),
        ratio(hits, hits + misses),
        ratio(2 * hits, 2 * hits + false_alarms + misses),
    ]
    return np.stack(ratios, axis=-1)


def _find_supported(scores: FindingScores) -> list[int]:
    return [place for place, score in enumerate(scores.scores) if score.support]
