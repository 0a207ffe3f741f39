"""All numbers of one score: what is printed, drawn and written as JSON comes from here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd

from text_labeler.finding_intervals import FindingEstimate, compare_findings, estimate_findings
from text_labeler.gold import Gold
from text_labeler.level_intervals import compare_severity, estimate_severity
from text_labeler.score_intervals import Difference, Estimate
from text_labeler.score_levels import SeverityScores, score_severity
from text_labeler.scoring import Aspect, FindingScores, ScoringError, UncertainAs, score_findings


@dataclass(frozen=True)
class AspectScores:
    """Scores of all findings for one aspect; micro and macro are the last two.

    `alone`: micro and macro over the findings that were asked for, empty where one is missing.
    `differences`: in F1, to the other labels that were given.
    """

    aspect: Aspect
    studies: int
    findings: tuple[FindingEstimate, ...]
    alone: tuple[FindingEstimate, ...]
    differences: tuple[Difference, ...]
    differences_alone: tuple[Difference, ...]


@dataclass(frozen=True)
class SeveritySheet:
    """Counts of levels, and what they come to by name (see `estimate_severity`)."""

    counts: SeverityScores
    estimates: dict[str, Estimate]
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class ScoreSheet:
    """Everything that was scored against one reference."""

    aspects: tuple[AspectScores, ...]
    severity: SeveritySheet | None


@dataclass(frozen=True)
class ScorePolicy:
    """How to score: what an uncertain label is, for which findings micro and macro are given once
    more, and the seed of the intervals."""

    alone: tuple[str, ...] = ()
    uncertain_as: UncertainAs = "absent"
    seed: int = 0


def read_uncertain_as(text: str) -> UncertainAs:
    """Return a policy for uncertain labels by its name; raises ScoringError listing them."""
    policies: tuple[UncertainAs, ...] = get_args(UncertainAs)
    for policy in policies:
        if policy == text:
            return policy
    raise ScoringError(f"uncertain as {text!r}: expected one of {', '.join(policies)}")


def make_sheet(
    labels: pd.DataFrame, gold: Gold, policy: ScorePolicy, *, other: pd.DataFrame | None = None
) -> ScoreSheet:
    """Score a label table against a reference, and less another label table if there is one.

    With `other`, only studies that both tables have are scored. Raises ScoringError when there is
    nothing to compare.
    """
    if other is not None:
        labels = labels[labels["study_id"].isin(set(other["study_id"]))]
    aspects = []
    for aspect in gold.aspects if gold.findings is not None else ():
        scores = _score(labels, gold, aspect, policy)
        compared = None if other is None else _score(other, gold, aspect, policy, labels)
        if scores.micro.support:
            aspects.append(_sum_up(scores, compared, policy))
    severity = None if gold.severity is None else _sum_up_severity(labels, other, gold, policy)
    return ScoreSheet(tuple(aspects), severity)


def _score(
    labels: pd.DataFrame,
    gold: Gold,
    aspect: Aspect,
    policy: ScorePolicy,
    shared: pd.DataFrame | None = None,
) -> FindingScores:
    assert gold.findings is not None  # noqa: S101
    if shared is not None:
        labels = labels[labels["study_id"].isin(set(shared["study_id"]))]
    return score_findings(labels, gold.findings, aspect=aspect, uncertain_as=policy.uncertain_as)


def _sum_up(
    scores: FindingScores, compared: FindingScores | None, policy: ScorePolicy
) -> AspectScores:
    chosen = scores.only(policy.alone)
    is_whole = bool(policy.alone) and len(chosen.scores) == len(policy.alone)
    estimates = estimate_findings(scores, seed=policy.seed)
    alone = estimate_findings(chosen, seed=policy.seed)[-2:] if is_whole else []
    differences: list[Difference] = []
    differences_alone: list[Difference] = []
    if compared is not None:
        differences = compare_findings(scores, compared, seed=policy.seed)
        if is_whole:
            other = compared.only(policy.alone)
            differences_alone = compare_findings(chosen, other, seed=policy.seed)[-2:]
    return AspectScores(
        scores.aspect,
        scores.studies,
        tuple(estimates),
        tuple(alone),
        tuple(differences),
        tuple(differences_alone),
    )


def _sum_up_severity(
    labels: pd.DataFrame, other: pd.DataFrame | None, gold: Gold, policy: ScorePolicy
) -> SeveritySheet:
    assert gold.severity is not None  # noqa: S101
    counts = score_severity(labels, gold.severity)
    differences: Sequence[Difference] = ()
    if other is not None:
        differences = compare_severity(labels, other, gold.severity, seed=policy.seed)
    estimates = estimate_severity(counts, seed=policy.seed)
    return SeveritySheet(counts, estimates, tuple(differences))


def to_json(value: Any) -> Any:
    """Return a score as what JSON knows: NaN is null, an estimate names its value and ends; the
    counts by patient, from which intervals were drawn, are left out."""
    if isinstance(value, Estimate):
        value = value._asdict()
    elif is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value) if field.repr}
    elif isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(name): to_json(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value
