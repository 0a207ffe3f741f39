"""What each labeler is like, column by column: votes, coverage, overlaps, conflicts, accuracy.

Names and definitions are those of Snorkel's LFAnalysis (Ratner et al. 2017, PVLDB 11:269). Beyond
it, an uncertain vote (−2) covers a study and overlaps, but agrees and conflicts with none, and is
in no accuracy.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from text_labeler.label_matrix import LabelMatrix
from text_labeler.label_model import LabelModelFit
from text_labeler.label_model_fit import ABSTAIN, UNCERTAIN, Array, Votes
from text_labeler.labeler_intervals import UNDEFINED, MeasuredAccuracy, measure_accuracies
from text_labeler.score_intervals import Estimate

NAN = float("nan")


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
    def polarity(self) -> tuple[int, ...]:
        """The classes that it ever votes for."""
        return tuple(k for k, number in enumerate(self.votes) if number)


@dataclass(frozen=True)
class PairRow:
    """Two labelers on one column, over the `both` studies where each votes for a class.

    `agreement`: the share where the class is the same. `kappa`: Cohen's, for grades with quadratic
    weights (Cohen 1968, Psychol. Bull. 70:213), which for two classes are none. `expected`: the
    agreement that the label model's independent errors give, and `z` how many standard errors it
    is exceeded by; NaN unless the model found that they agree too often. `wrong_together`: audited
    studies on which both are wrong and say the same; `wrong_by_chance`: so many of them were to be
    expected if their errors were independent given the read.
    """

    column: str
    first: str
    second: str
    both: int
    agreement: float
    kappa: float
    expected: float
    z: float
    audited: int
    wrong_together: int
    wrong_by_chance: float

    @property
    def is_dependent(self) -> bool:
        """They agree more often than the truth that the model found explains."""
        return not np.isnan(self.z)


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
        pairs.extend(_describe_pairs(matrix, column, reads[index], fits.get(column)))
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


def _describe_pairs(
    matrix: LabelMatrix, column: str, reads: Votes, fit: LabelModelFit | None
) -> Iterator[PairRow]:
    votes, classes = matrix.column(column), matrix.classes(column)
    excess = {} if fit is None else {(one.first, one.second): one for one in fit.dependent}
    for first, second in combinations(range(len(matrix.labelers)), 2):
        pair = votes[:, [first, second]]
        is_both = (pair >= 0).all(axis=1)
        table = _cross(pair[is_both], classes)
        by_read = [_cross(pair[is_both & (reads == k)], classes) for k in range(classes)]
        together, by_chance = _count_shared_errors(by_read)
        found = excess.get((first, second))
        yield PairRow(
            column=column,
            first=matrix.labelers[first],
            second=matrix.labelers[second],
            both=int(table.sum()),
            agreement=float(np.trace(table) / table.sum()) if table.any() else NAN,
            kappa=_kappa(table),
            expected=NAN if found is None else found.expected,
            z=NAN if found is None else float(found.z),
            audited=sum(int(one.sum()) for one in by_read),
            wrong_together=together,
            wrong_by_chance=by_chance,
        )


def _cross(pair: Votes, classes: int) -> NDArray[np.intp]:
    """Count class votes of two labelers [studies, 2]: the first by row, the second by column."""
    cells = pair[:, 0].astype(np.intp) * classes + pair[:, 1]
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def _count_shared_errors(by_read: Sequence[NDArray[np.intp]]) -> tuple[int, float]:
    """Return how often both gave one wrong class, and how often independent errors would.

    `by_read`: their cross table for each class that was read.
    """
    together, by_chance = 0, 0.0
    for read, table in enumerate(by_read):
        wrong = np.arange(len(table)) != read
        together += int(np.diagonal(table)[wrong].sum())
        same = table.sum(axis=1)[wrong] @ table.sum(axis=0)[wrong]
        by_chance += float(same) / max(int(table.sum()), 1)
    return together, by_chance


def _kappa(table: NDArray[np.intp]) -> float:
    """Return 1 − Σ w·observed / Σ w·expected, w the squared distance; NaN where both are sure."""
    classes, total = len(table), table.sum()
    distance = np.arange(classes)[:, None] - np.arange(classes)[None, :]
    weights = distance.astype(float) ** 2
    chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / max(total, 1)
    by_chance = float((weights * chance).sum())
    return 1 - float((weights * table).sum()) / by_chance if by_chance else NAN
