"""Combine several labelers' votes into one probability per study: Dawid–Skene with abstention.

Dawid and Skene 1979 (Appl. Stat. 28:20), one model per finding or for the ordinal grade.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from text_labeler.label_model_fit import (
    ABSTAIN,
    UNCERTAIN,
    Array,
    FitOptions,
    Parameters,
    Patterns,
    Run,
    Votes,
    group_patterns,
    majority_posterior,
    maximisation,
    random_start,
    run,
)

ENOUGH_LABELERS = 3


class VoteError(ValueError):
    """Votes, truth or settings that the label model cannot take."""


@dataclass(frozen=True)
class LabelModelSettings:
    """What is assumed of the labelers.

    `confusion` "by_offset" ties the cells with the same vote − truth (six free numbers for four
    grades, not twelve). `abstention` "informative" lets how often a labeler is silent depend on
    the truth. `groups` names, per labeler, whose rules it shares: a group of n counts as one
    labeler, each vote tempered by 1/n. `uncertain_positive` is what −2, CheXpert's "uncertain",
    counts for the positive class; only findings have it. `tolerance` is per study.
    """

    classes: int = 2
    confusion: Literal["full", "by_offset"] = "full"
    abstention: Literal["ignored", "informative"] = "ignored"
    groups: tuple[Hashable, ...] | None = None
    uncertain_positive: float = 0.5
    pseudo_count: float = 0.1
    restarts: int = 4
    seed: int = 0
    max_iterations: int = 500
    tolerance: float = 1e-8


@dataclass(frozen=True)
class Convergence:
    """How the best start ended; `objective` is the log-likelihood plus the log of the prior.

    Where groups temper votes the likelihood is a composite one: use it to compare starts only.
    """

    iterations: int
    objective: float
    monotone: bool
    converged: bool
    starts: tuple[float, ...]


@dataclass(frozen=True)
class ExcessAgreement:
    """Two labelers that agree more often than the truth explains; `z` is in standard errors."""

    first: int
    second: int
    observed: float
    expected: float
    z: float


@dataclass(frozen=True)
class LabelModelFit:
    """Probabilities [studies, classes], what the labelers are like, and what speaks against it."""

    probabilities: Array
    parameters: Parameters
    convergence: Convergence
    warnings: tuple[str, ...]
    dependent: tuple[ExcessAgreement, ...]

    @property
    def accuracies(self) -> Array:
        """Probability that a vote of each labeler is right [labelers], at the model's prior."""
        diagonal = np.diagonal(self.parameters.confusion, axis1=1, axis2=2)
        accuracies: Array = diagonal @ self.parameters.prior
        return accuracies


def fit_label_model(
    votes: Votes, settings: LabelModelSettings | None = None, *, truth: Votes | None = None
) -> LabelModelFit:
    """Fit votes [studies, labelers]: a class index, −1 to abstain, −2 for uncertain.

    `truth` [studies] holds audited reads, −1 where there is none: they are kept as they are and
    teach the confusions. Raises VoteError for other votes, shapes or settings.
    """
    settings = settings or LabelModelSettings()
    audited = np.full(len(votes), ABSTAIN, dtype=np.int8) if truth is None else truth
    _check(votes, audited, settings)
    patterns = group_patterns(votes.astype(np.int8), audited.astype(np.int8))
    options = _options(votes.shape[1], settings)
    runs = _runs(patterns, settings, options)
    best = max(runs, key=lambda one: one.objective[-1])
    return LabelModelFit(
        probabilities=best.posterior[patterns.of_study],
        parameters=best.parameters,
        convergence=_convergence(best, runs),
        warnings=_warnings(patterns, options.weights, best),
        dependent=_dependent(patterns, best),
    )


def imply_finding(grade: Array, finding: Array) -> Array:
    """Raise P(finding) [studies] to at least P(grade > 0): a graded edema is a positive Edema.

    `grade` is [studies, grades]; the most probable labels then agree as well.
    """
    if grade.ndim != 2 or finding.shape != grade.shape[:1]:
        raise VoteError(
            f"expected grade [studies, grades] and finding [studies], "
            f"not {grade.shape} and {finding.shape}"
        )
    raised: Array = np.maximum(finding, np.clip(1 - grade[:, 0], 0, 1))
    return raised


def _check(votes: Votes, truth: Votes, settings: LabelModelSettings) -> None:
    if votes.ndim != 2 or 0 in votes.shape:
        raise VoteError(f"votes must be [studies, labelers] and not empty, not {votes.shape}")
    if truth.shape != votes.shape[:1]:
        raise VoteError(f"truth must be [{len(votes)}] like the votes, not {truth.shape}")
    if settings.classes < 2 or settings.restarts < 1 or settings.pseudo_count < 0:
        raise VoteError("classes must be 2 or more, restarts 1 or more, pseudo_count 0 or more")
    if not 0 <= settings.uncertain_positive <= 1:
        raise VoteError(f"uncertain_positive must be in 0..1, not {settings.uncertain_positive}")
    if settings.groups is not None and len(settings.groups) != votes.shape[1]:
        raise VoteError(f"{len(settings.groups)} groups for {votes.shape[1]} labelers")
    lowest = UNCERTAIN if settings.classes == 2 else ABSTAIN
    _check_values("vote", votes, lowest, settings.classes)
    _check_values("truth", truth, ABSTAIN, settings.classes)


