"""A model in parts of its test set, and classes that come from one source or one age group."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import combinations, groupby

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_cards.image_sources import find_own_sources
from data_cards.patient_auc import AucInterval, measure_auc
from joint.evaluation.subgroups import (
    FEWEST_IMAGES,
    FEWEST_PER_SIDE,
    LARGEST_GAP,
    NOT_KNOWN,
    name_age_band,
)
from joint.trust.check import TrustCheck, no_check
from joint.trust.inputs import TrustInputs
from vision.intervals import Interval, bootstrap
from vision.weighted_metrics import ratio

ADULT_YEARS = 18
SHOWN_SOURCES = 4
ONE_SOURCE = 0.95
"""A class of which this share comes from one source, while the others do not, comes from it."""

RATES = ("sensitivity", "specificity")
WHY_GROUPS = "A mean hides the patients that a model fails (Seyyed-Kalantari et al. 2021)."
WHY_SOURCES = "Where a class has a source of its own, the source is learned, not the disease."
WHY_AGES = "Children's images differ; a class full of them is easily told."


@dataclass(frozen=True)
class GroupScore:
    """One part of the test set: `attribute` is `value` there.

    positives: images that are not of the first class (for two classes: of the second). auc: one
    against the rest, mean over classes. rates: sensitivity and specificity of the model's choice,
    mean over classes. None where the group is too small, or lacks a class.
    """

    attribute: str
    value: str
    images: int
    patients: int
    positives: int
    auc: AucInterval | None
    rates: dict[str, Interval | None]


def measure_groups(inputs: TrustInputs) -> list[GroupScore]:
    """Measure the model on each view, sex, age band and source of its held-out images."""
    if inputs.probabilities is None:
        return []
    known = inputs.labels[inputs.held_out] >= 0
    rows, probabilities = inputs.held_out[known], inputs.probabilities[known]
    table = inputs.rows.iloc[rows]
    attributes = pd.DataFrame(
        {
            "view": _words(table["view"]).str.upper(),
            "sex": _words(table["sex"]),
            "age": [name_age_band(age) for age in pd.to_numeric(table["age"]).astype(float)],
            "source": _words(table["source"]),
        }
    )
    found = []
    for name in attributes:
        values = attributes[name].to_numpy()
        if len(set(values)) < 2:
            continue
        for value in sorted(set(values)):
            inside = np.flatnonzero(values == value)
            score = _measure(inputs, rows[inside], probabilities[inside])
            found.append(GroupScore(str(name), str(value), *score))
    return found


def check_groups(inputs: TrustInputs, groups: list[GroupScore]) -> TrustCheck:
    """Name the groups whose AUC lies apart from another's of the same kind."""
    name = "Subgroups"
    if inputs.probabilities is None:
        return no_check(name, "there is no model to be measured", WHY_GROUPS)
    measured = [group for group in groups if group.auc is not None]
    if not measured:
        said = f"no view, sex, age or source is known to differ and has {FEWEST_IMAGES} images"
        return no_check(name, said, WHY_GROUPS)
    gaps = find_group_gaps(measured)
    worst, best = (
        choose(measured, key=lambda group: group.auc.value if group.auc else 0.0)
        for choose in (min, max)
    )
    said = "; ".join(gaps) if gaps else "no gap is larger than chance explains"
    return TrustCheck(
        name,
        "warning" if gaps else "passed",
        f"{len(measured)} groups measured, from AUC {worst.auc} ({worst.attribute}"
        f" {worst.value}, {worst.images:,} images) to {best.auc} ({best.attribute} {best.value},"
        f" {best.images:,}); {said}",
        WHY_GROUPS,
    )


def find_group_gaps(groups: list[GroupScore]) -> list[str]:
    """Say which groups of one attribute differ by over 0.05 AUC with intervals apart.

    Only groups with at least 50 images beside the first class are held against each other.
    """
    gaps = []
    for attribute, found in groupby(groups, key=lambda group: group.attribute):
        large = [group for group in found if group.positives >= FEWEST_PER_SIDE and group.auc]
        for one, other in combinations(large, 2):
            low, high = sorted((one, other), key=lambda group: group.auc.value if group.auc else 0)
            if low.auc is None or high.auc is None:
                continue
            if high.auc.value - low.auc.value > LARGEST_GAP and low.auc.high < high.auc.low:
                gaps.append(f"{attribute}: lower for {low.value} than for {high.value}")
    return gaps


