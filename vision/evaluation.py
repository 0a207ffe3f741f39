"""The evaluation of graded images as one record, and a figure for each of its numbers."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from configs.files import write_json
from vision.conformal import ConformalSets, coverage_by_group
from vision.evaluation_figures import coverage_chart, interval_chart, risk_coverage_chart
from vision.figure_numbers import save_figure
from vision.figures import confusion_matrices, reliability_diagram, roc_per_threshold
from vision.finding_metrics import FINDING_LABELS, finding_metrics
from vision.intervals import Interval, finding_intervals, number_patients, severity_intervals
from vision.metrics import (
    METRIC_LABELS,
    PAIRS,
    MetricsError,
    confusion,
    predict_levels,
    severity_metrics,
)
from vision.risk_limits import RiskThreshold, risk_coverage_curve

EVALUATION_NAME = "evaluation.json"


@dataclass(frozen=True)
class GradedImages:
    """Images with their grades and what they are held against.

    probabilities: [n, 4]; levels: reference grades [n]; patients: n ids. findings: name to
    probabilities [n] and labels [n] of 1, 0 or NaN. groups: name to n values, such as the view
    or the source, for coverage by subgroup.
    """

    probabilities: NDArray[np.float64]
    levels: NDArray[np.int64]
    patients: Sequence[Hashable]
    findings: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = field(
        default_factory=dict
    )
    groups: Mapping[str, Sequence[Hashable]] = field(default_factory=dict)


def evaluate_graded(
    images: GradedImages,
    *,
    seed: int,
    resamples: int = 1000,
    sets: ConformalSets | None = None,
    threshold: RiskThreshold | None = None,
) -> dict[str, Any]:
    """Measure everything of `vision.metrics` and `vision.finding_metrics`, ready for JSON.

    Keys: `images`, `patients`; `severity` and `findings` (each value with `low` and `high`, the
    ends of its patient-clustered 95 % interval, null where the sample allows none);
    `confusion` (row = reference); `risk_coverage`; with `sets`, `coverage` (`coverage_by_group`)
    and `sets`; with `threshold`, that and the share `graded` and `wrong` among those here. sets
    and threshold must come from patients that are not among these.
    """
    p, y, patients = images.probabilities, images.levels, images.patients
    intervals = severity_intervals(p, y, patients, seed=seed, resamples=resamples)
    record: dict[str, Any] = {
        "images": len(y),
        "patients": int(number_patients(patients).max(initial=-1)) + 1,
        "severity": _with_intervals(severity_metrics(p, y), intervals),
        "findings": _measure_findings(images, seed, resamples),
        "confusion": confusion(y, predict_levels(p)).tolist(),
        "risk_coverage": {
            name: values.tolist() for name, values in risk_coverage_curve(p, y).items()
        },
    }
    if sets is not None:
        record["sets"] = sets.model_dump(mode="json")
        record["coverage"] = coverage_by_group(sets.apply(p), y, patients, images.groups)
    if threshold is not None:
        kept = p.max(axis=1) >= threshold.least_confidence
        wrong = np.abs(predict_levels(p) - y) > threshold.tolerance
        record["risk_threshold"] = threshold.model_dump(mode="json") | {
            "graded_here": float(kept.mean()),
            "wrong_here": float(wrong[kept].mean()) if kept.any() else None,
        }
    return record


def write_evaluation(
    folder: Path,
    record: Mapping[str, Any],
    arms: Mapping[str, NDArray[np.float64]],
    levels: NDArray[np.int64],
    *,
    threshold: RiskThreshold | None = None,
) -> list[str]:
    """Write the record as `evaluation.json` and its figures as SVG, PNG and JSON; give their names.

    arms: probabilities [n, 4] by name, the evaluated one last ("before calibration", "after
    calibration"). A figure that the sample does not define is left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / EVALUATION_NAME, dict(record))
    name, probabilities = list(arms.items())[-1]
    drawn = {
        "confusion": confusion_matrices({name: np.array(record["confusion"])}),
        "reliability": reliability_diagram(arms, levels),
        "roc": roc_per_threshold({name: probabilities}, levels),
        "risk_coverage": risk_coverage_chart(arms, levels, threshold=threshold),
        "auc_pairs": _chart_pairs(record, name),
        "finding_auc": _chart_findings(record, name),
        "coverage": _chart_coverage(record),
    }
    kept = {title: figure for title, figure in drawn.items() if figure is not None}
    for title, figure in kept.items():
        save_figure(figure, folder, title)
    return list(kept)


def _measure_findings(images: GradedImages, seed: int, resamples: int) -> dict[str, dict[str, Any]]:
    if not images.findings:
        return {}
    names = list(images.findings)
    p, t = (np.stack([images.findings[n][k] for n in names], axis=1) for k in (0, 1))
    points = finding_metrics(p, t, names)
    intervals = finding_intervals(p, t, names, images.patients, seed=seed, resamples=resamples)
    return {
        name: _with_intervals({m: points[name][m] for m in FINDING_LABELS}, intervals[name])
        | {count: points[name][count] for count in ("n", "positives")}
        for name in names
    }


def _with_intervals(
    points: Mapping[str, float | None], intervals: Mapping[str, Interval | None]
) -> dict[str, dict[str, float | None]]:
    return {
        name: {
            "value": value,
            "low": found.low if (found := intervals[name]) else None,
            "high": found.high if found else None,
        }
        for name, value in points.items()
    }


def _chart_pairs(record: Mapping[str, Any], arm: str) -> Figure | None:
    names = [f"auc_{low}v{high}" for low, high in PAIRS]
    intervals = {name: _read_interval(record, record["severity"][name]) for name in names}
    labels = {name: METRIC_LABELS[name].replace("AUC ", "grades ") for name in names}
    return _chart(intervals, labels, arm, x="AUC between two grades")


def _chart_findings(record: Mapping[str, Any], arm: str) -> Figure | None:
    findings = record["findings"]
    intervals = {name: _read_interval(record, findings[name]["auc"]) for name in findings}
    labels = {name: f"{name} (n={findings[name]['n']:,})" for name in findings}
    return _chart(intervals, labels, arm, x="AUROC")


def _chart(
    intervals: Mapping[str, Interval | None], labels: Mapping[str, str], arm: str, *, x: str
) -> Figure | None:
    try:
        return interval_chart({arm: intervals}, labels, x=x, guide=0.5)
    except MetricsError:
        return None


def _chart_coverage(record: Mapping[str, Any]) -> Figure | None:
    if not record.get("coverage"):
        return None
    return coverage_chart(record["coverage"], wanted=1 - record["sets"]["alpha"])


def _read_interval(record: Mapping[str, Any], value: Mapping[str, float | None]) -> Interval | None:
    middle, low, high = value["value"], value["low"], value["high"]
    if middle is None or low is None or high is None:
        return None
    return Interval(middle, low, high, record["images"], record["patients"])
