"""How two labelers agree, whether more than the truth explains, and how often they err together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from text_labeler.label_matrix import LabelMatrix
from text_labeler.label_model import LabelModelFit
from text_labeler.label_model_fit import Votes

NAN = float("nan")


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


def describe_pairs(
    matrix: LabelMatrix, column: str, reads: Votes, fit: LabelModelFit | None
) -> Iterator[PairRow]:
    """Describe every pair of labelers on one column; `reads` [studies], −1 where nobody read."""
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
