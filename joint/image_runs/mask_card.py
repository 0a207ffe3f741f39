"""The model card of a segmenter, and the same numbers as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from configs.files import write_json, write_text
from data_cards.corpora import find_corpus
from joint.html_report import make_environment
from joint.image_runs.kinds import ImageRunPlace
from joint.image_runs.mask_scores import METRIC_LABELS, ScoredMasks
from joint.trust.check import TrustCheck

TEMPLATE = "mask_card.md.j2"
FRONT_METRICS = ("dice", "iou", "accuracy", "surface_dice")


class MaskFacts(NamedTuple):
    """What the card says beside the run's settings; trust: None where it was not asked for."""

    sets: Mapping[str, ScoredMasks]
    usual_share: tuple[float, float]
    trust: Sequence[TrustCheck] | None


def write_mask_card(place: ImageRunPlace, facts: MaskFacts) -> None:
    """Write `card.json`, then README.md; they name no path, patient or study."""
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
            labels=METRIC_LABELS,
            undefined={name: count_undefined(scored) for name, scored in facts.sets.items()},
            front=_list_front(facts.sets["test"]),
        )
    )
    write_text(place.folder.card, text)


def count_images(place: ImageRunPlace) -> dict[str, dict[str, int]]:
    """Count patients and images by split."""
    images = place.prepared.images
    return {
        split: {
            "patients": int(images.loc[images["split"] == split, "patient_id"].nunique()),
            "images": int((images["split"] == split).sum()),
        }
        for split in dict.fromkeys(["train", "validate", "test", *images["split"]])
    }


def count_undefined(scored: ScoredMasks) -> int:
    """Count images of which only one of the two masks holds anything: no distance is defined."""
    return int(scored.metrics["mean_surface_distance"].isna().sum())


def describe_facts(place: ImageRunPlace, facts: MaskFacts) -> dict[str, Any]:
    """Give the card's numbers as JSON: intervals as their fields, trust checks as theirs."""
    scores = {
        name: {
            "images": len(scored.rows),
            "patients": len(set(scored.patients)),
            "without distance": count_undefined(scored),
            "metrics": {
                metric: None if value is None else value._asdict()
                for metric, value in scored.scores.items()
            },
        }
        for name, scored in facts.sets.items()
    }
    return {
        "structure": place.settings.segmentation.structure,
        "usual_share": list(facts.usual_share),
        "counts": count_images(place),
        "left_out": place.prepared.left_out,
        "hashes": dict(place.hashes),
        "scores": scores,
        "trust": None if facts.trust is None else [vars(check) for check in facts.trust],
    }


def _list_front(test: ScoredMasks) -> list[dict[str, Any]]:
    return [
        {"type": metric, "name": METRIC_LABELS[metric], "value": round(value.value, 4)}
        for metric in FRONT_METRICS
        if (value := test.scores[metric]) is not None
    ]
