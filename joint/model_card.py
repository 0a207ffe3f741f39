"""The model card of a run, rendered from what the run wrote and nothing else."""

from __future__ import annotations

from pathlib import Path

import jinja2

from configs.files import write_text
from joint.html_report import format_cell
from joint.prepare import PreparedData
from joint.run_record import RunRecord
from joint.targets import severity_targets
from vision.metrics import METRIC_LABELS
from vision.report_to_image import load_correction

TEMPLATE = "model_card.md.j2"


def write_model_card(record: RunRecord, figures: list[str]) -> None:
    """Write README.md: data with counts and hashes, metrics with intervals, limits of use.

    It names no path, patient or study and holds no report text. figures: names of the SVG
    files in `figures/`.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown, from our own numbers and names
    )
    environment.filters["cell"] = format_cell
    text = environment.get_template(TEMPLATE).render(
        settings=record.place.settings,
        counts=count_splits(record.place.prepared),
        correction=load_correction(record.place.settings.task.report_to_image),
        left_out=record.place.prepared.left_out,
        hashes=record.place.hashes,
        accepted=record.place.folder.read_accepted(),
        evaluation=record.evaluation,
        calibration=record.calibration,
        labels=METRIC_LABELS,
        figures=figures,
    )
    write_text(record.place.folder.card, text)


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
