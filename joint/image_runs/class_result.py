"""What a run that tells classes apart ends with: scores, predictions, figures, model and card."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from configs.files import write_atomically
from data_cards.lineage import Lineage
from joint.html_report import format_cell
from joint.image_runs.class_card import ClassFacts, write_class_card
from joint.image_runs.class_scores import ScoredSet, score_sets, tabulate_predictions
from joint.image_runs.class_trust import describe_checks, examine_classes
from joint.image_runs.kinds import ImageRunPlace, TrainedImages
from joint.image_runs.lineage import add_predictions, record_model
from joint.metrics_log import MetricsLog
from vision.classification.calibration import fit_class_temperature
from vision.classification.classifier import Classifier
from vision.classification.figures import class_confusion, class_roc
from vision.classification.metrics import (
    CLASS_LABELS,
    OVERALL_LABELS,
    class_probabilities,
    name_class_metric,
)
from vision.classification.network import ClassifierNetwork
from vision.figures import loss_curves
from vision.grade_table import disarm

LEARNING_CURVES = ("loss", "mean_auc", "macro_f1")
"""What is drawn over the steps: the loss in training, and two scores of validation images."""


def finish_classification(trained: TrainedImages) -> list[str]:
    """Measure and write what a classifier came to; give the lines that are printed.

    The temperature is fitted to validation images. Files are written by the main process.
    """
    place, session = trained.place, trained.session
    settings, prepared = place.settings, place.prepared
    classes = settings.classification.classes
    rows = np.flatnonzero((prepared.images["split"] != "train").to_numpy())
    logits = np.full((len(prepared.images), len(classes)), np.nan)
    logits[rows] = session.loop.predict(rows)["class_logits"]
    validate = prepared.rows("validate")
    labels = prepared.images["label"].to_numpy(np.int64)
    temperature = fit_class_temperature(logits[validate], labels[validate])
    probabilities = class_probabilities(logits, temperature)
    sets = score_sets(
        prepared,
        probabilities,
        classes,
        seed=settings.seed,
        resamples=settings.evaluation.resamples,
    )
    numbers = {name: value and value.value for name, value in sets["test"].scores.items()}
    session.record("evaluate", trained.step, numbers | {"temperature": temperature})
    if session.accelerator.is_main_process:
        _write_files(place, probabilities, sets)
        lineage = add_predictions(place)
        classifier = save_classifier(place, trained.weights, temperature, lineage)
        record_model(place, lineage)
        classifier.network.to(session.accelerator.device)
        trust = examine_classes(place, classifier, sets) if settings.evaluation.trust else None
        write_class_card(place, ClassFacts(sets, temperature, trust))
        return [*describe_scores(sets, classes), *describe_checks(trust or ())]
    return describe_scores(sets, classes)


def save_classifier(
    place: ImageRunPlace, weights: Mapping[str, Tensor], temperature: float, lineage: Lineage
) -> Classifier:
    """Write `model/` from the weights of the whole network; return what `kerley classify` loads."""
    task = place.settings.classification
    network = ClassifierNetwork(task.encoder, len(task.classes), load_pretrained=False)
    network.load_state_dict(dict(weights))
    classifier = Classifier(
        network,
        task.encoder,
        task.classes,
        place.settings.data.cache,
        temperature=temperature,
        gate=place.settings.evaluation.gate,
        provenance=dict(place.hashes),
        lineage=lineage,
    )
    classifier.save(place.folder.model)
    return classifier


def describe_scores(sets: Mapping[str, ScoredSet], classes: tuple[str, ...]) -> list[str]:
    """Give the scores of each set as a table in lines of text."""
    lines = []
    for name, scored in sets.items():
        lines.append(f"{name}: {len(scored.rows)} images of {len(set(scored.patients))} patients")
        lines += [
            f"  {label:24}{format_cell(scored.scores[metric]):>24}"
            for metric, label in OVERALL_LABELS.items()
        ]
        lines.append(f"  {'':16}{'images':>8}" + "".join(f"{h:>24}" for h in CLASS_LABELS.values()))
        for number, one in enumerate(classes):
            cells = [scored.scores[name_class_metric(metric, one)] for metric in CLASS_LABELS]
            count = int((scored.labels == number).sum())
            lines.append(f"  {one:16}{count:>8}" + "".join(f"{format_cell(c):>24}" for c in cells))
    return lines


def _write_files(
    place: ImageRunPlace, probabilities: NDArray[np.float64], sets: Mapping[str, ScoredSet]
) -> None:
    folder, classes = place.folder, place.settings.classification.classes
    table = tabulate_predictions(place.prepared, probabilities, classes)
    table["path"] = table["path"].map(disarm)
    with write_atomically(folder.predictions) as temporary:
        table.to_csv(temporary, index=False)
    folder.write_left_out(place.prepared.skipped)
    test = sets["test"]
    pairs = {
        f"{name} (n = {len(scored.rows)})": (scored.labels, scored.probabilities)
        for name, scored in sets.items()
    }
    rows = [row for row in MetricsLog(folder.metrics).rows() if row["kind"] != "evaluate"]
    figures: dict[str, Figure] = {
        "learning": loss_curves({folder.path.name: rows}, LEARNING_CURVES),
        "confusion": class_confusion(pairs, classes),
        "roc": class_roc(test.labels, test.probabilities, classes, test.scores),
    }
    folder.figures.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder.figures / f"{name}.svg")
