"""The rows of a phantom's tables: what a reader may see, and the truth beside it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pyarrow as pa

from data_cards.phantom.causal import Patient, StudyState
from data_cards.phantom.raster import LEFT, RIGHT
from data_cards.phantom.render import DrawnImage
from data_cards.phantom.reporter import REPORTED_FINDINGS, Report

STUDY_COLUMNS = ("study_id", "patient_id", "split", "sex", "age", "acquired")
IMAGE_COLUMNS = ("study_id", "path", "view")
IMAGE_FINDINGS = (
    "No Finding",
    "Cardiomegaly",
    "Lung Opacity",
    "Lung Lesion",
    "Edema",
    "Consolidation",
    "Atelectasis",
    "Pneumothorax",
    "Pleural Effusion",
    "Fracture",
    "Support Devices",
)
"""The findings that are drawn; the others of CheXpert only occur in reports."""

STRENGTHS = ("vascular", "interstitial", "alveolar")

STUDY_TRUTH_SCHEMA = pa.schema(
    [
        ("study_id", pa.string()),
        ("patient_id", pa.string()),
        ("split", pa.string()),
        ("fluid", pa.float64()),
        ("severity", pa.int64()),
        ("perceived_fluid", pa.float64()),
        ("reported_severity", pa.int8()),
        ("states_severity", pa.bool_()),
        ("hedges_severity", pa.bool_()),
        ("report_kind", pa.string()),
        *((name, pa.float64()) for name in STRENGTHS),
        ("heart_ratio", pa.float64()),
        ("effusion_right", pa.float64()),
        ("effusion_left", pa.float64()),
        ("devices", pa.list_(pa.string())),
        *((name, pa.int64()) for name in IMAGE_FINDINGS),
        *((f"{name}_reported", pa.int8()) for name in REPORTED_FINDINGS),
    ]
)

IMAGE_TRUTH_SCHEMA = pa.schema(
    [
        ("image_id", pa.string()),
        ("study_id", pa.string()),
        ("view", pa.string()),
        *((name, pa.float64()) for name in STRENGTHS),
        *((name, pa.float64()) for name in ("zoom", "rotation", "shift_x", "shift_y")),
        *((name, pa.float64()) for name in ("low", "high", "gamma", "grain", "collimation")),
        ("marker", pa.string()),
    ]
)


def patient_id(index: int) -> str:
    """Name a patient: 12 → p00012."""
    return f"p{index:05d}"


def study_id(number: int) -> str:
    """Name a study: 34 → s00034."""
    return f"s{number:05d}"


def image_id(number: int, image: int) -> str:
    """Name an image of a study: (34, 0) → s00034_0."""
    return f"{study_id(number)}_{image}"


def study_row(patient: Patient, state: StudyState) -> dict[str, Any]:
    """Return a row of studies.csv."""
    return {
        "study_id": study_id(state.number),
        "patient_id": patient_id(patient.index),
        "split": patient.split,
        "sex": patient.sex,
        "age": state.age,
        "acquired": state.acquired,
    }


def study_truth(patient: Patient, state: StudyState, report: Report) -> dict[str, Any]:
    """Return a row of truth/studies.parquet."""
    return {
        "study_id": study_id(state.number),
        "patient_id": patient_id(patient.index),
        "split": patient.split,
        "fluid": state.fluid,
        "severity": state.severity,
        "perceived_fluid": report.perceived_fluid,
        "reported_severity": report.perceived_severity,
        "states_severity": report.states_severity,
        "hedges_severity": report.hedges_severity,
        "report_kind": report.kind,
        **{name: getattr(state, name) for name in STRENGTHS},
        "heart_ratio": state.heart_ratio,
        "effusion_right": state.effusions.get(RIGHT, 0.0),
        "effusion_left": state.effusions.get(LEFT, 0.0),
        "devices": list(state.devices),
        **state.findings(),
        **{f"{name}_reported": code for name, code in report.says.items()},
    }


def image_truth(number: int, image: int, drawn: DrawnImage) -> dict[str, Any]:
    """Return a row of truth/images.parquet."""
    return {
        "image_id": image_id(number, image),
        "study_id": study_id(number),
        "view": drawn.view,
        **asdict(drawn.strengths),
        **asdict(drawn.exposure),
    }
