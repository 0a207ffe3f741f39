"""How much a model loses on images from elsewhere."""

from __future__ import annotations

import numpy as np

from data_cards.patient_auc import measure_auc
from joint.trust.check import TrustCheck, no_check
from joint.trust.inputs import TrustInputs
from joint.trust.shortcuts import measure_model

LARGEST_DROP = 0.05
NAME = "Images from elsewhere"
WHY = (
    "Only images of another place show what was learned from the place itself; and even they are"
    " not enough where they share its shortcut (DeGrave et al. 2021)."
)


def check_external(inputs: TrustInputs) -> TrustCheck:
    """Give the AUC on the test split less that on the external set; warn where they lie apart."""
    other, own = inputs.external, measure_model(inputs)
    if other is None or own is None:
        return no_check(NAME, "no external test set was given", WHY)
    present, labels = np.unique(other.labels[other.labels >= 0], return_inverse=True)
    known = other.labels >= 0
    found = (
        measure_auc(
            other.probabilities[known][:, present],
            labels,
            [patient for patient, is_known in zip(other.patients, known, strict=True) if is_known],
            seed=inputs.seed,
            resamples=inputs.resamples,
        )
        if len(present) > 1
        else None
    )
    if found is None:
        return no_check(NAME, f"{other.name}: too few images, or a single class", WHY)
    gap = own.value - found.value
    is_apart = gap > LARGEST_DROP and found.high < own.low
    said = f"AUC {own} on own images, {found} on {other.name}: a loss of {gap:+.3f}"
    return TrustCheck(NAME, "warning" if is_apart else "passed", said, WHY)
