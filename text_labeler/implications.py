"""What labels imply of each other: a finding of its parent, a grade of Edema, No Finding of all.

A finer finding implies its parent, a grade above 0 implies Edema, and No Finding excludes every
pathology: CheXpert's observations but Support Devices, as Kerley's profile `chexpert` counts them.
Finer findings speak against it through their parents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data_cards.findings import CHEXPERT_OBSERVATIONS, PARENTS
from text_labeler.aggregation import NO_FINDING
from text_labeler.label_matrix import SEVERITY
from text_labeler.label_model_fit import ABSTAIN, Array, Votes

EDEMA = "Edema"
PATHOLOGIES = tuple(
    name for name in CHEXPERT_OBSERVATIONS if name not in (NO_FINDING, "Support Devices")
)

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Agreed:
    """Probabilities that agree, and in words which audited reads contradict each other."""

    probabilities: dict[str, Array]
    contradictions: tuple[str, ...]


def imply_probabilities(probabilities: Mapping[str, Array], reads: Mapping[str, Votes]) -> Agreed:
    """Make probabilities [studies, classes] agree by column; NaN is not known.

    `reads` [studies] are audited, −1 where nobody read: they stay, and what they exclude falls
    to 0. Then P(parent) rises to P(child), and P(Edema) to P(grade > 0); a parent of which nothing
    is known only where its child is more probable than not. Last, P(No Finding) falls to 1 − the
    highest probability of a pathology.
    """
    agreed = {column: values.copy() for column, values in probabilities.items()}
    pairs = [(child, parent) for child, parent in _PAIRS if child in agreed and parent in agreed]
    for column, excluded in _exclude(reads, pairs).items():
        values = agreed[column]
        values[excluded & np.isfinite(values[:, 0])] = np.eye(values.shape[1])[0]
    for child, parent in pairs:
        _raise_parent(agreed[parent], 1 - agreed[child][:, 0], reads[parent] == ABSTAIN)
    pathologies = [agreed[name][:, 1] for name in PATHOLOGIES if name in agreed]
    if NO_FINDING in agreed and pathologies:
        values = agreed[NO_FINDING]
        capped = np.fmin(values[:, 1], 1 - np.fmax.reduce(pathologies))
        lowered = np.isfinite(values[:, 1]) & (reads[NO_FINDING] == ABSTAIN)
        values[lowered] = np.stack([1 - capped, capped], axis=1)[lowered]
    return Agreed(agreed, tuple(_contradict(reads, pairs)))


def imply_codes(codes: Mapping[str, Votes], reads: Mapping[str, Votes]) -> None:
    """Make a parent positive where its child is, in place; what was read stays."""
    for child, parent in _PAIRS:
        if child in codes and parent in codes:
            codes[parent][(codes[child] > 0) & (reads[parent] == ABSTAIN)] = 1


_PAIRS = (*((child, parent) for child, parent in PARENTS.items() if parent), (SEVERITY, EDEMA))


def _exclude(reads: Mapping[str, Votes], pairs: list[tuple[str, str]]) -> dict[str, Mask]:
    """Where reads of other columns say that a column nobody read is absent."""
    absent = {column: read == 0 for column, read in reads.items()}
    excluded = {}
    if NO_FINDING in reads:
        for name in PATHOLOGIES:
            if name in reads:
                excluded[name] = (reads[NO_FINDING] == 1) & (reads[name] == ABSTAIN)
                absent[name] = absent[name] | excluded[name]
    for child, parent in pairs:
        excluded[child] = absent[parent] & (reads[child] == ABSTAIN)
    return excluded


def _raise_parent(parent: Array, implied: Array, unread: Mask) -> None:
    known = np.isfinite(parent[:, 1])
    higher = unread & np.where(known, implied > parent[:, 1], implied > 0.5)
    parent[higher] = np.stack([1 - implied, implied], axis=1)[higher]


def _contradict(reads: Mapping[str, Votes], pairs: list[tuple[str, str]]) -> list[str]:
    found = {
        f"of {child} though not of {parent}": (reads[child] > 0) & (reads[parent] == 0)
        for child, parent in pairs
    }
    if NO_FINDING in reads:
        abnormal = [reads[name] == 1 for name in PATHOLOGIES if name in reads]
        both = np.any([np.zeros(len(reads[NO_FINDING]), bool), *abnormal], axis=0)
        found[f"of {NO_FINDING} beside a pathology"] = both & (reads[NO_FINDING] == 1)
    return [f"{where.sum()} audited reads {words}" for words, where in found.items() if where.any()]
