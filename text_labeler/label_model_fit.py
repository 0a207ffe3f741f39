"""Expectation-maximisation for the label model, over distinct vote patterns with their counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ABSTAIN = -1
UNCERTAIN = -2

Array = NDArray[np.float64]
Votes = NDArray[np.int8]

_PRIOR_ACCURACY = 0.7
_OFFSET_STEPS = 10
_TINY = 1e-300
RATE = 1e-9


class Patterns(NamedTuple):
    """Distinct rows of votes and truth: rows [patterns, labelers], counts, row of each study."""

    votes: Votes
    truth: Votes
    counts: Array
    of_study: NDArray[np.intp]


class Parameters(NamedTuple):
    """Prior [classes], confusion [labelers, truth, vote], abstention and doubt [labelers, truth].

    `abstention` is how often a labeler is silent, `doubt` how often it says uncertain when it
    speaks, and confusion what it says when it is sure: each confusion row sums to one.
    """

    prior: Array
    confusion: Array
    abstention: Array
    doubt: Array


@dataclass(frozen=True)
class FitOptions:
    """How one model is fitted.

    `vote_weights` [patterns, labelers] temper what each vote says, `silence_weights` [labelers]
    what it says that a labeler voted or not. `silence` [labelers] is how often each abstains,
    `doubt` [labelers] how often each that votes says uncertain, `doubt_weights` [patterns,
    labelers] temper what it says that a vote is uncertain or not.
    """

    vote_weights: Array
    silence_weights: Array
    silence: Array
    doubt: Array
    doubt_weights: Array
    by_offset: bool
    informative_abstention: bool
    uncertain_positive: float
    pseudo_count: float
    max_iterations: int
    tolerance: float


class Run(NamedTuple):
    """One start of EM: the objective after each iteration never falls but for rounding."""

    parameters: Parameters
    posterior: Array
    objective: tuple[float, ...]
    converged: bool


def group_patterns(votes: Votes, truth: Votes) -> Patterns:
    """Count equal rows once: EM then costs the same for 2,000 and 200,000 studies."""
    table = np.column_stack([votes, truth])
    _, one_of, of_study, counts = np.unique(
        _row_numbers(table), return_index=True, return_inverse=True, return_counts=True
    )
    rows = table[one_of]
    return Patterns(rows[:, :-1], rows[:, -1], counts.astype(np.float64), of_study)


def _row_numbers(table: Votes) -> NDArray[np.int64]:
    """One number for each distinct row: sorting numbers is far quicker than sorting rows."""
    base = int(table.max()) - UNCERTAIN + 1
    numbers, size = np.zeros(len(table), dtype=np.int64), 1
    for column in table.T:
        if size > np.iinfo(np.int64).max // base:
            numbers = np.unique(numbers, return_inverse=True)[1].astype(np.int64)
            size = len(table)
        numbers, size = numbers * base + (column - UNCERTAIN), size * base
    return numbers


def majority_posterior(patterns: Patterns, classes: int, uncertain_positive: float) -> Array:
    """Share of the votes for each class [patterns, classes]; uniform where nobody votes."""
    shares = np.stack([(patterns.votes == k).sum(axis=1) for k in range(classes)], axis=1)
    shares = shares.astype(np.float64)
    if classes == 2:
        unsure = (patterns.votes == UNCERTAIN).sum(axis=1)[:, None]
        shares += unsure * np.array([1 - uncertain_positive, uncertain_positive])
    total = shares.sum(axis=1, keepdims=True)
    uniform = np.full_like(shares, 1 / classes)
    return clamp(np.divide(shares, total, out=uniform, where=total > 0), patterns.truth)


def clamp(posterior: Array, truth: Votes) -> Array:
    """Put all mass on the audited class where there is one."""
    known = truth >= 0
    posterior[known] = np.eye(posterior.shape[1])[truth[known]]
    return posterior


def random_start(parameters: Parameters, rng: np.random.Generator) -> Parameters:
    """Draw each labeler's accuracy above chance, so that classes keep their names."""
    labelers, classes, _ = parameters.confusion.shape
    accuracy = rng.uniform(1 / classes + 0.05, 0.98, (labelers, 1, 1))
    off = (1 - accuracy) / (classes - 1)
    eye = np.eye(classes)
    prior = rng.dirichlet(np.full(classes, 5.0))
    return parameters._replace(prior=prior, confusion=eye * accuracy + (1 - eye) * off)


