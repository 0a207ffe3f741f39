"""Accuracy, kappa, coverage and recall of severity levels with 95 % intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from data_cards.findings import SEVERITY_LEVELS
from text_labeler.score_intervals import (
    DRAWS,
    JEFFREYS,
    Array,
    Difference,
    Estimate,
    draw_paired_priors,
    draw_totals,
    make_estimate,
    ratio,
    subtract,
)
from text_labeler.score_levels import SeverityScores, find_quadratic_kappa, score_severity

ACCURACY, KAPPA, COVERAGE, MET = "accuracy", "quadratic kappa", "coverage", "levels met"
RECALLS = tuple(f"recall at level {level}" for level in range(SEVERITY_LEVELS))
SHARES = (ACCURACY, COVERAGE, MET, *RECALLS)

CHANCE_STUDIES = 1.0
"""Prior of a confusion table for kappa: so many studies, spread as chance alone would spread them
over the cells (pseudo-Bayes, Fienberg and Holland 1973, JASA 68:683)."""


def estimate_severity(
    scores: SeverityScores, *, seed: int, draws: int = DRAWS
) -> dict[str, Estimate]:
    """Return accuracy, coverage, the share of reference levels met (none given is a miss), recall
    by level, and quadratic kappa, each under its name."""
    randomness = np.random.default_rng(seed)
    totals = np.concatenate([*draw_totals(scores.tallies, draws, randomness)])
    priors = randomness.gamma(JEFFREYS, size=(2, draws, len(SHARES)))
    drawn = _measure(totals, (priors[0], priors[1]), _draw_chance(scores, draws, randomness))
    values = _measure(_count(scores))
    return {name: make_estimate(float(values[name][0]), drawn[name]) for name in values}


def compare_severity(
    first: pd.DataFrame,
    second: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    seed: int,
    draws: int = DRAWS,
) -> list[Difference]:
    """Return the differences in what `estimate_severity` estimates, for two label tables, paired
    as in `compare_findings`, on the studies that both have."""
    shared = truth[truth["study_id"].isin(set(first["study_id"]) & set(second["study_id"]))]
    scores = [score_severity(labels, shared) for labels in (first, second)]
    randomness = np.random.default_rng(seed)
    tallies = np.concatenate([score.tallies for score in scores], axis=1)
    totals = np.concatenate([*draw_totals(tallies, draws, randomness)])
    priors = draw_paired_priors((draws, len(SHARES)), randomness)
    drawn = [
        _measure(side, prior, _draw_chance(score, draws, randomness))
        for side, prior, score in zip(np.split(totals, 2, axis=1), priors, scores, strict=True)
    ]
    values = [_measure(_count(score)) for score in scores]
    return list(
        subtract(
            [(name, count_severity_support(scores[0], name)) for name in values[0]],
            [np.array([value[0] for value in one.values()]) for one in values],
            [np.stack(list(one.values()), axis=1) for one in drawn],
        )
    )


def count_severity_support(scores: SeverityScores, name: str) -> int:
    """Return how many studies stand behind one of the numbers of `estimate_severity`."""
    if name == COVERAGE:
        return sum(scores.spoken)
    if name in RECALLS:
        return int(scores.confusion[RECALLS.index(name)].sum())
    table = scores.confusion if name == MET else scores.confusion[:, :SEVERITY_LEVELS]
    return int(table.sum())


def _count(scores: SeverityScores) -> Array:
    return np.asarray(scores.tallies.sum(0, keepdims=True), float)


def _draw_chance(scores: SeverityScores, draws: int, randomness: np.random.Generator) -> Array:
    """Draw what kappa's prior adds to the table of both levels: [draws, 4, 4]."""
    counts = scores.confusion[:, :SEVERITY_LEVELS]
    by_chance = np.outer(counts.sum(1), counts.sum(0)) / max(1, counts.sum()) ** 2
    return randomness.gamma(CHANCE_STUDIES * by_chance, size=(draws, *by_chance.shape))


def _measure(
    totals: Array, priors: tuple[Array, Array] | None = None, chance: Array | None = None
) -> dict[str, Array]:
    """Return each number by name, [draws], for counts laid out as `SeverityScores.tallies`.

    `priors` go to right and wrong of each of SHARES: [draws, shares]; `chance` to the table.
    """
    confusion = totals[:, :-2].reshape(len(totals), SEVERITY_LEVELS, SEVERITY_LEVELS + 1)
    both = confusion[:, :, :SEVERITY_LEVELS]
    right = np.trace(both, axis1=1, axis2=2)
    by_level = np.diagonal(both, axis1=1, axis2=2)
    rights = np.column_stack([right, totals[:, -2], right, by_level])
    alls = np.column_stack(
        [both.sum((1, 2)), totals[:, -2:].sum(1), confusion.sum((1, 2)), confusion.sum(2)]
    )
    if priors is not None:
        rights, alls = rights + priors[0], alls + priors[0] + priors[1]
    shares = dict(zip(SHARES, ratio(rights, alls).T, strict=True))
    return {**shares, KAPPA: find_quadratic_kappa(both if chance is None else both + chance)}
