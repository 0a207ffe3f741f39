"""Chance-corrected agreement: Cohen, Fleiss, Krippendorff and PABAK from weighted item tallies.

Each function takes many weightings of the items at once, as a bootstrap gives them, and returns
NaN where chance alone would agree always, so that agreement beyond chance means nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ratings = NDArray[np.intp]
"""Categories 0, 1, … [items, raters]; −1 where a rater has not rated."""


def weigh_cohen(
    ratings: Ratings, categories: int, weights: Array, *, is_ordinal: bool = False
) -> Array:
    """Cohen's kappa (1960) of two raters [draws]; quadratic weights (1968) when ordinal.

    ratings: [items, 2], none missing. weights: [draws, items].
    """
    pairs = np.eye(categories * categories)[ratings[:, 0] * categories + ratings[:, 1]]
    tables = (weights @ pairs).reshape(-1, categories, categories)
    tables /= tables.sum(axis=(1, 2), keepdims=True)
    chance = tables.sum(axis=2)[:, :, None] * tables.sum(axis=1)[:, None, :]
    cost = _cost(categories, is_ordinal=is_ordinal)
    return _beyond_chance((tables * cost).sum(axis=(1, 2)), (chance * cost).sum(axis=(1, 2)))


def weigh_fleiss(ratings: Ratings, categories: int, weights: Array) -> Array:
    """Fleiss' kappa (1971) [draws]: raters are exchangeable, as many for each item."""
    raters = ratings.shape[1]
    counts = _count(ratings, categories)
    agreed = (counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1))
    total = weights.sum(axis=1)
    shares = weights @ counts / (total * raters)[:, None]
    return _beyond_chance(1 - weights @ agreed / total, 1 - (shares**2).sum(axis=1))


def weigh_krippendorff(
    ratings: Ratings, categories: int, weights: Array, *, is_ordinal: bool = False
) -> Array:
    """Krippendorff's alpha (2004) [draws], nominal or ordinal; ratings may be missing.

    Items with one rating alone say nothing and are left out, as they are by the definition.
    """
    counts = _count(ratings, categories)
    rated = counts.sum(axis=1)
    counts, rated, weights = counts[rated > 1], rated[rated > 1], weights[:, rated > 1]
    pairs = counts[:, :, None] * counts[:, None, :]
    pairs[:, np.arange(categories), np.arange(categories)] -= counts
    pairs /= (rated - 1)[:, None, None]
    observed = np.tensordot(weights, pairs, axes=1)
    totals = observed.sum(axis=2)
    number = totals.sum(axis=1)
    if is_ordinal:
        below = np.cumsum(totals, axis=1) - totals / 2
        cost = (below[:, :, None] - below[:, None, :]) ** 2
    else:
        cost = np.broadcast_to(_cost(categories, is_ordinal=False), observed.shape)
    expected = totals[:, :, None] * totals[:, None, :]
    expected_cost = (expected * cost).sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return _beyond_chance((observed * cost).sum(axis=(1, 2)), expected_cost / (number - 1))


def weigh_agreement(ratings: Ratings, weights: Array) -> Array:
    """The share of items [draws] on which two raters say the same."""
    return np.asarray(weights @ (ratings[:, 0] == ratings[:, 1]) / weights.sum(axis=1))


def adjust_for_prevalence(agreed: Array, categories: int) -> Array:
    """PABAK (Byrt 1993) from the share agreed: kappa as if all categories were as frequent."""
    return np.asarray((categories * agreed - 1) / (categories - 1))


def _count(ratings: Ratings, categories: int) -> Array:
    return np.stack([(ratings == one).sum(axis=1) for one in range(categories)], axis=1).astype(
        float
    )


def _cost(categories: int, *, is_ordinal: bool) -> Array:
    apart = np.abs(np.subtract.outer(np.arange(categories), np.arange(categories)))
    return np.asarray(apart**2 if is_ordinal else apart > 0, dtype=float)


def _beyond_chance(observed: Array, expected: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(expected > 1e-12, 1 - observed / expected, np.nan))
