"""What each labeler is like, column by column: votes, coverage, overlaps, conflicts, accuracy.

Names and definitions are those of Snorkel's LFAnalysis (Ratner et al. 2017, PVLDB 11:269). Beyond
it, an uncertain vote (−2) covers a study and overlaps, but agrees and conflicts with none, and is
in no accuracy.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from text_labeler.label_matrix import LabelMatrix
from text_labeler.label_model import LabelModelFit
from text_labeler.label_model_fit import ABSTAIN, UNCERTAIN, Array, Votes
from text_labeler.labeler_intervals import UNDEFINED, MeasuredAccuracy, measure_accuracies
from text_labeler.labeler_pairs import PairRow, describe_pairs
from text_labeler.score_intervals import Estimate

NAN = float("nan")
NOTABLE = 0.05


class AnalysisError(ValueError):
    """Fits, audited reads or patients that do not belong to the matrix."""


class Overlaps(NamedTuple):
    """Shares of all studies, [labelers]: coverage, votes beside another's, votes against one."""

    coverage: Array
    overlaps: Array
    conflicts: Array


@dataclass(frozen=True)
class LabelerRow:
    """One labeler on one column; a number that is not defined is NaN.

    `votes`: by class, `uncertain` apart. `coverage`: share of studies with its vote. `overlaps`:
    share with its vote and another labeler's. `conflicts`: share where another labeler voted for
    another class. `estimated_accuracy`: the label model's probability that a vote is right, the
    mean over its class votes; the estimated sensitivity and specificity (findings only): of its
    votes where the finding is there, and is not, the share that is right. `correct`, `incorrect`:
    class votes on audited studies; the empirical accuracy, sensitivity and specificity are of
    these, with 95 % intervals.

    Where the model was given the audited reads, its estimates know them too, and are no test of it.
    """

    column: str
    labeler: str
    studies: int
    votes: tuple[int, ...]
    uncertain: int
    coverage: float
    overlaps: float
    conflicts: float
    estimated_accuracy: float
    estimated_sensitivity: float
    estimated_specificity: float
    correct: int
    incorrect: int
    empirical_accuracy: Estimate
    empirical_sensitivity: Estimate
    empirical_specificity: Estimate

    @property
    def is_contradicted(self) -> bool:
        """The model's estimate lies outside the measured interval, and 5 points or more away."""
        value, lower, upper = self.empirical_accuracy
        estimated = self.estimated_accuracy
        return (estimated < lower or estimated > upper) and abs(estimated - value) >= NOTABLE


@dataclass(frozen=True)
class LabelerAnalysis:
    """Rows by column, then labeler or pair, in the matrix's order; `audited`: studies by column."""

    labelers: tuple[str, ...]
    columns: tuple[str, ...]
    studies: int
    audited: tuple[int, ...]
    rows: tuple[LabelerRow, ...]
    pairs: tuple[PairRow, ...]

    @property
    def dependent(self) -> tuple[PairRow, ...]:
        """Pairs that the label model flagged.

        If they share rules, they count as two voices though they are one, and their column's
        probabilities are too sure until the labelers are named as a group. But where two others
        share rules so far that the model took their errors for the truth, it is the independent
        pairs that are flagged: reads by people tell which.
        """
        return tuple(pair for pair in self.pairs if pair.is_dependent)


