"""Hold the label model against audited reads, and let reads in number win over it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import beta

from text_labeler.label_model_fit import (
    ABSTAIN,
    Array,
    FitOptions,
    Parameters,
    Patterns,
    Run,
    clamp,
    expectation,
    maximisation,
)

ENOUGH_READS = 100
_ADVICE = (
    f"read {ENOUGH_READS} studies or more at random, name labelers that share rules, "
    "or ignore silence"
)
_NOTABLE = 0.05
_ODDLY_CHOSEN = 4.0  # standard errors
_STEPS = 10  # of the offset form, which has no closed form


class Contradiction(NamedTuple):
    """A labeler: right votes of those read, the share expected, and the measured interval."""

    labeler: int
    right: int
    votes: int
    expected: float
    lower: float
    upper: float


class Judged(NamedTuple):
    """The run to use, whether its confusions are the reads' alone, and what to warn of."""

    best: Run
    is_of_reads: bool
    warnings: tuple[str, ...]


def judge_by_reads(
    patterns: Patterns, best: Run, options: FitOptions, names: Sequence[str]
) -> Judged:
    """Keep the run, or where 100 reads or more of a fair sample contradict it, learn from them."""
    found = find_contradictions(patterns, best.parameters, options)
    if not found:
        return Judged(best, False, ())
    words = f"audited reads contradict the model: {_describe(found, names)}"
    enough = patterns.counts @ (patterns.truth >= 0) >= ENOUGH_READS
    if not (enough and is_sample(patterns)):
        return Judged(best, False, (f"{words}; {_ADVICE}",))
    learned = learn_from_reads(patterns, best, options)
    warnings = [f"{words}; so labelers' errors are counted on the reads alone"]
    left = find_contradictions(patterns, learned.parameters, options)
    if left:
        warnings.append(f"labelers' errors depend on each other: {_describe(left, names)}")
    return Judged(learned, True, tuple(warnings))


def _describe(found: Sequence[Contradiction], names: Sequence[str]) -> str:
    return ", ".join(
        f"{names[one.labeler]} is right on {one.right} of {one.votes} votes read "
        f"(95 % interval {one.lower:.2f}-{one.upper:.2f}), expected {one.expected:.2f}"
        for one in found
    )


def find_contradictions(
    patterns: Patterns, parameters: Parameters, options: FitOptions
) -> tuple[Contradiction, ...]:
    """Labelers that the model misjudges where people read, by their class votes.

    The model's probabilities of these studies, without their reads, lie outside of the measured
    95 % interval (Jeffreys) and 5 points or more off. So reads may be chosen by what labelers said.
    """
    unread = patterns._replace(truth=np.full_like(patterns.truth, ABSTAIN))
    blind = expectation(unread, parameters, options)[0]
    found = []
    for labeler, votes in enumerate(patterns.votes.T):
        rows = np.flatnonzero((votes >= 0) & (patterns.truth >= 0))
        counts, own = patterns.counts[rows], votes[rows]
        total, right = counts.sum(), counts @ (own == patterns.truth[rows])
        if total:
            expected = float(counts @ blind[rows, own] / total)
            lower, upper = beta.ppf((0.025, 0.975), right + 0.5, total - right + 0.5)
            off = abs(expected - right / total) >= _NOTABLE
            if off and not lower <= expected <= upper:
                found.append(Contradiction(labeler, int(right), int(total), expected, lower, upper))
    return tuple(found)


def is_sample(patterns: Patterns) -> bool:
    """Whether what was read is like the rest, by each labeler's votes: not, say, one's positives.

    Confusions counted on reads alone are those of all studies only then.
    """
    is_read = patterns.truth >= 0
    read, rest = patterns.counts * is_read, patterns.counts * ~is_read
    if not rest.any():
        return True
    for votes in patterns.votes.T:
        for vote in np.unique(votes):
            given = votes == vote
            shares = read @ given / read.sum(), rest @ given / rest.sum()
            usual = patterns.counts @ given / patterns.counts.sum()
            error = np.sqrt(usual * (1 - usual) * (1 / read.sum() + 1 / rest.sum()))
            if abs(shares[0] - shares[1]) > _ODDLY_CHOSEN * error:
                return False
    return True


def learn_from_reads(patterns: Patterns, start: Run, options: FitOptions) -> Run:
    """Count all that labelers do on the reads alone; EM then fits the prior, on all studies."""
    is_read = patterns.truth >= 0
    alone = patterns._replace(counts=patterns.counts * is_read)
    known = clamp(np.array(start.posterior), patterns.truth)
    parameters = start.parameters
    for _ in range(_STEPS):
        parameters = maximisation(alone, known, parameters, options)
    parameters = parameters._replace(prior=start.parameters.prior)
    posterior, value = expectation(patterns, parameters, options)
    objective = [value]
    for _ in range(options.max_iterations):
        prior = _count_prior(patterns, posterior, options)
        parameters = parameters._replace(prior=prior)
        posterior, value = expectation(patterns, parameters, options)
        objective.append(value)
        if abs(objective[-1] - objective[-2]) < options.tolerance * patterns.counts.sum():
            return Run(parameters, posterior, tuple(objective), True)
    return Run(parameters, posterior, tuple(objective), False)


def _count_prior(patterns: Patterns, posterior: Array, options: FitOptions) -> Array:
    mass = patterns.counts @ posterior + options.pseudo_count / posterior.shape[1]
    prior: Array = mass / mass.sum()
    return prior
