"""A label table and consensus reads whose transition is planted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from data_cards.consensus import Consensus
from data_cards.transition_estimate import LabelSource

REPORT_PRIOR = np.array([0.43, 0.23, 0.25, 0.09])
IMAGE_GIVEN_REPORT = np.array(
    [
        [0.90, 0.07, 0.02, 0.01],
        [0.25, 0.60, 0.12, 0.03],
        [0.06, 0.3, 0.54, 0.1],
        [0.02, 0.08, 0.3, 0.6],
    ]
)
JOINT = IMAGE_GIVEN_REPORT * REPORT_PRIOR[:, None]
TRUTH = (JOINT / JOINT.sum(axis=0)).T
"""P(report | image) of the planted corpus: row = image."""
SOURCE = LabelSource("labels.parquet", "00")


def plant(seed: int, *, reads_per_grade: int = 35, studies: int = 4000, per_patient: int = 1):
    """Draw a label table, and a consensus set stratified by report grade."""
    generator = np.random.default_rng(seed)
    grades = generator.choice(4, studies, p=REPORT_PRIOR)
    labels = pd.DataFrame({"study_id": [f"s{n}" for n in range(studies)]})
    labels["edema_severity"] = pd.array(grades, dtype="Int8")
    chosen = [np.flatnonzero(grades == grade)[:reads_per_grade] for grade in range(4)]
    rows = [
        (
            f"s{study}",
            generator.choice(4, p=IMAGE_GIVEN_REPORT[grade]),
            f"p{grade}-{n // per_patient}",
        )
        for grade, studies_of in enumerate(chosen)
        for n, study in enumerate(studies_of)
    ]
    frame = pd.DataFrame(rows, columns=["study_id", "severity", "cluster"])
    frame = frame.astype({"severity": "Int8"})
    return labels, Consensus(frame, (), True, "consensus.csv", "11")
