"""A segmenter's trust report: patients and images that are on both sides of a split."""

from __future__ import annotations

import numpy as np

from joint.image_runs.kinds import ImageRunPlace
from joint.image_runs.prepare import EXTERNAL
from joint.trust.check import TrustCheck
from joint.trust.inputs import COLUMNS, UNKNOWN, TrustInputs
from joint.trust.report import check_leaks


def examine_masks(place: ImageRunPlace) -> tuple[TrustCheck, ...]:
    """Look for leaks between the splits of a run's own images; write `trust/`.

    Shortcuts are told by classes, which masks have none of.
    """
    prepared = place.prepared
    own = np.flatnonzero((prepared.images["split"] != EXTERNAL).to_numpy())
    cache_rows = prepared.cache_rows()[own]
    roots = {source.root for source in place.settings.data.sources}
    inputs = TrustInputs(
        rows=prepared.images.iloc[own][list(COLUMNS)].reset_index(drop=True),
        labels=np.full(len(own), UNKNOWN),
        classes=(),
        pixels=lambda rows: prepared.cache.read(cache_rows[rows]),
        root=roots.pop() if len(roots) == 1 else None,
        seed=place.settings.seed,
    )
    return check_leaks(inputs, place.folder.trust)