def check_sources(inputs: TrustInputs) -> TrustCheck:
    """Look for classes that come from one source alone, while others do not, or from their own."""
    name = "Sources mixed"
    rows = inputs.known
    sources = _words(inputs.rows["source"].iloc[rows]).to_numpy()
    if len(set(sources)) < 2:
        return no_check(name, "all images are of one source, or theirs is not known", WHY_SOURCES)
    labels = inputs.labels[rows]
    shares = {
        number: Counter(sources[labels == number].tolist()) for number in np.unique(labels).tolist()
    }
    named = np.array(inputs.classes)[labels]
    lone = {
        name: f"sources of its own ({', '.join(own[:SHOWN_SOURCES])})"
        for name, own in find_own_sources(named.tolist(), sources.tolist()).items()
    }
    for number, counts in shares.items():
        source, count = counts.most_common(1)[0]
        others = (other[source] / other.total() for k, other in shares.items() if k != number)
        if count / counts.total() >= ONE_SOURCE and any(share < ONE_SOURCE for share in others):
            lone[inputs.classes[number]] = f"{source} alone"
    told = [f"class {name} comes from {where}" for name, where in lone.items()]
    said = "; ".join(told) if told else f"every class comes from several of {len(set(sources))}"
    return TrustCheck(name, "warning" if lone else "passed", said, WHY_SOURCES)


def check_ages(inputs: TrustInputs) -> TrustCheck:
    """Say whether children and adults are mixed, and in which classes."""
    name, rows = "One age group", inputs.known
    ages = pd.to_numeric(inputs.rows["age"].iloc[rows]).to_numpy(float)
    known = ~np.isnan(ages)
    if not known.any():
        return no_check(name, f"no age of {len(ages):,} images is known", WHY_AGES)
    young, labels = ages[known] < ADULT_YEARS, inputs.labels[rows][known]
    shares = [
        f"{inputs.classes[number]} {young[labels == number].mean():.0%}"
        for number in np.unique(labels)
    ]
    said = f"{int(young.sum()):,} of {len(young):,} images are of children ({', '.join(shares)})"
    return TrustCheck(name, "warning" if 0 < young.sum() < len(young) else "passed", said, WHY_AGES)


def _words(column: pd.Series) -> pd.Series:
    return column.map(lambda value: str(value) if pd.notna(value) and value else NOT_KNOWN)


def _measure(
    inputs: TrustInputs, rows: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> tuple[int, int, int, AucInterval | None, dict[str, Interval | None]]:
    patients, labels = inputs.patients(rows), inputs.labels[rows]
    counts = (len(rows), len(set(patients)), int((labels > 0).sum()))
    nothing: dict[str, Interval | None] = dict.fromkeys(RATES)
    if len(rows) < FEWEST_IMAGES or len(np.unique(labels)) < len(inputs.classes):
        return (*counts, None, nothing)
    seed, resamples = inputs.seed, inputs.resamples
    auc = measure_auc(probabilities, labels, patients, seed=seed, resamples=resamples)
    chosen = probabilities.argmax(axis=1)
    classes = range(1, 2) if len(inputs.classes) == 2 else range(len(inputs.classes))

    def rates(weights: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        found: dict[str, list[NDArray[np.float64]]] = {name: [] for name in RATES}
        for number in classes:
            for name, inside in zip(RATES, (labels == number, labels != number), strict=True):
                right = inside & ((chosen == number) == (labels == number))
                found[name].append(ratio(weights @ right, weights @ inside))
        return {name: np.mean(values, axis=0) for name, values in found.items()}

    found = bootstrap(rates, patients, images=len(rows), seed=seed, resamples=resamples)
    return (*counts, auc, found)
