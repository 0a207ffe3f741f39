"""The votes of many labelers as one matrix: columns by studies by labelers, joined by study id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from data_cards.findings import FINDINGS, SEVERITY_LEVELS
from text_labeler.label_model_fit import ABSTAIN, UNCERTAIN, Votes

SEVERITY = "edema_severity"
"""The ordinal column; every other column is a finding and has two classes."""


class LabelMatrixError(ValueError):
    """Votes that make no matrix: repeated names, or classes that a column does not have."""


def count_classes(column: str) -> int:
    """Four grades for the severity, two for a finding."""
    return SEVERITY_LEVELS if column == SEVERITY else 2


@dataclass(frozen=True, eq=False)
class LabelMatrix:
    """`votes` int8 [columns, studies, labelers]: −1 abstain, −2 uncertain (findings only), else
    the class: 0 or 1, or a grade 0–3."""

    study_ids: tuple[str, ...]
    labelers: tuple[str, ...]
    columns: tuple[str, ...]
    votes: Votes

    def classes(self, column: str) -> int:
        """How many classes a column has: 4 for `edema_severity`, 2 for a finding."""
        return count_classes(column)

    def column(self, name: str) -> Votes:
        """Return one column's votes [studies, labelers], as the label model takes them."""
        votes: Votes = self.votes[self.columns.index(name)]
        return votes


@dataclass(frozen=True, eq=False)
class LabelerVotes:
    """One labeler's votes: by column, int8 [studies], in the order of `study_ids`.

    `source` names its file in errors; `is_part` says that the file holds one column of several
    (Snorkel's matrices), so that the labeler may come again with others.
    """

    name: str
    source: str
    study_ids: tuple[str, ...]
    votes: Mapping[str, Votes]
    is_part: bool = False


@dataclass(frozen=True, eq=False)
class Joined:
    """A matrix, how many of its studies each labeler does not have, and pairs that share none."""

    matrix: LabelMatrix
    missing: Mapping[str, int]
    apart: tuple[tuple[str, str], ...]


def join_votes(labelers: Sequence[LabelerVotes]) -> Joined:
    """Join labelers by an outer union of study ids, in the order in which ids first come.

    A study or column that a labeler does not have is an abstention. Raises LabelMatrixError for
    labelers with one name or one that cannot be printed, a study twice, or no votes at all.
    """
    names = _list_names(labelers)
    study_ids = tuple(dict.fromkeys(study for one in labelers for study in one.study_ids))
    columns = _order({column for one in labelers for column in one.votes})
    for name in (*names, *columns):
        if not name.isprintable():  # a terminal would take its characters for orders
            raise LabelMatrixError(f"{name!r}: a labeler or finding has a name that can be printed")
    if not columns or not study_ids:
        raise LabelMatrixError("no labeler has a vote: expected findings or edema_severity")
    row_of = {study: row for row, study in enumerate(study_ids)}
    votes = np.full((len(columns), len(study_ids), len(names)), ABSTAIN, dtype=np.int8)
    has = np.zeros((len(study_ids), len(names)), dtype=bool)
    for one in labelers:
        rows = np.array([row_of[study] for study in one.study_ids], dtype=np.intp)
        if len(set(one.study_ids)) != len(rows):
            raise LabelMatrixError(f"{one.source}: a study occurs more than once")
        has[rows, names.index(one.name)] = True
        for column, given in one.votes.items():
            _check_classes(one, column, given)
            votes[columns.index(column), rows, names.index(one.name)] = given
    matrix = LabelMatrix(study_ids, names, columns, votes)
    missing = dict(zip(names, map(int, (~has).sum(axis=0)), strict=True))
    together = has.T.astype(np.int64) @ has.astype(np.int64)
    pairs = combinations(range(len(names)), 2)
    apart = tuple((names[i], names[j]) for i, j in pairs if not together[i, j])
    return Joined(matrix, missing, apart)


def align_reads(matrix: LabelMatrix, reads: LabelerVotes) -> Votes:
    """Put audited reads into the matrix's order: int8 [columns, studies], −1 where there is none.

    An uncertain read is none; reads of other studies and columns are left out.
    """
    row_of = {study: row for row, study in enumerate(reads.study_ids)}
    rows = np.array([row_of.get(study, -1) for study in matrix.study_ids], dtype=np.intp)
    aligned = np.full((len(matrix.columns), len(rows)), ABSTAIN, dtype=np.int8)
    for index, column in enumerate(matrix.columns):
        if column in reads.votes:
            _check_classes(reads, column, reads.votes[column])
            aligned[index] = np.where(rows >= 0, reads.votes[column][rows], ABSTAIN)
    aligned[aligned == UNCERTAIN] = ABSTAIN
    return aligned


def _list_names(labelers: Sequence[LabelerVotes]) -> tuple[str, ...]:
    seen: dict[str, list[LabelerVotes]] = {}
    for one in labelers:
        for other in seen.setdefault(one.name, []):
            both = sorted(one.votes.keys() & other.votes.keys())
            if both or not (one.is_part and other.is_part):
                raise LabelMatrixError(
                    f"labeler {one.name!r} comes twice, from {other.source} and {one.source}:"
                    " give names of your own as name=path"
                )
        seen[one.name].append(one)
    return tuple(seen)


def _order(columns: Iterable[str]) -> tuple[str, ...]:
    """Known findings first, then a user's own, then the severity."""
    given = set(columns)
    own = sorted(given - set(FINDINGS) - {SEVERITY})
    return (*(name for name in FINDINGS if name in given), *own, *({SEVERITY} & given))


def _check_classes(one: LabelerVotes, column: str, given: Votes) -> None:
    lowest = ABSTAIN if column == SEVERITY else UNCERTAIN
    classes = count_classes(column)
    wrong = (given < lowest) | (given >= classes)
    if wrong.any():
        row = int(wrong.argmax())
        raise LabelMatrixError(
            f"{one.source}, row {row + 1}, {column}, {one.name}: {given[row]} is not a vote in"
            f" {lowest}..{classes - 1}"
        )
