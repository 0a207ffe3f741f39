"""The figures of the demo's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from joint.demo.record import DemoRecord, TestGrades
from joint.report_content import ReportFigure, report_figure
from vision.figures import (
    confusion_matrices,
    difference_forest,
    loss_curves,
    reliability_diagram,
    roc_per_threshold,
    severity_distribution,
)
from vision.image_strip import GradedImage, describe_strip, image_strip
from vision.intervals import Interval
from vision.metrics import confusion, predict_levels

FOREST_METRICS = ("auc_0v123", "auc_01v23", "auc_012v3", "macro_f1", "quadratic_kappa")
IMAGES_PER_GRADE = 3


def draw_demo(
    record: DemoRecord,
    grades: TestGrades,
    differences: Mapping[str, Mapping[str, Interval | None]],
    logs: Mapping[str, Sequence[Mapping[str, Any]]],
) -> tuple[ReportFigure, ...]:
    """Draw every figure, in the order of the page."""
    joint = next(iter(record.arms))
    truth, labels = record.truth, record.labels
    intervals = {
        name: result.evaluation.calibrated["reference"]
        for name, result in record.arms.items()
        if result.evaluation is not None
    }
    sample = f"{len(grades.levels):,} test images of {len(set(grades.patients)):,} patients"
    strip = pick_strip(record)
    return (
        report_figure(
            "severity_distribution",
            severity_distribution(
                {
                    "in the image": list(truth["severity"]),
                    "in the report": _levels(
                        truth["reported_severity"].where(truth["states_severity"])
                    ),
                    "as mined": _levels(labels["edema_severity"]),
                }
            ),
            caption=f"All {len(truth):,} studies.",
            alt="Bars: how many studies have each grade in the image, the report, and as mined.",
        ),
        report_figure(
            "loss_curves",
            loss_curves(logs),
            caption="Training of the arms, and validation on the image alone.",
            alt="Lines: the losses of each arm over the optimizer steps.",
        ),
        report_figure(
            "difference_forest",
            difference_forest(differences, FOREST_METRICS),
            caption=f"Against the true grade; {sample}.",
            alt="Points with intervals: the joint model's gains over each control.",
        ),
        report_figure(
            "roc_per_threshold",
            roc_per_threshold(grades.calibrated, grades.levels, _intervals_only(intervals)),
            caption=f"Against the true grade; {sample}.",
            alt="ROC curves of each arm for grades 1 or higher, 2 or higher, and 3.",
        ),
        report_figure(
            "confusion_matrices",
            confusion_matrices(
                {
                    name: confusion(grades.levels, predict_levels(p))
                    for name, p in grades.calibrated.items()
                }
            ),
            caption="The most probable grade after calibration against the true grade.",
            alt="One four by four matrix per arm.",
        ),
        report_figure(
            "reliability_diagram",
            reliability_diagram(
                {
                    "before calibration": grades.raw[joint],
                    "after calibration": grades.calibrated[joint],
                },
                grades.levels,
            ),
            caption=f"The {joint} model on test images.",
            alt="Stated probability against the share that came true, before and after.",
        ),
        report_figure(
            "image_strip",
            image_strip(strip),
            caption=f"The first {IMAGES_PER_GRADE} test studies of each true grade, graded from"
            " their files by the saved grader.",
            alt=describe_strip(strip),
        ),
    )


def pick_strip(record: DemoRecord) -> list[GradedImage]:
    """Take the first graded files of each true grade, with their heatmaps."""
    truth = record.truth.set_index("study_id")["severity"]
    study_of = {
        image["path"]: study["study_id"]
        for study in record.listing.studies
        for image in study["images"]
    }
    level_of = [int(truth[study_of[str(file)]]) for file in record.files]
    chosen = [
        row
        for level in range(4)
        for row in [i for i, found in enumerate(level_of) if found == level][:IMAGES_PER_GRADE]
    ]
    strip = []
    for row in chosen:
        xray, heatmap = record.grader.explain(record.files[row])
        graded = record.records[row]
        strip.append(
            GradedImage(
                image=xray.pixels,
                probabilities=[float(str(graded[f"p{level}"])) for level in range(4)],
                true_severity=level_of[row],
                heatmap=heatmap,
                note="abstains" if graded["abstain"] else "",
            )
        )
    return strip


def _levels(column: pd.Series) -> list[int | None]:
    return [None if pd.isna(value) else int(value) for value in column]


def _intervals_only(
    tables: Mapping[str, Mapping[str, Interval | float | None]],
) -> dict[str, dict[str, Interval | None]]:
    return {
        arm: {name: value if isinstance(value, Interval) else None for name, value in table.items()}
        for arm, table in tables.items()
    }
