"""What an arm is told in a scenario: which studies train, and which grades are known of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joint.benchmark.arms import Arm
from joint.benchmark.corpus import BenchmarkCorpus
from joint.benchmark.noise import (
    Votes,
    cast_votes,
    draw_graded,
    plant_shortcut,
    planted_confusion,
    teach_grades,
    teach_votes,
)
from joint.benchmark.settings import ANCHORS, Scenario
from joint.task import Rows
from text_labeler.label_model import LabelModelFit
from vision.uncertain_labels import Targets


@dataclass(frozen=True)
class TaughtStudies:
    """Targets per study, and what they are worth.

    in_training: bool [studies]. votes: int8 [studies, labelers], what each labeling function
    would say of each report. anchors: studies of the validation split with a trusted grade,
    about as many of each reported grade; candidates: those they were drawn from.
    label_accuracy: how often the likeliest target is the grade of the image, over the taught
    studies.
    """

    targets: Targets
    in_training: NDArray[np.bool_]
    votes: Votes
    anchors: Rows
    candidates: Rows
    label_accuracy: float
    model: LabelModelFit | None


def teach_studies(
    corpus: BenchmarkCorpus, arm: Arm, scenario: Scenario, *, seed: int
) -> TaughtStudies:
    """Draw the graded reports of a scenario and give the targets that an arm learns from.

    Arms of one scenario and seed share graded reports, votes and anchors.
    """
    studies = corpus.studies
    truth = studies["severity"].to_numpy(np.int64)
    reported = studies["reported_severity"].to_numpy(np.int64)
    in_train = (studies["split"] == "train").to_numpy().copy()
    if scenario.shortcut is not None:
        has_device = studies["Support Devices"].to_numpy(np.int64) > 0
        chosen = plant_shortcut(
            has_device[in_train], truth[in_train] > 0, scenario.shortcut, seed=seed
        )
        in_train[in_train] = chosen
    votes = cast_votes(reported, scenario.noise_rate, seed=seed)
    states = studies["states_severity"].to_numpy(bool)
    graded = draw_graded(np.flatnonzero(in_train & states), scenario.labelled, seed=seed)
    known = np.zeros(len(studies), bool)
    known[graded] = True
    candidates = np.flatnonzero((studies["split"] == "validate").to_numpy() & states)
    anchors = draw_anchors(candidates, votes[:, 0], seed=seed)
    model = None
    if arm.labels == "one":
        targets = teach_grades(votes[:, 0], known)
    elif arm.labels == "truth":
        targets = teach_grades(truth, in_train)
    elif arm.labels == "anchors":
        in_train = np.isin(np.arange(len(studies)), anchors)
        targets = teach_grades(truth, in_train)
    else:
        targets, model = teach_votes(votes, known, seed=seed)
    taught = targets.known & in_train
    accuracy = (targets.values[taught].argmax(axis=1) == truth[taught]).mean()
    return TaughtStudies(targets, in_train, votes, anchors, candidates, float(accuracy), model)


def draw_anchors(candidates: Rows, votes: NDArray[np.int8], *, seed: int) -> Rows:
    """Draw the anchors evenly over the grades that a labeling function read in their reports.

    Real consensus sets are drawn so (39, 36, 30 and 36 studies per regex grade in MIMIC-CXR's).
    """
    generator = np.random.default_rng((seed, 0xA2C))
    order = generator.permutation(candidates)
    place = np.empty(len(order), np.int64)
    for grade in np.unique(votes[order]):
        members = np.flatnonzero(votes[order] == grade)
        place[members] = np.arange(len(members))
    return np.sort(order[np.argsort(place, kind="stable")[:ANCHORS]])


def weigh_anchors(anchors: Rows, candidates: Rows, votes: NDArray[np.int8]) -> NDArray[np.float64]:
    """Weigh each anchor by how frequent its report's grade is among all candidates."""
    share = np.bincount(votes[candidates], minlength=4) / len(candidates)
    drawn = np.bincount(votes[anchors], minlength=4) / len(anchors)
    weights: NDArray[np.float64] = share[votes[anchors]] / drawn[votes[anchors]]
    return weights


def confusion_error(model: LabelModelFit, noise_rate: float) -> float:
    """Give the mean absolute error of the confusions that the label model recovered."""
    planted = planted_confusion(noise_rate)
    return float(np.abs(model.parameters.confusion - planted).mean())
