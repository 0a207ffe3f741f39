"""The model card of a run, in the Hub's form, rendered from what the run wrote and nothing else."""

from __future__ import annotations

import json
from typing import Any

from pydantic import JsonValue

from configs.files import write_json, write_text
from configs.settings import Settings
from joint.evaluation.metrics import Evaluation
from joint.evaluation.sections import EvaluationSection, name_evaluated, read_sections
from joint.html_report import make_environment
from joint.prepare import PreparedData
from joint.run_folder import RunFolder
from joint.run_record import RunRecord
from joint.targets import severity_targets
from vision.intervals import Interval
from vision.metrics import METRIC_LABELS
from vision.report_to_image import load_correction

TEMPLATE = "model_card.md.j2"
IN_CARD = ("controls", "certainty", "retrieval", "prompts", "subgroups", "trust")
"""Sections of an evaluation that the card shows; grades and findings it has anyway."""

FRONT_METRICS = ("auc_0v123", "auc_01v23", "auc_012v3", "macro_f1", "ece")


class CardFacts(Settings):
    """What a card says beside settings and metrics: `card.json`, so that it can be rendered again.

    counts: by split; correction: None, or its source, content_hash and notes.
    """

    counts: dict[str, dict[str, int]]
    left_out: dict[str, int]
    hashes: dict[str, str]
    correction: dict[str, JsonValue] | None
    calibration: dict[str, JsonValue] | None
    figures: list[str]


def write_model_card(record: RunRecord, figures: list[str]) -> None:
    """Write README.md: data with counts and hashes, metrics with intervals, limits of use.

    It names no path, patient or study and holds no report text. figures: names of the SVG
    files in `figures/`. What `kerley evaluate` measured stands in it where it is of the same
    predictions; else the card says that it was not measured.
    """
    place, calibration = record.place, record.calibration
    correction = load_correction(place.settings.task.report_to_image)
    facts = CardFacts(
        counts=count_splits(place.prepared),
        left_out=place.prepared.left_out,
        hashes=dict(place.hashes),
        correction=None
        if correction is None
        else {
            "source": correction.describe_source(),
            "content_hash": correction.content_hash,
            "notes": list(correction.notes),
        },
        calibration=None if calibration is None else calibration.model_dump(mode="json"),
        figures=figures,
    )
    write_json(place.folder.card_facts, facts.model_dump(mode="json"))
    render_card(place.folder, record.evaluation)


def render_card(folder: RunFolder, evaluation: Evaluation) -> bool:
    """Render the card of a finished run anew; False for a run from before `card.json`."""
    if not folder.card_facts.is_file():
        return False
    facts = json.loads(folder.card_facts.read_text(encoding="utf-8"))
    known = name_evaluated(folder, is_default=True)
    text = (
        make_environment()
        .get_template(TEMPLATE)
        .render(
            settings=folder.read_settings(),
            facts=CardFacts.model_validate_json(json.dumps(facts)),
            accepted=folder.read_accepted(),
            evaluation=evaluation,
            front=_list_front(evaluation),
            labels=METRIC_LABELS,
            sections=_choose_sections(read_sections(folder.evaluation, known)),
        )
    )
    write_text(folder.card, text)
    return True


def count_splits(prepared: PreparedData) -> dict[str, dict[str, int]]:
    """Count patients, studies, images and labelled studies of each split."""
    known = severity_targets(prepared.labels).known
    counts = {}
    for split in ("train", "validate", "test"):
        inside = (prepared.studies["split"] == split).to_numpy()
        counts[split] = {
            "patients": int(prepared.studies["patient_id"][inside].nunique()),
            "studies": int(inside.sum()),
            "images": len(prepared.rows(split)),
            "studies with a mined severity": int((inside & known).sum()),
        }
    return counts


def _choose_sections(
    sections: tuple[EvaluationSection, ...] | None,
) -> tuple[EvaluationSection, ...] | None:
    if sections is None:
        return None
    return tuple(section for section in sections if section.key in IN_CARD)


def _list_front(evaluation: Evaluation) -> list[dict[str, Any]]:
    """List the metrics of the card's `model-index`: type, name and value of those defined."""
    rows = []
    for reference, values in evaluation.calibrated.items():
        against = "the report's grade" if reference == "report" else "what the image shows"
        for name in FRONT_METRICS:
            value = values[name]
            number = value.value if isinstance(value, Interval) else value
            if number is not None:
                label = f"{METRIC_LABELS[name]} against {against}"
                rows.append({"type": name, "name": label, "value": round(number, 4)})
    return rows
