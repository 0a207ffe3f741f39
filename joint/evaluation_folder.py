"""The evaluation of a run as a folder: every number as JSON, every figure with its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from configs.files import hash_file
from data_cards.findings import FINDINGS
from data_cards.label_table import probability_column
from data_cards.lineage import Kind, Parent
from joint.evaluation import fit_likely_grades, fit_risk_threshold
from joint.predictions import (
    CALIBRATED,
    RAW,
    read_predictions,
    read_reference,
    report_columns,
    reported_column,
)
from joint.run_folder import RunFolder
from vision.evaluation import EVALUATION_NAME, GradedImages, evaluate_graded, write_evaluation


def write_run_evaluation(
    run: Path, out: Path, *, reference: Path | None = None, target_risk: float | None = None
) -> list[str]:
    """Evaluate a run's test images and write `evaluation.json` and its figures; give their names.

    Against the reference's grades where there are some (given here, or in the run's settings),
    else the report's. target_risk: also find, on validation images, the confidence from which
    at most this share of grades is wrong. Raises a ValueError of this project when there is no
    run, no prediction or no reference, or too few images for that risk.
    """
    folder = RunFolder(run)
    settings = folder.read_settings()
    asked, seed = settings.evaluation, settings.seed
    file = reference or asked.reference
    grades = read_reference(file) if file else None
    predictions = read_predictions(folder.predictions)
    sets = fit_likely_grades(predictions, asked, grades, seed=seed)
    threshold = None
    if target_risk is not None:
        threshold = fit_risk_threshold(
            predictions, asked, grades, target_risk=target_risk, seed=seed
        )
    test, images = _gather(predictions, grades)
    record = evaluate_graded(
        images, seed=seed, resamples=asked.resamples, sets=sets, threshold=threshold
    )
    record |= {"against": "report" if grades is None else "reference"}
    record |= {"parents": _name_parents(folder, file)}
    raw, _ = report_columns(test) if grades is None else (RAW, CALIBRATED)
    arms = {"before calibration": test[list(raw)].to_numpy()}
    arms |= {"after calibration": images.probabilities}
    names = write_evaluation(out, record, arms, images.levels, threshold=threshold)
    return [EVALUATION_NAME, *names]


def _name_parents(folder: RunFolder, reference: Path | None) -> list[dict[str, str | None]]:
    """Name what was evaluated, and against what, by hash; an evaluation is shown to others."""
    named: list[tuple[Kind, Path]] = [("predictions", folder.predictions)]
    named += [] if reference is None else [("reference", reference)]
    return [
        Parent(kind=kind, name=file.name, hash=hash_file(file)).model_dump() for kind, file in named
    ]


def _gather(
    predictions: pd.DataFrame, grades: pd.Series | None
) -> tuple[pd.DataFrame, GradedImages]:
    test = predictions[predictions["split"] == "test"]
    levels = test["report_severity"] if grades is None else test["study_id"].map(grades)
    test, levels = test[levels.notna()], levels[levels.notna()]
    findings = {
        name: (
            test[probability_column(name)].to_numpy(np.float64),
            test[reported_column(name)].to_numpy(np.float64),
        )
        for name in FINDINGS
        if reported_column(name) in test
    }
    _, columns = report_columns(test) if grades is None else (RAW, CALIBRATED)
    images = GradedImages(
        test[list(columns)].to_numpy(),
        levels.to_numpy(np.int64),
        test["patient_id"].tolist(),
        findings=findings,
    )
    return test, images
