"""Votes of labelers whose errors are known, and what probabilities made of them are worth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Votes = NDArray[np.int8]


class Design(NamedTuple):
    """Accuracy of each labeler, share of each class, share of the studies each votes on."""

    accuracies: tuple[float, ...]
    prior: tuple[float, ...] = (0.7, 0.3)
    coverage: float = 1.0


FIVE = (0.95, 0.85, 0.75, 0.7, 0.65)
GRADES = (0.4, 0.3, 0.2, 0.1)
DESIGNS = {
    "finding: five labelers, all vote": Design(FIVE),
    "finding: five labelers, 60 % vote": Design(FIVE, coverage=0.6),
    "finding: 0.9, 0.8, 0.7, all vote": Design((0.9, 0.8, 0.7)),
    "finding: five equal ones of 0.8": Design((0.8,) * 5),
    "grade: five labelers, all vote": Design(FIVE, GRADES),
    "grade: five labelers, 60 % vote": Design(FIVE, GRADES, 0.6),
    "grade: 0.9, 0.8, 0.7, all vote": Design((0.9, 0.8, 0.7), GRADES),
}


def plant(seed: int, studies: int, design: Design) -> tuple[Votes, Votes]:
    """Truth [studies] and votes [studies, labelers]; errors fall evenly on the other classes."""
    rng = np.random.default_rng(seed)
    classes = len(design.prior)
    truth = rng.choice(classes, studies, p=design.prior)
    right = rng.random((studies, len(design.accuracies))) < design.accuracies
    wrong = (truth[:, None] + rng.integers(1, classes, right.shape)) % classes
    votes = np.where(right, truth[:, None], wrong)
    votes[rng.random(right.shape) >= design.coverage] = -1
    return truth.astype(np.int8), votes.astype(np.int8)


def majority(votes: Votes, classes: int) -> Array:
    """Share of the votes for each class [studies, classes]; even where nobody votes."""
    counts = np.stack([(votes == k).sum(axis=1) for k in range(classes)], axis=1)
    total = counts.sum(axis=1, keepdims=True)
    even = np.full(counts.shape, 1 / classes)
    return np.divide(counts, total, out=even, where=total > 0)


def log_loss(shares: Array, truth: Votes) -> float:
    """Mean loss in nats; a probability counts as 0.001 at least, so that majority can compete."""
    return float(-np.log(np.clip(shares[np.arange(len(truth)), truth], 1e-3, 1)).mean())


def calibration_error(shares: Array, truth: Votes, bins: int = 10) -> float:
    """Mean gap of the probability of each class and its frequency, in bins of equal width."""
    right = np.eye(shares.shape[1])[truth].ravel()
    said = shares.ravel()
    place = np.minimum((said * bins).astype(int), bins - 1)
    gaps = np.bincount(place, weights=said - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(said))