def run(patterns: Patterns, start: Parameters, options: FitOptions) -> Run:
    """Iterate until the objective (log-likelihood plus log-prior) rises by less than tolerance."""
    parameters = start
    posterior, value = expectation(patterns, parameters, options)
    objective = [value]
    for _ in range(options.max_iterations):
        parameters = maximisation(patterns, posterior, parameters, options)
        posterior, value = expectation(patterns, parameters, options)
        objective.append(value)
        if abs(objective[-1] - objective[-2]) < options.tolerance * patterns.counts.sum():
            return Run(parameters, posterior, tuple(objective), True)
    return Run(parameters, posterior, tuple(objective), False)


def expectation(
    patterns: Patterns, parameters: Parameters, options: FitOptions
) -> tuple[Array, float]:
    """Posterior [patterns, classes] and the penalised, tempered log-likelihood."""
    classes = len(parameters.prior)
    log_joint = np.tile(np.log(parameters.prior + _TINY), (len(patterns.counts), 1))
    for labeler, weight in enumerate(options.vote_weights.T):
        vote = patterns.votes[:, labeler]
        log_joint += weight[:, None] * _log_vote(parameters, labeler)[:, vote].T
        told = options.doubt_weights[:, [labeler]]
        log_joint += told * _log_doubt(parameters, labeler)[:, vote].T
        if options.informative_abstention:
            rate = parameters.abstention[labeler]
            said = np.where((vote == ABSTAIN)[:, None], np.log(rate), np.log1p(-rate))
            log_joint += options.silence_weights[labeler] * said
    known = patterns.truth >= 0
    log_joint[known] = np.where(
        np.eye(classes, dtype=bool)[patterns.truth[known]], log_joint[known], -np.inf
    )
    top = log_joint.max(axis=1, keepdims=True)
    joint = np.exp(log_joint - top)
    total = joint.sum(axis=1, keepdims=True)
    likelihood = float(patterns.counts @ (np.log(total) + top)[:, 0])
    return joint / total, likelihood + _log_prior(parameters, options)


def _log_prior(parameters: Parameters, options: FitOptions) -> float:
    """Log-density of the Dirichlet priors, without their constants."""
    classes = len(parameters.prior)
    value = options.pseudo_count / classes * np.log(parameters.prior + _TINY).sum()
    value += (_prior_votes(classes, options) * np.log(parameters.confusion + _TINY)).sum()
    if classes == 2:
        unsure, sure = _prior_doubts(options)
        value += (unsure * np.log(parameters.doubt) + sure * np.log1p(-parameters.doubt)).sum()
    if options.informative_abstention:
        rates, silence = parameters.abstention, options.silence[:, None]
        said = silence * np.log(rates) + (1 - silence) * np.log1p(-rates)
        value += options.pseudo_count * said.sum()
    return float(value)


def _prior_votes(classes: int, options: FitOptions) -> Array:
    """Votes [truth, vote] that each labeler is given in advance."""
    off = (1 - _PRIOR_ACCURACY) / (classes - 1)
    eye = np.eye(classes)
    votes: Array = options.pseudo_count * (eye * _PRIOR_ACCURACY + (1 - eye) * off)
    return votes


def _prior_doubts(options: FitOptions) -> tuple[Array, Array]:
    """Uncertain and other votes that each labeler is given in advance, both [labelers, truth].

    So many uncertain ones in each class, beside others as frequent as its own: what an uncertain
    vote means is learnt from uncertain votes, however few of all votes they are.
    """
    doubted = options.doubt[:, None] > 0
    soft = 2 * np.array([[1 - options.uncertain_positive, options.uncertain_positive]])
    sure = (1 - options.doubt[:, None]) / np.maximum(options.doubt[:, None], _TINY)
    count = options.pseudo_count * doubted
    return count * soft, count * sure * np.ones_like(soft)


