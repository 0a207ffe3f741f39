"""Combine several labelers' votes into one probability per study: Dawid–Skene with abstention.

Dawid and Skene 1979 (Appl. Stat. 28:20), one model per finding or for the ordinal grade.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from text_labeler.label_model_doubts import (
    Evidence,
    ExcessAgreement,
    find_dependent,
    find_warnings,
)
from text_labeler.label_model_fit import (
    ABSTAIN,
    RATE,
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
from text_labeler.label_model_reads import judge_by_reads
from text_labeler.label_model_weights import weigh_doubts, weigh_votes


class VoteError(ValueError):
    """Votes, truth or settings that the label model cannot take."""


@dataclass(frozen=True)
class LabelModelSettings:
    """What is assumed of the labelers.

    `confusion` "by_offset" ties the cells with the same vote − truth (six free numbers for four
    grades, not twelve). `abstention` "informative" lets how often a labeler is silent depend on
    the truth. `groups` names, per labeler, whose rules it shares: members that say the same on a
    study have one voice there, and one that differs has its own. That is exact for copies, and
    cautious where members share only part of their errors. `names` stand in warnings.
    `uncertain_positive` is what −2, CheXpert's "uncertain", counts for the positive class before
    votes and reads teach what it means to each labeler; only findings have it.

    `pseudo_count` is a Dirichlet prior: in each class each labeler is given so many votes, 70 % of
    them right, so that three votes prove nobody perfect and classes keep their names; the class
    prior gets so many studies, evenly spread. `tolerance` is per study.

    Without audited reads labelers are taken to be better than chance on average: if most are worse,
    the model calls the classes by each other's names and no warning is possible.
    """

    classes: int = 2
    confusion: Literal["full", "by_offset"] = "full"
    abstention: Literal["ignored", "informative"] = "ignored"
    groups: tuple[Hashable, ...] | None = None
    names: tuple[str, ...] | None = None
    uncertain_positive: float = 0.5
    pseudo_count: float = 2.0
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
    teach the confusions. They may be chosen by what labelers said (say, one's positives): the prior
    stays that of all studies. Chosen by the truth itself they bias it, as in any model. Where
    they contradict the fit, a warning says so; 100 or more that are a fair sample of the studies
    then teach the confusions alone, and EM only the prior.
    Raises VoteError for other votes, shapes or settings.
    """
    settings = settings or LabelModelSettings()
    audited = np.full(len(votes), ABSTAIN, dtype=np.int8) if truth is None else truth
    _check(votes, audited, settings)
    patterns = group_patterns(votes.astype(np.int8), audited.astype(np.int8))
    labelers = votes.shape[1]
    groups = _number(settings.groups or tuple(range(labelers)))
    options = _options(patterns, groups, settings)
    runs = _runs(patterns, settings, options)
    best = max(runs, key=lambda one: round(one.objective[-1], 6))  # equal: the first start
    names = settings.names or tuple(f"labeler {index}" for index in range(labelers))
    judged = judge_by_reads(patterns, best, options, names)
    best = judged.best
    tried = [best] if judged.is_of_reads else runs  # then other starts say nothing of it
    evidence = Evidence(patterns, groups, names, tried, best)
    dependent = find_dependent(evidence)
    return LabelModelFit(
        probabilities=best.posterior[patterns.of_study],
        parameters=best.parameters,
        convergence=_convergence(best, runs),
        warnings=(*judged.warnings, *find_warnings(evidence, dependent)),
        dependent=dependent,
    )


def _number(groups: tuple[Hashable, ...]) -> NDArray[np.intp]:
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    return np.array([numbers[group] for group in groups], dtype=np.intp)


def _check(votes: Votes, truth: Votes, settings: LabelModelSettings) -> None:
    if votes.ndim != 2 or 0 in votes.shape:
        raise VoteError(f"votes must be [studies, labelers] and not empty, not {votes.shape}")
    if truth.shape != votes.shape[:1]:
        raise VoteError(f"truth must be [{len(votes)}] like the votes, not {truth.shape}")
    _check_settings(settings, votes.shape[1])
    lowest = UNCERTAIN if settings.classes == 2 else ABSTAIN
    _check_values("vote", votes, lowest, settings.classes)
    _check_values("truth", truth, ABSTAIN, settings.classes)


def _check_settings(settings: LabelModelSettings, labelers: int) -> None:
    if settings.classes < 2 or settings.restarts < 1 or settings.max_iterations < 1:
        raise VoteError("classes must be 2 or more, restarts and max_iterations 1 or more")
    if not 0 <= settings.pseudo_count < np.inf:
        raise VoteError(f"pseudo_count must be 0 or more, not {settings.pseudo_count}")
    if not 0 <= settings.uncertain_positive <= 1:
        raise VoteError(f"uncertain_positive must be in 0..1, not {settings.uncertain_positive}")
    for name, given in (("groups", settings.groups), ("names", settings.names)):
        if given is not None and len(given) != labelers:
            raise VoteError(f"{len(given)} {name} for {labelers} labelers")


def _check_values(name: str, given: Votes, lowest: int, classes: int) -> None:
    if not np.issubdtype(given.dtype, np.integer):
        raise VoteError(f"a {name} must be a whole number, not {given.dtype}")
    if given.min() < lowest or given.max() >= classes:
        raise VoteError(
            f"a {name} must be in {lowest}..{classes - 1}, "
            f"found {int(given.min())}..{int(given.max())}"
        )


def _options(
    patterns: Patterns, groups: NDArray[np.intp], settings: LabelModelSettings
) -> FitOptions:
    silent = patterns.counts @ (patterns.votes == ABSTAIN)
    unsure = patterns.counts @ (patterns.votes == UNCERTAIN)
    return FitOptions(
        vote_weights=weigh_votes(patterns.votes, groups),
        silence_weights=1 / np.bincount(groups)[groups],
        silence=silent / patterns.counts.sum(),
        doubt_weights=weigh_doubts(patterns.votes),
        doubt=unsure / np.maximum(patterns.counts.sum() - silent, 1),
        by_offset=settings.confusion == "by_offset",
        informative_abstention=settings.abstention == "informative",
        uncertain_positive=settings.uncertain_positive,
        pseudo_count=settings.pseudo_count,
        max_iterations=settings.max_iterations,
        tolerance=settings.tolerance,
    )


def _runs(patterns: Patterns, settings: LabelModelSettings, options: FitOptions) -> list[Run]:
    """The first start is majority vote, then that of audited reads alone; the others are drawn."""
    classes, labelers = settings.classes, patterns.votes.shape[1]
    uniform = np.full((labelers, classes, classes), 1 / classes)
    rates = np.full((labelers, classes), 0.5)
    doubt = np.full((labelers, classes), RATE)
    blank = Parameters(np.full(classes, 1 / classes), uniform, rates, doubt)
    posterior = majority_posterior(patterns, classes, options.uncertain_positive)
    starts = [maximisation(patterns, posterior, blank, options)]
    audited = patterns.truth >= 0
    if audited.any():
        alone = patterns._replace(counts=patterns.counts * audited)
        starts.append(maximisation(alone, posterior, blank, options))
    rng = np.random.default_rng(settings.seed)
    starts += [random_start(starts[0], rng) for _ in range(settings.restarts - 1)]
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
