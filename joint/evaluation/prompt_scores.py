"""What scores by prompts are worth on the test images, beside the heads that were taught."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data_cards.findings import FINDINGS
from data_cards.label_table import probability_column
from joint.evaluation.embeddings import Embeddings
from joint.evaluation.zero_shot import score_by_prompts
from joint.predictions import reported_column
from vision.intervals import (
    Interval,
    finding_intervals,
    paired_differences,
    paired_finding_differences,
    severity_intervals,
)
from vision.metrics import THRESHOLD_NAMES

AUCS = tuple(f"auc_{name}" for name in THRESHOLD_NAMES)
PROMPTS, HEAD, DIFFERENCE = "prompts", "head", "prompts − head"

Values = Mapping[str, Interval | None]


@dataclass(frozen=True)
class PromptScores:
    """AUC by prompts, by the head, and the paired difference (the keys of each value).

    severity: by reference, then key, then the AUC of each threshold. findings: by finding, then
    key, against the report.
    """

    severity: Mapping[str, Mapping[str, Values]]
    findings: Mapping[str, Values]


def measure_prompts(
    places: Embeddings,
    test: pd.DataFrame,
    levels: Mapping[str, pd.Series],
    heads: Mapping[str, NDArray[np.float64]],
    *,
    seed: int,
    resamples: int,
) -> PromptScores:
    """Score test images by prompts and measure AUC, the one thing that needs no calibration.

    test: the predictions of test images, in the order of `places.images`. levels: by reference,
    the grade of each or missing. heads: by reference, what the severity head gave, [images, 4].
    """
    names = [name for name in FINDINGS if reported_column(name) in test]
    scores = score_by_prompts(
        places.images, places.prompts, names, scale=places.scale, measure=places.measure
    )
    patients = test["patient_id"].to_numpy()
    options = {"seed": seed, "resamples": resamples}
    severity = {}
    for reference, known in levels.items():
        rows = known.notna().to_numpy()
        truth = known[rows].to_numpy(np.int64)
        words, head = scores.severity[rows], heads[reference][rows]
        owners = patients[rows].tolist()
        values = {
            PROMPTS: severity_intervals(words, truth, owners, **options),
            HEAD: severity_intervals(head, truth, owners, **options),
            DIFFERENCE: paired_differences(words, head, truth, owners, **options),
        }
        severity[reference] = {
            key: {auc: found[auc] for auc in AUCS} for key, found in values.items()
        }
    findings = {
        name: _compare_finding(name, scores.findings[name], test, options)
        for name in names
        if name in scores.findings
    }
    return PromptScores(severity, findings)


def _compare_finding(
    name: str, words: NDArray[np.float64], test: pd.DataFrame, options: Mapping[str, int]
) -> Values:
    head = test[probability_column(name)].to_numpy(np.float64)
    labels = test[reported_column(name)].to_numpy(np.float64)
    patients = test["patient_id"].tolist()
    both = [
        finding_intervals(p[:, None], labels[:, None], [name], patients, **options)[name]["auc"]
        for p in (words, head)
    ]
    gap = paired_finding_differences(words, head, labels, patients, **options)["auc"]
    return {PROMPTS: both[0], HEAD: both[1], DIFFERENCE: gap}
