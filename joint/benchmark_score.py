"""What a trained unit is worth: its grades of the test images, calibrated on anchors, retrieval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from joint.benchmark_corpus import BenchmarkCorpus
from joint.benchmark_labels import TaughtStudies, confusion_error, weigh_anchors
from joint.benchmark_unit import Trained, Unit, embed_pairs, predict_grades
from joint.joint_task import JointTask
from vision.calibration_choice import choose_severity_calibration
from vision.heads import severity_probabilities

RECALL_AT = (1, 5, 10)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """Probabilities of the test images [n, 4], raw and calibrated on the anchors, and facts."""

    raw: Floats
    calibrated: Floats
    facts: dict[str, Any]


def score_unit(
    unit: Unit, trained: Trained, corpus: BenchmarkCorpus, taught: TaughtStudies
) -> Scored:
    """Grade the test images, recalibrate on the anchors, and find each image's own report."""
    test, validate = corpus.rows("test"), corpus.rows("validate")
    _, first = np.unique(corpus.study_of[validate], return_index=True)
    anchors = validate[first][np.isin(corpus.study_of[validate][first], taught.anchors)]
    graded = _grade(trained, np.concatenate([anchors, test]))
    raw = graded[len(anchors) :]
    studies = corpus.study_of[anchors]
    chosen = choose_severity_calibration(
        graded[: len(anchors)],
        corpus.of_images("severity")[anchors].astype(np.int64),
        corpus.of_images("patient_id")[anchors].tolist(),
        seed=unit.seed,
        weights=weigh_anchors(studies, taught.candidates, taught.votes[:, 0]),
    )
    facts: dict[str, Any] = {
        "label_accuracy": taught.label_accuracy,
        "calibration": chosen.name,
        "anchors": len(anchors),
    }
    if taught.model is not None:
        facts["confusion_error"] = confusion_error(taught.model, unit.scenario.noise_rate)
    if isinstance(trained.task, JointTask):
        embedded = embed_pairs(trained.task, test)
        groups = trained.task.pairs.groups[trained.task.pairs.report_of[test]]
        facts["retrieval"] = retrieval_recall(embedded["images"], embedded["texts"], groups)
    calibrated = raw if chosen.calibration is None else chosen.calibration.apply(raw)
    return Scored(raw, np.asarray(calibrated), facts)


def retrieval_recall(
    images: NDArray[np.float32], texts: NDArray[np.float32], groups: NDArray[np.int64]
) -> dict[str, float]:
    """Give the share of images with their own report's words among the k nearest reports.

    images, texts: [n, width], unit length, row by row a pair; groups: [n], equal for reports of
    equal words, which count as one candidate. `chance_at_k` is that of a random order.
    """
    _, first = np.unique(groups, return_index=True)
    likeness = images @ texts[first].T
    own = np.searchsorted(groups[first], groups)
    mine = likeness[np.arange(len(images)), own]
    rank = (likeness > mine[:, None]).sum(axis=1)
    recall = {f"recall_at_{k}": float((rank < k).mean()) for k in RECALL_AT}
    return recall | {f"chance_at_{k}": min(1.0, k / len(first)) for k in RECALL_AT}


def _grade(trained: Trained, rows: NDArray[np.int64]) -> Floats:
    logits = torch.from_numpy(predict_grades(trained, rows)).double()
    probabilities: Floats = severity_probabilities(logits).numpy()
    return probabilities
