"""How often a labeler's votes are right where people read the studies, with 95 % intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from text_labeler.label_model_fit import Votes
from text_labeler.score_intervals import DRAWS, JEFFREYS, Estimate, make_estimate, ratio

UNDEFINED = Estimate(float("nan"), float("nan"), float("nan"))


@dataclass(frozen=True)
class MeasuredAccuracy:
    """Class votes against audited reads: right and wrong, and of classes 1 and 0 the share right.

    Only votes count: what the labeler is silent on is in its coverage, not here.
    """

    correct: int
    incorrect: int
    accuracy: Estimate
    sensitivity: Estimate
    specificity: Estimate


def measure_accuracies(
    votes: Votes, reads: Votes, patients: NDArray[np.intp], randomness: np.random.Generator
) -> list[MeasuredAccuracy]:
    """Compare votes [studies, labelers] with reads [studies], −1 where nobody read.

    The intervals are those of `score_intervals`: the Bayesian bootstrap over patients [studies]
    with Jeffreys' prior. With one study a patient they are Beta(right + 1/2, wrong + 1/2).
    """
    audited = np.flatnonzero(reads >= 0)
    tallies = _tally(votes[audited], reads[audited], patients[audited])
    counts = tallies.sum(axis=0)
    drawn = _draw(tallies, randomness)
    values = ratio(counts[..., 0], counts.sum(axis=-1))
    return [
        MeasuredAccuracy(
            int(counts[place, 0, 0]),
            int(counts[place, 0, 1]),
            *(make_estimate(float(values[place, k]), drawn[:, place, k]) for k in range(3)),
        )
        for place in range(votes.shape[1])
    ]


def _tally(votes: Votes, reads: Votes, patients: NDArray[np.intp]) -> NDArray[np.int64]:
    """Count right and wrong by patient: [patients, labelers, (all, class 1, class 0), 2]."""
    given = (votes >= 0)[:, :, None]
    asked = np.stack([reads >= 0, reads == 1, reads == 0], axis=1)[:, None, :]
    is_right = (votes == reads[:, None])[:, :, None]
    cells = np.stack([given & asked & is_right, given & asked & ~is_right], axis=-1)
    _, of_study = np.unique(patients, return_inverse=True)
    tallies = np.zeros((int(of_study.max(initial=-1)) + 1, *cells.shape[1:]), dtype=np.int64)
    np.add.at(tallies, of_study, cells)
    return tallies


def _draw(tallies: NDArray[np.int64], randomness: np.random.Generator) -> NDArray[np.float64]:
    """Draw the share of right votes: [draws, labelers, 3].

    Patients of one tally are drawn together: n weights from Exp(1) come to one of Gamma(n).
    """
    distinct, numbers = np.unique(tallies, axis=0, return_counts=True)
    weights = randomness.standard_gamma(numbers, (DRAWS, len(numbers)))
    totals = np.tensordot(weights, distinct, axes=1)
    totals += randomness.gamma(JEFFREYS, size=totals.shape)
    return ratio(totals[..., 0], totals.sum(axis=-1))
