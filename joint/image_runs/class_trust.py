"""A classifier's trust report: what the run gives `joint/trust`, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from joint.image_runs.class_scores import ScoredSet
from joint.image_runs.kinds import ImageRunPlace
from joint.image_runs.mask_sources import draw_own_lungs
from joint.image_runs.prepare import EXTERNAL
from joint.trust.check import TrustCheck
from joint.trust.inputs import COLUMNS, UNKNOWN, ExternalSet, TrustInputs
from joint.trust.lungs import open_lungs
from joint.trust.report import check_image_run
from vision.classification.classifier import Classifier

FEWEST_OF_CLASS = 10
"""With fewer external images a class has no AUC there, and would take the others' with it."""


def examine_classes(
    place: ImageRunPlace, classifier: Classifier, sets: Mapping[str, ScoredSet]
) -> tuple[TrustCheck, ...]:
    """Look for leaks and shortcuts in a run's images and its model; write `trust/`."""
    return check_image_run(gather_inputs(place, classifier, sets), place.folder.trust)


def gather_inputs(
    place: ImageRunPlace, classifier: Classifier, sets: Mapping[str, ScoredSet]
) -> TrustInputs:
    """Give the trust report the run's own images, its external ones, and its model."""
    settings, prepared = place.settings, place.prepared
    own = np.flatnonzero((prepared.images["split"] != EXTERNAL).to_numpy())
    cache_rows = prepared.cache_rows()[own]
    roots = {source.root for source in settings.data.sources}
    return TrustInputs(
        rows=prepared.images.iloc[own][list(COLUMNS)].reset_index(drop=True),
        labels=prepared.images["label"].to_numpy(np.int64)[own],
        classes=settings.classification.classes,
        pixels=lambda rows: prepared.cache.read(cache_rows[rows]),
        probabilities=sets["test"].probabilities,
        predict=classifier.probabilities,
        lung_masks=draw_own_lungs(
            settings.data, prepared, own, open_lungs(settings.evaluation.lungs)
        ),
        external=_join_external([(n, s) for n, s in sets.items() if n != "test"]),
        root=_only(roots),
        seed=settings.seed,
        resamples=settings.evaluation.resamples,
    )


def describe_checks(checks: Sequence[TrustCheck]) -> list[str]:
    """Give the verdict of each check in one line."""
    return [f"trust report, {c.verdict}: {c.name}. {c.found}" for c in checks]


def _only(roots: set[Path]) -> Path | None:
    """Give the one root; None for several, of which none holds all files."""
    return roots.pop() if len(roots) == 1 else None


def _join_external(sets: Sequence[tuple[str, ScoredSet]]) -> ExternalSet | None:
    if not sets:
        return None
    labels = np.concatenate([scored.labels for _, scored in sets])
    counts = np.bincount(labels)
    return ExternalSet(
        name=" and ".join(name.removeprefix("external: ") for name, _ in sets),
        labels=np.where(counts[labels] < FEWEST_OF_CLASS, UNKNOWN, labels),
        probabilities=np.concatenate([scored.probabilities for _, scored in sets]),
        patients=[patient for _, scored in sets for patient in scored.patients],
    )
