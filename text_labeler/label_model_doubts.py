"""Say where votes cannot tell labelers' errors from the truth, and who agrees oddly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from text_labeler.label_model_fit import ABSTAIN, Array, Patterns, Run, Votes

ENOUGH_GROUPS = 3
ENOUGH_STUDIES = 30  # a rate counted on 30 studies has a standard error of at most 0.09
_NEARLY_EQUAL = 3.0  # log-likelihood: a likelihood ratio of 20
_OTHER_PROBABILITIES = 0.05
_COPIES_KAPPA = 0.98
_BELOW_CHANCE = 0.05


@dataclass(frozen=True)
class ExcessAgreement:
    """Two labelers that agree more often than the truth explains; `z` is in standard errors."""

    first: int
    second: int
    observed: float
    expected: float
    z: float


class Evidence(NamedTuple):
    """What is judged: votes as patterns, the group and name of each labeler, all starts of EM."""

    patterns: Patterns
    groups: NDArray[np.intp]
    names: Sequence[str]
    runs: Sequence[Run]
    best: Run


def find_warnings(evidence: Evidence, dependent: Sequence[ExcessAgreement]) -> tuple[str, ...]:
    """Sentences for the user, the gravest first; empty where nothing speaks against the fit."""
    found = [*_overlap(evidence), *_classes(evidence), *_labelers(evidence)]
    if dependent:
        pairs = ", ".join(_pair(evidence, pair.first, pair.second) for pair in dependent)
        found.append(
            f"they agree more than the truth explains, or the others share errors: {pairs}"
        )
    found += _copies(evidence)
    if not evidence.best.converged:
        found.append("EM did not converge")
    return (*found, *_other_optima(evidence))


def _overlap(evidence: Evidence) -> list[str]:
    """Three labelers that meet on the same studies, or audited reads, identify each other."""
    patterns, groups, names, _, _ = evidence
    voted = patterns.votes != ABSTAIN
    members = groups[:, None] == np.unique(groups)[None, :]
    voices = (voted.astype(np.int64) @ members > 0).astype(np.float64)
    audited = (patterns.counts * (patterns.truth >= 0)) @ voted >= ENOUGH_STUDIES
    active = voted.any(axis=0)
    effective = int(voices.any(axis=0).sum())
    if effective < ENOUGH_GROUPS and not audited[active].all():
        unread = _list(names, np.flatnonzero(active & ~audited))
        counted = f"{effective} effective labeler{'' if effective == 1 else 's'}"
        return [
            f"{counted} where {ENOUGH_GROUPS} are needed, and fewer than {ENOUGH_STUDIES} audited"
            f" reads on votes of {unread}"
        ]
    met = (voted * patterns.counts[:, None]).T @ voices * ~members >= ENOUGH_STUDIES
    both = (voices * patterns.counts[:, None]).T @ voices >= ENOUGH_STUDIES
    if (voices.sum(axis=1) < 2).all() and not audited.any():
        return ["no study has votes of two labelers"]
    np.fill_diagonal(both, val=False)
    triangle = np.einsum("jg,jh,gh->j", met.astype(int), met.astype(int), both.astype(int)) > 0
    lonely = np.flatnonzero(active & ~triangle & ~audited)
    if not len(lonely):
        return []
    return [
        f"too few studies shared with two others, or audited ({ENOUGH_STUDIES} are needed), "
        f"to know the errors of {_list(names, lonely)}"
    ]


def _classes(evidence: Evidence) -> list[str]:
    patterns = evidence.patterns
    seen = np.concatenate([patterns.votes.ravel(), patterns.truth])
    unseen = [k for k in range(len(evidence.best.parameters.prior)) if not (seen == k).any()]
    return [f"nobody ever voted for class {', '.join(map(str, unseen))}"] if unseen else []


def _labelers(evidence: Evidence) -> list[str]:
    """Labelers that say nothing, or more often the wrong class than chance."""
    patterns, best = evidence.patterns, evidence.best
    votes = patterns.counts @ (patterns.votes != ABSTAIN)
    found = []
    if (votes == 0).any():
        found.append(f"never votes: {_list(evidence.names, np.flatnonzero(votes == 0))}")
    bad = _skill(best) < 1 / len(best.parameters.prior) - _BELOW_CHANCE
    bad &= votes >= ENOUGH_STUDIES
    if bad.any():
        found.append(f"worse than chance: {_list(evidence.names, np.flatnonzero(bad))}")
    return found


def _skill(run: Run) -> Array:
    """Mean over classes of the share of right votes [labelers]; chance is 1 / classes."""
    skill: Array = np.diagonal(run.parameters.confusion, axis1=1, axis2=2).mean(axis=1)
    return skill


def _copies(evidence: Evidence) -> list[str]:
    """Pairs that agree like copies: where they outweigh the others no excess is left to find."""
    found = []
    for first, second, votes, counts in _pairs(evidence):
        classes = len(evidence.best.parameters.prior)
        table = np.zeros((classes, classes))
        np.add.at(table, (votes[:, 0], votes[:, 1]), counts)
        share = table / counts.sum()
        chance = float(share.sum(axis=0) @ share.sum(axis=1))
        if chance < 1 and (np.trace(share) - chance) / (1 - chance) > _COPIES_KAPPA:
            found.append(_pair(evidence, first, second))
    return [f"nearly the same votes, give them a group: {', '.join(found)}"] if found else []


def _other_optima(evidence: Evidence) -> list[str]:
    """Starts that end as high with other probabilities; classes that changed names do not count."""
    best, counts = evidence.best, evidence.patterns.counts
    chance = 1 / len(best.parameters.prior)
    worst = 0.0
    for one in evidence.runs:
        near = best.objective[-1] - one.objective[-1] < _NEARLY_EQUAL
        if near and _skill(one).mean() > chance:
            moved = np.abs(one.posterior - best.posterior).max(axis=1)
            worst = max(worst, float(counts @ moved / counts.sum()))
    if worst < _OTHER_PROBABILITIES:
        return []
    return [f"another start fits as well with probabilities that differ by {worst:.2f} on average"]


def find_dependent(evidence: Evidence) -> tuple[ExcessAgreement, ...]:
    """Pairs more than 4 standard errors and 2 points above what independent errors would give.

    Pairs of one group are left out: they are known. A pair is a sign that errors are shared, not
    by whom: where copies outweigh the others the model takes the copies for the truth, and the
    pair found is that of the others. Where too few others vote nothing is found.
    """
    found = []
    confusion, posterior = evidence.best.parameters.confusion, evidence.best.posterior
    for first, second, votes, studies in _pairs(evidence):
        both = (evidence.patterns.votes[:, [first, second]] >= 0).all(axis=1)
        chance = posterior[both] @ (confusion[first] * confusion[second]).sum(axis=1)
        total = studies.sum()
        observed = float(studies @ (votes[:, 0] == votes[:, 1]) / total)
        expected = float(studies @ chance / total)
        error = float(np.sqrt(studies @ (chance * (1 - chance)))) / total
        z = (observed - expected) / max(error, 1e-12)
        if z > 4 and observed - expected > 0.02:
            found.append(ExcessAgreement(first, second, observed, expected, z))
    return tuple(found)


def _pairs(evidence: Evidence) -> Iterator[tuple[int, int, Votes, Array]]:
    """Pairs of two groups with enough shared studies: their votes [patterns, 2] and counts."""
    patterns, groups = evidence.patterns, evidence.groups
    for first, second in combinations(range(len(groups)), 2):
        votes = patterns.votes[:, [first, second]]
        both = (votes >= 0).all(axis=1)
        if groups[first] != groups[second] and patterns.counts[both].sum() >= ENOUGH_STUDIES:
            yield first, second, votes[both], patterns.counts[both]


def _pair(evidence: Evidence, first: int, second: int) -> str:
    return f"{evidence.names[first]} and {evidence.names[second]}"


def _list(names: Sequence[str], which: NDArray[np.intp]) -> str:
    return ", ".join(names[index] for index in which)
