"""What levels of edema severity are worth against a reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_cards.findings import SEVERITY_LEVELS
from text_labeler.scoring import align_studies, divide, number_patients


@dataclass(frozen=True)
class SeverityScores:
    """Severity levels against a reference.

    `confusion[i, j]`: studies of reference level i that were given level j; j = 4: none given.
    `unleveled`: for studies of the reference without a level, by group: how many were given
    0, 1, 2, 3, none. `spoken`: of the studies whose report speaks of edema, as the reference
    says, how many were given a level and how many none. `tallies`: all of it by patient,
    [patients, 4 * 5 cells of the confusion and the 2 of `spoken`].
    """

    confusion: NDArray[np.int64]
    unleveled: dict[str, NDArray[np.int64]]
    spoken: tuple[int, int]
    tallies: NDArray[np.int32] = field(repr=False, compare=False)

    @property
    def coverage(self) -> float:
        """The share of the reports that speak of edema, or deny it, that were given a level."""
        return divide(self.spoken[0], sum(self.spoken))

    @property
    def accuracy(self) -> float:
        """Right levels / studies that have both levels."""
        return divide(int(np.trace(self._both)), int(self._both.sum()))

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the reference's levels; a level not given counts as missed."""
        values = []
        for level in range(SEVERITY_LEVELS):
            support = int(self.confusion[level].sum())
            given = int(self.confusion[:, level].sum())
            if support:
                values.append(divide(2 * int(self.confusion[level, level]), support + given))
        return float(np.mean(values)) if values else float("nan")

    @property
    def quadratic_kappa(self) -> float:
        """Cohen's kappa with quadratic weights over studies that have both levels."""
        return float(find_quadratic_kappa(self._both[None].astype(float))[0])

    @cached_property
    def _both(self) -> NDArray[np.int64]:
        return self.confusion[:, :SEVERITY_LEVELS]


def find_quadratic_kappa(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 - Σ w o / Σ w e with w = (i - j)² for each table of counts [tables, 4, 4].

    NaN where chance alone could not err. Cohen 1968, Psychol. Bull. 70:213.
    """
    levels = np.arange(SEVERITY_LEVELS)
    weights = (levels[:, None] - levels[None]) ** 2
    rows, columns = tables.sum(2), tables.sum(1)
    total = tables.sum((1, 2))
    observed = (weights * tables).sum((1, 2))
    by_chance = (weights * (rows[:, :, None] * columns[:, None, :])).sum((1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(by_chance > 0, 1 - observed * total / by_chance, np.nan))


def score_severity(
    predicted: pd.DataFrame, truth: pd.DataFrame, *, group: str = "no level"
) -> SeverityScores:
    """Compare levels 0–3, study by study.

    predicted: `study_id`, `edema_severity`; truth: `study_id`, `severity` (0–3 or null) and, if it
    has them, `group`, which names what a study without a level is, `speaks`, whether its report
    speaks of edema (else all do), and `patient_id`. Raises ScoringError when no study is in both.
    """
    labels, reference = align_studies(predicted, truth)
    given = labels["edema_severity"].astype("Int64").fillna(SEVERITY_LEVELS).to_numpy(np.int64)
    levels = reference["severity"].astype("Int64")
    has_level = levels.notna().to_numpy(bool)
    groups = reference["group"] if "group" in reference else pd.Series(group, reference.index)
    unleveled = {
        str(name): np.bincount(given[~has_level & (groups == name)], minlength=SEVERITY_LEVELS + 1)
        for name in groups[~has_level].unique()
    }
    speaks = (
        reference["speaks"].to_numpy(bool)
        if "speaks" in reference
        else np.ones(len(reference), bool)
    )
    patients = number_patients(reference)
    cells = SEVERITY_LEVELS * (SEVERITY_LEVELS + 1)
    tallies = np.zeros((int(patients.max()) + 1, cells + 2), np.int32)
    cell = levels.fillna(0).to_numpy(np.int64) * (SEVERITY_LEVELS + 1) + given
    np.add.at(tallies, (patients[has_level], cell[has_level]), 1)
    is_silent = given == SEVERITY_LEVELS
    np.add.at(tallies, (patients[speaks], cells + is_silent[speaks]), 1)
    *confusion, with_level, without = map(int, tallies.sum(0))
    table = np.array(confusion, np.int64).reshape(SEVERITY_LEVELS, SEVERITY_LEVELS + 1)
    return SeverityScores(table, unleveled, (with_level, without), tallies)
