"""The predictions of a run: one row per validation and test image, graded from the image alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from configs.files import write_atomically
from data_cards.findings import SEVERITY_LEVELS
from data_cards.label_table import probability_column
from data_cards.lineage import Parent
from joint.prepare import PreparedData
from joint.task import Rows
from vision.calibration import GradeCalibration
from vision.grading_task import GradingData, hard_finding_labels
from vision.heads import severity_probabilities

FloatArray = NDArray[np.float64]

LEVELS = range(SEVERITY_LEVELS)
RAW = tuple(f"p{level}" for level in LEVELS)
CALIBRATED = tuple(f"p{level}_calibrated" for level in LEVELS)
REPORTED = tuple(f"report_p{level}" for level in LEVELS)
AS_REPORTED = tuple(f"p{level}_reported" for level in LEVELS)
"""p_report = p_image · T: there only where a run corrects from report to image."""
PARENTS_KEY = b"kerley.parents"
"""Key of the Parquet metadata that holds a JSON list of `data_cards.lineage.Parent`."""


class PredictionsError(ValueError):
    """A predictions or reference file that cannot be used; the message names file and column."""


def evaluation_rows(prepared: PreparedData) -> Rows:
    """Give the image rows that predictions are made for: validation, then test."""
    return np.concatenate([prepared.rows("validate"), prepared.rows("test")])


def tabulate_predictions(
    outputs: Mapping[str, NDArray[np.float32]],
    prepared: PreparedData,
    data: GradingData,
    findings: Sequence[str],
) -> pd.DataFrame:
    """Put a model's outputs over `evaluation_rows` beside what the reports say.

    Columns: study_id, patient_id, split, image (its number in the study); p0…p3;
    expected_grade = Σ k p_k; report_severity (nullable) and report_p0…p3 from the label table;
    per finding `<finding>_p` (probability) and `<finding>_report` (1, 0, or NaN).
    """
    rows = evaluation_rows(prepared)
    study = prepared.images["study"].to_numpy()[rows]
    frame = prepared.studies[["study_id", "patient_id", "split"]].iloc[study].reset_index(drop=True)
    frame["image"] = prepared.images["image"].to_numpy()[rows]
    logits = torch.from_numpy(outputs["severity_logits"]).double()
    probabilities = severity_probabilities(logits).numpy()
    frame[list(RAW)] = probabilities
    frame["expected_grade"] = probabilities @ np.arange(SEVERITY_LEVELS)
    known = data.has_severity[rows]
    targets = np.where(known[:, None], data.severity_targets[rows], np.nan)
    grades = pd.array(data.severity_targets[rows].argmax(axis=1), dtype="Int8")
    grades[~known] = pd.NA
    frame["report_severity"] = grades
    frame[list(REPORTED)] = targets
    chances = torch.sigmoid(torch.from_numpy(outputs["finding_logits"])).numpy()
    labels = hard_finding_labels(data.finding_targets[rows], data.has_finding[rows])
    for column, finding in enumerate(findings):
        frame[probability_column(finding)] = chances[:, column]
        frame[reported_column(finding)] = labels[:, column]
    return frame


def add_calibrated(frame: pd.DataFrame, calibration: GradeCalibration | None) -> pd.DataFrame:
    """Return the predictions with p0_calibrated…p3_calibrated; the raw ones where there is none."""
    raw = frame[list(RAW)].to_numpy()
    calibrated = raw if calibration is None else np.asarray(calibration.apply(raw))
    result = frame.copy()
    result[list(CALIBRATED)] = calibrated
    return result


def add_reported(frame: pd.DataFrame, transition: torch.Tensor | None) -> pd.DataFrame:
    """Return the predictions with p0_reported…p3_reported: what a report would say.

    transition: P(report | image) [4, 4], row = image; the same predictions without one.
    """
    if transition is None:
        return frame
    result = frame.copy()
    result[list(AS_REPORTED)] = frame[list(RAW)].to_numpy() @ transition.double().numpy()
    return result


def report_columns(frame: pd.DataFrame) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name what is held against a report's grade: raw and calibrated columns.

    With a report→image correction both are p_report, which is not calibrated.
    """
    is_corrected = AS_REPORTED[0] in frame
    return (AS_REPORTED, AS_REPORTED) if is_corrected else (RAW, CALIBRATED)


def write_predictions(path: Path, frame: pd.DataFrame, parents: Sequence[Parent] = ()) -> None:
    """Write predictions as Parquet, atomically; `parents` go into the file's own metadata."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    named = json.dumps([parent.model_dump(mode="json") for parent in parents])
    table = table.replace_schema_metadata({**table.schema.metadata, PARENTS_KEY: named.encode()})
    with write_atomically(path) as temporary:
        pq.write_table(table, temporary)


def read_predictions(path: Path) -> pd.DataFrame:
    """Read the predictions of a run; raises PredictionsError when they are not there."""
    if not path.is_file():
        raise PredictionsError(f"{path}: no predictions; finish the run with kerley train first")
    return pd.read_parquet(path)


def read_reference(path: Path) -> pd.Series:
    """Read what images show: `severity` 0–3 by `study_id`, from CSV or Parquet.

    The column may also be called `edema_severity`, as MIMIC-CXR's consensus table has it.

    Raises PredictionsError naming the file, the column or the row.
    """
    if not path.is_file():
        raise PredictionsError(f"{path}: the reference table is missing")
    is_parquet = path.suffix == ".parquet"
    table = pd.read_parquet(path) if is_parquet else pd.read_csv(path, dtype={"study_id": str})
    if "severity" not in table:
        table = table.rename(columns={"edema_severity": "severity"})
    missing = [name for name in ("study_id", "severity") if name not in table]
    if missing:
        raise PredictionsError(f"{path}: columns missing: {', '.join(missing)}")
    table = table.dropna(subset=["severity"])
    wrong = table.index[~table["severity"].isin(list(LEVELS))]
    if len(wrong):
        raise PredictionsError(f"{path}, row {wrong[0] + 1}: severity is not one of 0, 1, 2, 3")
    if table["study_id"].duplicated().any():
        raise PredictionsError(f"{path}: a study id occurs more than once")
    severity: pd.Series = table.set_index(table["study_id"].astype(str))["severity"].astype(int)
    return severity


def reported_column(finding: str) -> str:
    """Name the column that holds what the report says of a finding."""
    return f"{finding}_report"
