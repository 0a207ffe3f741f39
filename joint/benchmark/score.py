"""What a trained unit is worth: its grades of the test images, calibrated on anchors, retrieval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from joint.benchmark.corpus import BenchmarkCorpus
from joint.benchmark.labels import TaughtStudies, confusion_error, weigh_anchors
from joint.benchmark.unit import Trained, Unit, embed_pairs, predict_grades
from joint.evaluation.retrieval import CUTOFFS, chance_recall, rank_best
from joint.joint_task import JointTask
from vision.calibration_choice import choose_severity_calibration
from vision.heads import severity_probabilities

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
    """Give the share of images with a report of their own words among the k nearest reports.

    images, texts: [n, width], row by row a pair; groups: [n], equal for reports of equal words.
    `chance_at_k` is that of a random order.
    """
    ranks = rank_best(images.astype(np.float64), texts.astype(np.float64), groups)
    numbers = np.unique(groups, return_inverse=True)[1]
    right = np.bincount(numbers)[numbers]
    recall = {f"recall_at_{k}": float((ranks <= k).mean()) for k in CUTOFFS}
    chance = {f"chance_at_{k}": float(chance_recall(right, len(groups), k).mean()) for k in CUTOFFS}
    return recall | chance


def _grade(trained: Trained, rows: NDArray[np.int64]) -> Floats:
    logits = torch.from_numpy(predict_grades(trained, rows)).double()
    probabilities: Floats = severity_probabilities(logits).numpy()
    return probabilities