def _check_values(name: str, given: Votes, lowest: int, classes: int) -> None:
    if not np.issubdtype(given.dtype, np.integer):
        raise VoteError(f"a {name} must be a whole number, not {given.dtype}")
    if given.min() < lowest or given.max() >= classes:
        raise VoteError(
            f"a {name} must be in {lowest}..{classes - 1}, "
            f"found {int(given.min())}..{int(given.max())}"
        )


def _options(labelers: int, settings: LabelModelSettings) -> FitOptions:
    groups: Sequence[Hashable] = settings.groups or range(labelers)
    sizes = Counter(groups)
    return FitOptions(
        weights=np.array([1 / sizes[group] for group in groups]),
        by_offset=settings.confusion == "by_offset",
        informative_abstention=settings.abstention == "informative",
        uncertain_positive=settings.uncertain_positive,
        pseudo_count=settings.pseudo_count,
        max_iterations=settings.max_iterations,
        tolerance=settings.tolerance,
    )


def _runs(patterns: Patterns, settings: LabelModelSettings, options: FitOptions) -> list[Run]:
    """The first start is majority vote, the others are drawn."""
    classes, labelers = settings.classes, patterns.votes.shape[1]
    diagonal = np.full((labelers, classes, classes), 1 / classes)
    blank = Parameters(np.full(classes, 1 / classes), diagonal, np.full((labelers, classes), 0.5))
    posterior = majority_posterior(patterns, classes, options.uncertain_positive)
    first = maximisation(patterns, posterior, blank, options)
    rng = np.random.default_rng(settings.seed)
    starts = [first, *(random_start(first, rng) for _ in range(settings.restarts - 1))]
    return [run(patterns, start, options) for start in starts]


def _convergence(best: Run, runs: list[Run]) -> Convergence:
    steps = np.diff(best.objective)
    slack = 1e-9 * max(1.0, abs(best.objective[-1]))
    return Convergence(
        iterations=len(steps),
        objective=best.objective[-1],
        monotone=bool((steps >= -slack).all()),
        converged=best.converged,
        starts=tuple(one.objective[-1] for one in runs),
    )


def _warnings(patterns: Patterns, weights: Array, best: Run) -> tuple[str, ...]:
    """Where the data cannot tell the labelers' errors from the truth."""
    voted = patterns.votes != ABSTAIN
    effective = float(weights[voted.any(axis=0)].sum())
    audited = bool((patterns.truth >= 0).any())
    found = []
    if effective < ENOUGH_LABELERS - 1e-9 and not audited:
        found.append(f"{effective:.3g} effective labelers and no audited reads: 3 are needed")
    shared = voted.astype(np.int64).T @ voted.astype(np.int64) > 0
    if not np.triu(shared, 1).any() and not audited:
        found.append("no study has votes of two labelers")
    classes = len(best.parameters.prior)
    seen = np.concatenate([patterns.votes.ravel(), patterns.truth])
    unseen = [k for k in range(classes) if not (seen == k).any()]
    if unseen:
        found.append(f"nobody ever voted for class {', '.join(map(str, unseen))}")
    if not best.converged:
        found.append("EM did not converge")
    return tuple(found)


def _dependent(patterns: Patterns, best: Run) -> tuple[ExcessAgreement, ...]:
    """Pairs more than 4 standard errors and 2 points above what independent errors would give.

    Where a pair outweighs the others the model takes it for the truth and no excess is left, so
    an empty answer does not prove independence.
    """
    found = []
    confusion = best.parameters.confusion
    for first in range(len(confusion)):
        for second in range(first + 1, len(confusion)):
            votes = patterns.votes[:, [first, second]]
            both = (votes >= 0).all(axis=1)
            studies = patterns.counts[both]
            if not len(studies):
                continue
            agree = (confusion[first] * confusion[second]).sum(axis=1)
            chance = best.posterior[both] @ agree
            total = studies.sum()
            observed = float(studies @ (votes[both, 0] == votes[both, 1]) / total)
            expected = float(studies @ chance / total)
            error = float(np.sqrt(studies @ (chance * (1 - chance)))) / total
            z = (observed - expected) / max(error, 1e-12)
            if z > 4 and observed - expected > 0.02:
                found.append(ExcessAgreement(first, second, observed, expected, z))
    return tuple(found)