def analyse_labelers(
    matrix: LabelMatrix,
    fits: Mapping[str, LabelModelFit],
    *,
    audited: Votes | None = None,
    patients: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> LabelerAnalysis:
    """Describe every labeler and every pair of them on every column.

    `fits` by column, without audited reads where they are to be compared with what was measured;
    one that is missing leaves its estimates NaN. `audited` [columns, studies]:
    the classes that people read, −1 where nobody did (see `align_reads`). `patients` [studies]: the
    studies of one patient count together in intervals; without them each study is its own patient.
    `seed` is of the intervals' draws. Raises AnalysisError for other shapes.
    """
    _check(matrix, fits, audited, patients)
    shape = matrix.votes.shape[:2]
    reads = np.full(shape, ABSTAIN, dtype=np.int8) if audited is None else audited
    known = np.arange(shape[1]) if patients is None else _number(patients)
    randomness = np.random.default_rng(seed)
    rows: list[LabelerRow] = []
    pairs: list[PairRow] = []
    for index, column in enumerate(matrix.columns):
        measured = measure_accuracies(matrix.votes[index], reads[index], known, randomness)
        rows.extend(_describe_labelers(matrix, column, fits.get(column), measured))
        pairs.extend(describe_pairs(matrix, column, reads[index], fits.get(column)))
    numbers = tuple(int(number) for number in (reads >= 0).sum(axis=1))
    return LabelerAnalysis(
        matrix.labelers, matrix.columns, shape[1], numbers, tuple(rows), tuple(pairs)
    )


def measure_overlaps(votes: Votes) -> Overlaps:
    """Return Snorkel's coverage, overlaps and conflicts of votes [studies, labelers]."""
    given, of_class = votes != ABSTAIN, votes >= 0
    is_shared = given.sum(axis=1) > 1
    lowest = np.where(of_class, votes, np.iinfo(votes.dtype).max).min(axis=1)
    # Where two classes were voted for, each vote is against at least one other.
    is_disputed = lowest < votes.max(axis=1)
    return Overlaps(
        given.mean(axis=0),
        (given & is_shared[:, None]).mean(axis=0),
        (of_class & is_disputed[:, None]).mean(axis=0),
    )


def _check(
    matrix: LabelMatrix,
    fits: Mapping[str, LabelModelFit],
    audited: Votes | None,
    patients: Sequence[Hashable] | None,
) -> None:
    columns, studies, labelers = matrix.votes.shape
    for column, fit in fits.items():
        expected = (studies, labelers, matrix.classes(column))
        given = (len(fit.probabilities), *fit.parameters.confusion.shape[:2])
        if column not in matrix.columns or given != expected:
            raise AnalysisError(
                f"fit of {column}: {given} studies, labelers and classes; the matrix has {expected}"
            )
    if audited is not None and audited.shape != (columns, studies):
        raise AnalysisError(
            f"audited reads must be [{columns} columns, {studies} studies], not {audited.shape}"
        )
    if patients is not None and len(patients) != studies:
        raise AnalysisError(f"{len(patients)} patients for {studies} studies")


def _number(patients: Sequence[Hashable]) -> NDArray[np.intp]:
    places: dict[Hashable, int] = {}
    return np.array([places.setdefault(patient, len(places)) for patient in patients])


def _describe_labelers(
    matrix: LabelMatrix,
    column: str,
    fit: LabelModelFit | None,
    measured: Sequence[MeasuredAccuracy],
) -> Iterator[LabelerRow]:
    votes = matrix.column(column)
    shares = measure_overlaps(votes)
    classes = matrix.classes(column)
    for place, labeler in enumerate(matrix.labelers):
        own, one = votes[:, place], measured[place]
        accuracy, sensitivity, specificity = _estimate(own, fit, place)
        yield LabelerRow(
            column=column,
            labeler=labeler,
            studies=len(votes),
            votes=tuple(int((own == k).sum()) for k in range(classes)),
            uncertain=int((own == UNCERTAIN).sum()),
            coverage=float(shares.coverage[place]),
            overlaps=float(shares.overlaps[place]),
            conflicts=float(shares.conflicts[place]),
            estimated_accuracy=accuracy,
            estimated_sensitivity=sensitivity,
            estimated_specificity=specificity,
            correct=one.correct,
            incorrect=one.incorrect,
            empirical_accuracy=one.accuracy,
            empirical_sensitivity=one.sensitivity if classes == 2 else UNDEFINED,
            empirical_specificity=one.specificity if classes == 2 else UNDEFINED,
        )


def _estimate(own: Votes, fit: LabelModelFit | None, place: int) -> tuple[float, float, float]:
    """Return the model's accuracy, sensitivity and specificity of a labeler with class votes."""
    voted = np.flatnonzero(own >= 0)
    if fit is None or not len(voted):
        return NAN, NAN, NAN
    # Not the diagonal at the prior: a labeler need not vote on studies like all others.
    accuracy = float(fit.probabilities[voted, own[voted]].mean())
    confusion = fit.parameters.confusion[place]
    if len(confusion) != 2:
        return accuracy, NAN, NAN
    return accuracy, float(confusion[1, 1]), float(confusion[0, 0])
