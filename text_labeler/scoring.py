"""What labels are worth against a reference: by finding, and for the severity of edema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_cards.findings import FINDINGS, SEVERITY_LEVELS, LabelCode


class ScoringError(ValueError):
    """Labels and a reference that cannot be compared; the message says what was missing."""


@dataclass(frozen=True)
class FindingScore:
    """Counts for one finding: how often the code was given rightly, wrongly, and missed."""

    finding: str
    hits: int
    false_alarms: int
    misses: int

    @property
    def support(self) -> int:
        """Studies for which the reference has the code."""
        return self.hits + self.misses

    @property
    def precision(self) -> float:
        """Hits / all given; NaN when the code is never given."""
        return _ratio(self.hits, self.hits + self.false_alarms)

    @property
    def recall(self) -> float:
        """Hits / support; NaN without support."""
        return _ratio(self.hits, self.support)

    @property
    def f1(self) -> float:
        """2 hits / (2 hits + false alarms + misses); NaN when the code never occurs at all."""
        return _ratio(2 * self.hits, 2 * self.hits + self.false_alarms + self.misses)


@dataclass(frozen=True)
class FindingScores:
    """Scores of all findings that the reference knows, for one code."""

    code: LabelCode
    studies: int
    scores: tuple[FindingScore, ...]

    @property
    def micro(self) -> FindingScore:
        """The counts of all findings together."""
        return FindingScore(
            "micro",
            sum(score.hits for score in self.scores),
            sum(score.false_alarms for score in self.scores),
            sum(score.misses for score in self.scores),
        )

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the findings with support."""
        values = [score.f1 for score in self.scores if score.support]
        return float(np.mean(values)) if values else float("nan")

    def only(self, findings: Sequence[str]) -> FindingScores:
        """Return the scores of some findings alone."""
        chosen = tuple(score for score in self.scores if score.finding in findings)
        return FindingScores(self.code, self.studies, chosen)

    def as_frame(self) -> pd.DataFrame:
        """One row for each finding, then micro and macro."""
        rows = [
            (score.finding, score.support, score.precision, score.recall, score.f1)
            for score in (*self.scores, self.micro)
        ]
        rows.append(("macro", self.micro.support, float("nan"), float("nan"), self.macro_f1))
        return pd.DataFrame(rows, columns=["finding", "n", "precision", "recall", "F1"])


def score_findings(
    predicted: pd.DataFrame, truth: pd.DataFrame, *, code: LabelCode = LabelCode.POSITIVE
) -> FindingScores:
    """Compare one code of each finding, study by study, against all else.

    Both frames have a column `study_id` and columns named as in FINDINGS with codes 1, 0, -1 or
    null; findings that `truth` does not have are left out. For a reference that knows only
    presence, keep `code` POSITIVE: an uncertain or negative label then counts as absent.
    Raises ScoringError when no study or no finding is in both.
    """
    findings = [name for name in FINDINGS if name in truth and name in predicted]
    if not findings:
        raise ScoringError("the reference has no column named as a finding")
    labels, reference = _align(predicted, truth)
    scores = []
    for finding in findings:
        given = (labels[finding] == code).fillna(False).to_numpy(bool)
        meant = (reference[finding] == code).fillna(False).to_numpy(bool)
        scores.append(
            FindingScore(
                finding,
                int((given & meant).sum()),
                int((given & ~meant).sum()),
                int((~given & meant).sum()),
            )
        )
    return FindingScores(code, len(labels), tuple(scores))


@dataclass(frozen=True)
class SeverityScores:
    """Severity levels against a reference.

    `confusion[i, j]`: studies of reference level i that were given level j; j = 4: none given.
    `unleveled`: for studies of the reference without a level, by group: how many were given
    0, 1, 2, 3, none. `coverage`: the share of all studies of the reference that were given a level.
    """

    confusion: NDArray[np.int64]
    unleveled: dict[str, NDArray[np.int64]]

    @property
    def coverage(self) -> float:
        """Studies with a level given / all studies of the reference."""
        tables = [self.confusion, *(row[None] for row in self.unleveled.values())]
        counts = np.concatenate(tables).sum(0)
        return _ratio(int(counts[:SEVERITY_LEVELS].sum()), int(counts.sum()))

    @property
    def accuracy(self) -> float:
        """Right levels / studies that have both levels."""
        return _ratio(int(np.trace(self._both)), int(self._both.sum()))

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the reference's levels; a level not given counts as missed."""
        values = []
        for level in range(SEVERITY_LEVELS):
            support = int(self.confusion[level].sum())
            given = int(self.confusion[:, level].sum())
            if support:
                values.append(_ratio(2 * int(self.confusion[level, level]), support + given))
        return float(np.mean(values)) if values else float("nan")

    @property
    def quadratic_kappa(self) -> float:
        """1 - Σ w o / Σ w e, w = (i - j)², over studies that have both levels (Cohen 1968)."""
        both = self._both.astype(float)
        total = both.sum()
        levels = np.arange(SEVERITY_LEVELS)
        weights = (levels[:, None] - levels[None]) ** 2
        expected = np.outer(both.sum(1), both.sum(0)) / total if total else both
        by_chance = float((weights * expected).sum())
        return 1 - float((weights * both).sum()) / by_chance if by_chance else float("nan")

    @cached_property
    def _both(self) -> NDArray[np.int64]:
        return self.confusion[:, :SEVERITY_LEVELS]

    def as_frame(self) -> pd.DataFrame:
        """One row for each reference level and group: counts given, precision, recall."""
        rows = []
        for level in range(SEVERITY_LEVELS):
            row = self.confusion[level]
            precision = _ratio(int(row[level]), int(self.confusion[:, level].sum()))
            recall = _ratio(int(row[level]), int(row.sum()))
            rows.append((f"level {level}", int(row.sum()), *map(int, row), precision, recall))
        for group, counts in self.unleveled.items():
            rows.append((group, int(counts.sum()), *map(int, counts), float("nan"), float("nan")))
        columns = ["reference", "n", "0", "1", "2", "3", "none", "precision", "recall"]
        return pd.DataFrame(rows, columns=columns)


def score_severity(
    predicted: pd.DataFrame, truth: pd.DataFrame, *, group: str = "no level"
) -> SeverityScores:
    """Compare levels 0–3, study by study.

    predicted: `study_id`, `edema_severity`; truth: `study_id`, `severity` (0–3 or null) and, if it
    has one, `group`, which names what a study without a level is. Raises ScoringError when no
    study is in both.
    """
    labels, reference = _align(predicted, truth)
    given = labels["edema_severity"].astype("Int64").fillna(SEVERITY_LEVELS).to_numpy(np.int64)
    levels = reference["severity"].astype("Int64")
    has_level = levels.notna().to_numpy(bool)
    confusion = np.zeros((SEVERITY_LEVELS, SEVERITY_LEVELS + 1), np.int64)
    np.add.at(confusion, (levels[has_level].to_numpy(np.int64), given[has_level]), 1)
    groups = reference["group"] if "group" in reference else pd.Series(group, reference.index)
    unleveled = {
        str(name): np.bincount(given[~has_level & (groups == name)], minlength=SEVERITY_LEVELS + 1)
        for name in groups[~has_level].unique()
    }
    return SeverityScores(confusion, unleveled)


def _align(predicted: pd.DataFrame, truth: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    shared = truth["study_id"][truth["study_id"].isin(set(predicted["study_id"]))]
    if shared.empty:
        raise ScoringError("no study id of the reference is among the labels")
    return (
        predicted.set_index("study_id").loc[shared],
        truth.set_index("study_id").loc[shared],
    )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
