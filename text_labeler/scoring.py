"""What findings' labels are worth against a reference: hits, false alarms and misses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_cards.findings import LabelCode
from data_cards.label_table import list_findings

UncertainAs = Literal["absent", "present", "uncertain"]
"""What an uncertain label is where presence is scored, on either side: CheXpert's U-Zeros, U-Ones,
and U-Ignore, which leaves the pair out of the finding's score (Irvin et al. 2019)."""

Tallies = NDArray[np.int32]
"""Hits, false alarms and misses by patient and finding: [patients, findings, 3]."""


class ScoringError(ValueError):
    """Labels and a reference that cannot be compared; the message says what was missing."""


class Aspect(StrEnum):
    """What is asked of a label: CheXpert's three tasks for labelers, and presence.

    Mention: any code against none; negation: 0 against all else; uncertainty: -1 against all else
    (Irvin et al. 2019); presence: 1 against all else.
    """

    PRESENCE = "presence"
    MENTION = "mention"
    NEGATION = "negation"
    UNCERTAINTY = "uncertainty"


@dataclass(frozen=True)
class FindingScore:
    """Counts for one finding: how often it was given rightly, wrongly, and missed.

    `left_out`: studies that the policy for uncertain labels takes out of the counts.
    """

    finding: str
    hits: int
    false_alarms: int
    misses: int
    left_out: int = 0

    @property
    def support(self) -> int:
        """Studies for which the reference has it."""
        return self.hits + self.misses

    @property
    def given(self) -> int:
        """Studies for which the labels have it."""
        return self.hits + self.false_alarms

    @property
    def precision(self) -> float:
        """Hits / all given; NaN when it is never given."""
        return divide(self.hits, self.given)

    @property
    def recall(self) -> float:
        """Hits / support; NaN without support."""
        return divide(self.hits, self.support)

    @property
    def f1(self) -> float:
        """2 hits / (2 hits + false alarms + misses); NaN when it never occurs at all."""
        return divide(2 * self.hits, self.given + self.support)


@dataclass(frozen=True)
class FindingScores:
    """Scores of all findings that the reference knows, for one aspect."""

    aspect: Aspect
    studies: int
    scores: tuple[FindingScore, ...]
    tallies: Tallies = field(repr=False, compare=False)

    @property
    def micro(self) -> FindingScore:
        """The counts of all findings together."""
        return FindingScore(
            "micro",
            sum(score.hits for score in self.scores),
            sum(score.false_alarms for score in self.scores),
            sum(score.misses for score in self.scores),
            sum(score.left_out for score in self.scores),
        )

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the findings with support."""
        values = [score.f1 for score in self.scores if score.support]
        return float(np.mean(values)) if values else float("nan")

    def only(self, findings: Sequence[str]) -> FindingScores:
        """Return the scores of some findings alone."""
        places = [place for place, score in enumerate(self.scores) if score.finding in findings]
        chosen = tuple(self.scores[place] for place in places)
        return FindingScores(self.aspect, self.studies, chosen, self.tallies[:, places])


def score_findings(
    predicted: pd.DataFrame,
    truth: pd.DataFrame,
    *,
    aspect: Aspect = Aspect.PRESENCE,
    uncertain_as: UncertainAs = "absent",
) -> FindingScores:
    """Compare one aspect of each finding, study by study.

    Both frames have a column `study_id` and columns named as findings with codes 1, 0, -1 or null;
    findings that either does not have are left out. A column `patient_id` of `truth` says which
    studies are of one patient; else each is of its own. `uncertain_as` is for presence alone.
    Raises ScoringError when no study or no finding is in both.
    """
    findings = [name for name in list_findings(predicted.columns) if name in truth]
    if not findings:
        raise ScoringError("the reference has no column named as a finding")
    labels, reference = align_studies(predicted, truth)
    patients = number_patients(reference)
    tallies = np.zeros((int(patients.max()) + 1, len(findings), 3), np.int32)
    left_out = []
    for place, finding in enumerate(findings):
        given, given_counts = _ask(labels[finding], aspect, uncertain_as)
        meant, meant_counts = _ask(reference[finding], aspect, uncertain_as)
        counts = given_counts & meant_counts
        outcomes = np.stack([given & meant, given & ~meant, ~given & meant], axis=1)
        np.add.at(tallies[:, place], patients, outcomes & counts[:, None])
        left_out.append(int((~counts).sum()))
    scores = tuple(
        FindingScore(finding, hits, false_alarms, misses, out)
        for finding, (hits, false_alarms, misses), out in zip(
            findings, tallies.sum(0).tolist(), left_out, strict=True
        )
    )
    return FindingScores(aspect, len(labels), scores, tallies)


def align_studies(
    predicted: pd.DataFrame, truth: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of the studies that both have, in the order of `truth`, by study id.

    Raises ScoringError when they have none in common.
    """
    shared = truth["study_id"][truth["study_id"].isin(set(predicted["study_id"]))]
    if shared.empty:
        raise ScoringError("no study id of the reference is among the labels")
    return (
        predicted.set_index("study_id").loc[shared],
        truth.set_index("study_id").loc[shared],
    )


def number_patients(reference: pd.DataFrame) -> NDArray[np.int64]:
    """Number the patients of a reference from 0; a study without a patient id is its own."""
    if "patient_id" not in reference:
        return np.arange(len(reference))
    known = reference["patient_id"]
    own = pd.Series([(study,) for study in reference.index], known.index, dtype=object)
    return np.asarray(pd.factorize(known.astype(object).where(known.notna(), own))[0])


def divide(part: int, whole: int) -> float:
    """Return part / whole, NaN for a whole of 0."""
    return part / whole if whole else float("nan")


def _ask(
    codes: pd.Series[int], aspect: Aspect, uncertain_as: UncertainAs
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return for each study whether the code has the aspect, and whether it counts at all."""
    uncertain = (codes == LabelCode.UNCERTAIN).fillna(False).to_numpy(bool)
    everywhere = np.ones_like(uncertain)
    if aspect is Aspect.MENTION:
        return codes.notna().to_numpy(bool), everywhere
    if aspect is Aspect.UNCERTAINTY:
        return uncertain, everywhere
    code = LabelCode.NEGATIVE if aspect is Aspect.NEGATION else LabelCode.POSITIVE
    has_code = (codes == code).fillna(False).to_numpy(bool)
    if aspect is Aspect.NEGATION or uncertain_as == "absent":
        return has_code, everywhere
    if uncertain_as == "present":
        return has_code | uncertain, everywhere
    return has_code, ~uncertain