def maximisation(
    patterns: Patterns, posterior: Array, last: Parameters, options: FitOptions
) -> Parameters:
    """Best parameters for the posterior; the offset form takes steps that cannot lose."""
    mass = posterior * patterns.counts[:, None]
    classes = mass.shape[1]
    prior = mass.sum(axis=0) + options.pseudo_count / classes
    confusion = np.empty_like(last.confusion)
    abstention, doubt = last.abstention.copy(), last.doubt.copy()
    given = _prior_doubts(options)
    for labeler, weight in enumerate(options.vote_weights.T):
        vote, heard = patterns.votes[:, labeler], mass * weight[:, None]
        table = np.stack([heard[vote == v].sum(axis=0) for v in range(classes)], axis=1)
        if classes == 2:
            told = mass * options.doubt_weights[:, [labeler]]
            unsure = told[vote == UNCERTAIN].sum(axis=0) + given[0][labeler]
            sure = told[vote >= 0].sum(axis=0) + given[1][labeler]
            doubt[labeler] = _rate(unsure, sure)
        if options.informative_abstention:
            abstention[labeler] = _silence(mass, vote, labeler, options)
        table = table + _prior_votes(classes, options)
        if options.by_offset:
            confusion[labeler] = _offset_confusion(table, last.confusion[labeler])
        else:
            confusion[labeler] = _rows(table)
    return Parameters(prior / prior.sum(), confusion, abstention, doubt)


def _silence(mass: Array, vote: Votes, labeler: int, options: FitOptions) -> Array:
    """How often a labeler abstains [truth], drawn towards how often it does so over all."""
    weight, usual = options.silence_weights[labeler], options.silence[labeler]
    silent = weight * mass[vote == ABSTAIN].sum(axis=0) + options.pseudo_count * usual
    spoken = weight * mass[vote != ABSTAIN].sum(axis=0) + options.pseudo_count * (1 - usual)
    return _rate(silent, spoken)


def _rate(yes: Array, no: Array) -> Array:
    rate: Array = np.clip(yes / np.maximum(yes + no, _TINY), RATE, 1 - RATE)
    return rate


def _rows(table: Array) -> Array:
    total = table.sum(axis=1, keepdims=True)
    uniform = np.full_like(table, 1 / table.shape[1])
    rows: Array = np.divide(table, total, out=uniform, where=total > 0)
    return rows


def _offset_confusion(table: Array, last: Array) -> Array:
    """P(vote | truth) ∝ θ[vote − truth]: minorise-maximise as in Hunter 2004 (Ann. Stat. 32:384).

    A few steps from the last θ, not the optimum: each raises the objective, which is enough.
    """
    classes = len(table)
    offset = np.arange(classes)[None, :] - np.arange(classes)[:, None] + classes - 1
    counts = np.bincount(offset.ravel(), weights=table.ravel(), minlength=2 * classes - 1)
    theta = _theta(last, offset)
    for _ in range(_OFFSET_STEPS):
        scale = table.sum(axis=1) / np.maximum(theta[offset].sum(axis=1), _TINY)
        spread = np.bincount(
            offset.ravel(), weights=np.repeat(scale, classes), minlength=2 * classes - 1
        )
        theta = counts / np.maximum(spread, _TINY)
        theta = theta / max(theta.sum(), _TINY)
    return _rows(theta[offset])


def _theta(confusion: Array, offset: NDArray[np.int_]) -> Array:
    """Weights by offset, each row put on the scale of its diagonal: θ[0] is one."""
    ratio = confusion / np.maximum(np.diag(confusion)[:, None], 1e-12)
    size = 2 * len(confusion) - 1
    flat = offset.ravel()
    sums = np.bincount(flat, weights=ratio.ravel(), minlength=size)
    theta: Array = sums / np.bincount(flat, minlength=size) + 1e-12
    return theta


def _log_vote(parameters: Parameters, labeler: int) -> Array:
    """Log-probability [truth, vote + 2 more]: indices −1 and −2 are abstain and uncertain."""
    confusion = parameters.confusion[labeler]
    return np.hstack([np.log(confusion + _TINY), np.zeros((len(confusion), 2))])


def _log_doubt(parameters: Parameters, labeler: int) -> Array:
    """Log-probability [truth, vote + 2 more] that a vote is sure, or is not."""
    doubt = parameters.doubt[labeler][:, None]
    sure = np.repeat(np.log1p(-doubt), len(doubt), axis=1)
    return np.hstack([sure, np.log(doubt), np.zeros_like(doubt)])
