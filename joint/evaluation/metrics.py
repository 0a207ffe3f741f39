"""What a trained model is worth on the image alone, against the report's grade and a reference."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from data_cards.findings import FINDINGS
from data_cards.label_table import probability_column
from joint.predictions import (
    AS_REPORTED,
    CALIBRATED,
    RAW,
    REPORTED,
    report_columns,
    reported_column,
)
from joint.run_settings import EvaluationSettings
from vision.calibration import GradeCalibration
from vision.calibration_choice import calibrate_across_folds, choose_severity_calibration
from vision.conformal import FEWEST_IMAGES, ConformalSets, fit_conformal_sets
from vision.finding_metrics import finding_metrics
from vision.intervals import Interval, draw_one_per_patient, severity_intervals
from vision.metrics import severity_metrics
from vision.risk_limits import RiskThreshold, select_risk_threshold

FEWEST_FOR_CALIBRATION = 20
"""Four numbers are not fitted to fewer images than this, nor to a single grade."""

Value = Interval | float | None
T = TypeVar("T")


@dataclass(frozen=True)
class Evaluation:
    """Test metrics by reference (`report`, `reference`), each for raw and calibrated grades.

    A value is an interval where the sample allows one, a number where it allows only that, and
    None where it does not define the metric. findings: AUC and the like against the report.
    is_corrected: the report's grade is held against p_report, not p_image (`report_columns`).
    """

    calibrated: Mapping[str, Mapping[str, Value]]
    raw: Mapping[str, Mapping[str, Value]]
    findings: Mapping[str, Mapping[str, float | None]]
    images: Mapping[str, int]
    is_corrected: bool = False

    def against(self, references: Collection[str]) -> Evaluation:
        """Keep what was held against these references alone."""

        def keep(tables: Mapping[str, T]) -> dict[str, T]:
            return {name: table for name, table in tables.items() if name in references}

        return replace(
            self, calibrated=keep(self.calibrated), raw=keep(self.raw), images=keep(self.images)
        )

    def numbers(self) -> dict[str, float | None]:
        """Flatten for `metrics.jsonl`: `report.auc_0v123`, `report.auc_0v123.low`, and so on."""
        flat: dict[str, float | None] = {}
        for suffix, tables in (("", self.calibrated), ("_raw", self.raw)):
            for reference, metrics in tables.items():
                for name, value in metrics.items():
                    key = f"{reference}{suffix}.{name}"
                    if isinstance(value, Interval):
                        flat |= {key: value.value, f"{key}.low": value.low}
                        flat[f"{key}.high"] = value.high
                    else:
                        flat[key] = value
        for finding, worth in self.findings.items():
            flat |= {f"finding.{finding}.{name}": value for name, value in worth.items()}
        return flat | {f"{name}.images": float(n) for name, n in self.images.items()}


def fit_calibration(
    predictions: pd.DataFrame,
    settings: EvaluationSettings,
    reference: pd.Series | None,
    *,
    seed: int,
) -> GradeCalibration | None:
    """Choose and fit a calibration on validation images (`choose_severity_calibration`).

    None when too few of them have a target, or when none beats leaving the grades alone, or when
    a corrected run has nothing but reports to calibrate on, which would undo its correction.

    On the report's soft labels, or on the reference's grades of (at most `anchors`) validation
    studies: a systematic over-call of reports cannot be seen in the reports themselves.
    """
    trusted = _trusted(predictions, settings, reference, seed)
    if len(trusted.levels) < FEWEST_FOR_CALIBRATION or len(np.unique(trusted.levels)) < 2:
        return None
    chosen = choose_severity_calibration(
        trusted.probabilities, trusted.targets, trusted.patients, seed=seed
    )
    return chosen.calibration


def fit_likely_grades(
    predictions: pd.DataFrame,
    settings: EvaluationSettings,
    reference: pd.Series | None,
    *,
    seed: int,
) -> ConformalSets | None:
    """Set how far the range of likely grades reaches, on what calibration is fitted to.

    Each image is calibrated by the other folds' images, and one image per patient counts. The
    promise is about grades like those trusted: the report's, unless there is a reference.
    None when fewer than 20 patients have one, or as in `fit_calibration` after a correction.
    """
    probabilities, levels = _draw_held_out(predictions, settings, reference, seed)
    if len(levels) < FEWEST_IMAGES:
        return None
    return fit_conformal_sets(probabilities, levels)


def fit_risk_threshold(
    predictions: pd.DataFrame,
    settings: EvaluationSettings,
    reference: pd.Series | None,
    *,
    target_risk: float,
    seed: int,
) -> RiskThreshold:
    """Find the confidence from which at most `target_risk` of grades are wrong.

    On the images of `fit_likely_grades`; raises MetricsError when they are too few for that.
    """
    probabilities, levels = _draw_held_out(predictions, settings, reference, seed)
    return select_risk_threshold(probabilities, levels, target_risk=target_risk)


def evaluate_predictions(
    predictions: pd.DataFrame,
    reference: pd.Series | None,
    *,
    resamples: int,
    seed: int,
) -> Evaluation:
    """Hold the test images against the report's grade and, where given, the reference's.

    After a report→image correction it is p_report that is held against the report's grade, and
    p_image against the reference's.
    """
    test = predictions[predictions["split"] == "test"]
    grades = {"report": test["report_severity"]}
    if reference is not None:
        grades["reference"] = test["study_id"].map(reference).astype("Int8")
    tables: dict[str, dict[str, Mapping[str, Value]]] = {"raw": {}, "calibrated": {}}
    images = {}
    for name, levels in grades.items():
        known = test[levels.notna().to_numpy()]
        truth = levels[levels.notna()].to_numpy(dtype=np.int64)
        images[name] = len(known)
        raw, calibrated = report_columns(test) if name == "report" else (RAW, CALIBRATED)
        for kind, columns in (("raw", raw), ("calibrated", calibrated)):
            tables[kind][name] = _measure(
                known[list(columns)].to_numpy(),
                truth,
                list(known["patient_id"]),
                resamples=resamples,
                seed=seed,
            )
    return Evaluation(
        tables["calibrated"],
        tables["raw"],
        _measure_findings(test),
        images,
        is_corrected=AS_REPORTED[0] in test,
    )


class _Trusted(NamedTuple):
    """Validation images with a grade: targets are levels or soft labels, levels the likeliest."""

    probabilities: np.ndarray
    targets: np.ndarray
    levels: np.ndarray
    patients: list[str]


def _trusted(
    predictions: pd.DataFrame,
    settings: EvaluationSettings,
    reference: pd.Series | None,
    seed: int,
) -> _Trusted:
    validate = predictions[predictions["split"] == "validate"]
    targets: np.ndarray
    if settings.calibrate_on == "reference" and reference is not None:
        known = _draw_anchors(validate, reference, settings.anchors, seed)
        levels = targets = reference.loc[known["study_id"]].to_numpy(np.int64)
    else:
        is_corrected = AS_REPORTED[0] in validate
        known = validate[validate["report_severity"].notna() & (not is_corrected)]
        targets = known[list(REPORTED)].to_numpy()
        levels = known["report_severity"].to_numpy(np.int64)
    probabilities = known[list(RAW)].to_numpy()
    return _Trusted(probabilities, targets, levels, known["patient_id"].tolist())


def _draw_held_out(
    predictions: pd.DataFrame,
    settings: EvaluationSettings,
    reference: pd.Series | None,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one trusted image per patient, calibrated by others' images: [n, 4] and levels [n]."""
    trusted = _trusted(predictions, settings, reference, seed)
    if not trusted.patients:
        return trusted.probabilities, trusted.levels
    drawn = draw_one_per_patient(trusted.patients, seed=seed)
    calibrated = calibrate_across_folds(
        trusted.probabilities, trusted.targets, trusted.patients, seed=seed
    )
    return calibrated[drawn], trusted.levels[drawn]


def _draw_anchors(
    validate: pd.DataFrame, reference: pd.Series, anchors: int | None, seed: int
) -> pd.DataFrame:
    known = validate[validate["study_id"].isin(reference.index)]
    studies = known["study_id"].drop_duplicates().to_numpy()
    if anchors is None or anchors >= len(studies):
        return known
    drawn = np.random.default_rng(seed).choice(studies, anchors, replace=False)
    return known[known["study_id"].isin(drawn)]


def _measure(
    probabilities: np.ndarray,
    levels: np.ndarray,
    patients: list[str],
    *,
    resamples: int,
    seed: int,
) -> dict[str, Value]:
    points = severity_metrics(probabilities, levels)
    intervals = severity_intervals(probabilities, levels, patients, seed=seed, resamples=resamples)
    return {name: intervals[name] or point for name, point in points.items()}


def _measure_findings(test: pd.DataFrame) -> dict[str, dict[str, float | None]]:
    names = [finding for finding in FINDINGS if reported_column(finding) in test]
    return finding_metrics(
        test[[probability_column(name) for name in names]].to_numpy(np.float64),
        test[[reported_column(name) for name in names]].to_numpy(np.float64),
        names,
    )
