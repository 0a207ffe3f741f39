"""The model card of a classifier, and the same numbers as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from configs.files import write_json, write_text
from data_cards.corpora import find_corpus
from joint.html_report import make_environment
from joint.image_runs.class_scores import ScoredSet
from joint.image_runs.kinds import ImageRunPlace
from joint.trust.check import TrustCheck
from vision.classification.metrics import CLASS_LABELS, OVERALL_LABELS, name_class_metric
from vision.intervals import Interval

TEMPLATE = "class_card.md.j2"
FRONT_METRICS = ("accuracy", "macro_f1", "mean_auc")


class ClassFacts(NamedTuple):
    """What the card says beside the run's settings; trust: None where it was not asked for."""

    sets: Mapping[str, ScoredSet]
    temperature: float
    trust: Sequence[TrustCheck] | None


def write_class_card(place: ImageRunPlace, facts: ClassFacts) -> None:
    """Write `card.json`, then README.md; they name no path, patient or study."""
    classes = place.settings.classification.classes
    write_json(place.folder.card_facts, describe_facts(place, facts))
    text = (
        make_environment()
        .get_template(TEMPLATE)
        .render(
            settings=place.settings,
            hashes=dict(place.hashes),
            accepted=place.folder.read_accepted(),
            corpora=[find_corpus(source.corpus) for source in place.settings.data.sources],
            counts=count_images(place),
            left_out=place.prepared.left_out,
            facts=facts,
            overall=OVERALL_LABELS,
            per_class=CLASS_LABELS,
            name_metric=name_class_metric,
            front=_list_front(facts.sets["test"]),
            images_of={
                name: [int((scored.labels == k).sum()) for k in range(len(classes))]
                for name, scored in facts.sets.items()
            },
        )
    )
    write_text(place.folder.card, text)


def count_images(place: ImageRunPlace) -> dict[str, dict[str, int]]:
    """Count patients, images, and images of each class, by split."""
    images, classes = place.prepared.images, place.settings.classification.classes
    counts = {}
    for split in dict.fromkeys(["train", "validate", "test", *images["split"]]):
        inside = images[images["split"] == split]
        labels = np.bincount(inside["label"].to_numpy(np.int64), minlength=len(classes))
        counts[split] = {
            "patients": int(inside["patient_id"].nunique()),
            "images": len(inside),
            **{name: int(n) for name, n in zip(classes, labels, strict=True)},
        }
    return counts


def describe_facts(place: ImageRunPlace, facts: ClassFacts) -> dict[str, Any]:
    """Give the card's numbers as JSON: intervals as their fields, trust checks as theirs."""
    scores = {
        name: {
            "images": len(scored.rows),
            "patients": len(set(scored.patients)),
            "metrics": {
                metric: None if value is None else value._asdict()
                for metric, value in scored.scores.items()
            },
        }
        for name, scored in facts.sets.items()
    }
    return {
        "classes": list(place.settings.classification.classes),
        "counts": count_images(place),
        "left_out": place.prepared.left_out,
        "hashes": dict(place.hashes),
        "temperature": facts.temperature,
        "scores": scores,
        "trust": None if facts.trust is None else [vars(check) for check in facts.trust],
    }


def _list_front(test: ScoredSet) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for metric in FRONT_METRICS:
        value = test.scores[metric]
        if isinstance(value, Interval):
            label = OVERALL_LABELS[metric]
            found.append({"type": metric, "name": label, "value": round(value.value, 4)})
    return found
