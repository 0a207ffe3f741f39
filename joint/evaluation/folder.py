"""The evaluation of a run as a folder: numbers as JSON, figures with theirs, one page, the card."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from configs.files import hash_file
from data_cards.findings import FINDINGS
from data_cards.label_table import probability_column
from data_cards.lineage import Kind, Parent
from joint.evaluation.content import describe_sections
from joint.evaluation.metrics import fit_likely_grades, fit_risk_threshold
from joint.evaluation.page import FOLDERS, draw_beside, write_page
from joint.evaluation.run import RunMeasures
from joint.evaluation.sections import EvaluationSection, name_evaluated, write_sections
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


def write_whole_evaluation(
    measures: RunMeasures, out: Path, *, target_risk: float | None = None, is_default: bool = False
) -> tuple[EvaluationSection, ...]:
    """Write all that was measured of a run into `out`; return its sections.

    `report/` and `image/` as `write_run_evaluation` writes them, `summary.json` (every table of
    the page), `evaluation.html`, and figures that belong to no reference. is_default: the run's
    model card may show it (`model_card.render_card`).
    """
    run, file = measures.folder.path, measures.references.file
    records = {}
    for name in measures.references.names:
        place = out / FOLDERS[name]
        write_run_evaluation(
            run,
            place,
            reference=file,
            target_risk=target_risk,
            against=name,
            attributes=measures.attributes,
        )
        record = json.loads((place / EVALUATION_NAME).read_text(encoding="utf-8"))
        records[name] = record
    sections = describe_sections(measures, records)
    facts = name_evaluated(measures.folder, is_default=is_default)
    write_sections(out, sections, facts)
    draw_beside(measures, out)
    write_page(out, measures, sections)
    return sections


def write_run_evaluation(
    run: Path,
    out: Path,
    *,
    reference: Path | None = None,
    target_risk: float | None = None,
    against: str | None = None,
    attributes: pd.DataFrame | None = None,
) -> list[str]:
    """Evaluate a run's test images and write `evaluation.json` and its figures; give their names.

    against: "report", "reference", or None: the reference's grades where there are some (given
    here, or in the run's settings), else the report's. target_risk: also find, on validation
    images, the confidence from which at most this share of grades is wrong. attributes: of each
    test image, for coverage by group. Raises a ValueError of this project when there is no run,
    no prediction or no reference, or too few images for that risk.
    """
    folder = RunFolder(run)
    settings = folder.read_settings()
    asked, seed = settings.evaluation, settings.seed
    file = reference or asked.reference
    known = read_reference(file) if file else None
    grades = None if against == "report" else known
    predictions = read_predictions(folder.predictions)
    sets = fit_likely_grades(predictions, asked, known, seed=seed)
    threshold = None
    if target_risk is not None:
        threshold = fit_risk_threshold(
            predictions, asked, known, target_risk=target_risk, seed=seed
        )
    test, images = _gather(predictions, grades, attributes)
    record = evaluate_graded(
        images, seed=seed, resamples=asked.resamples, sets=sets, threshold=threshold
    )
    record |= {"against": "report" if grades is None else "reference"}
    record |= {"parents": _name_parents(folder, None if grades is None else file)}
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
    predictions: pd.DataFrame, grades: pd.Series | None, attributes: pd.DataFrame | None
) -> tuple[pd.DataFrame, GradedImages]:
    test = predictions[predictions["split"] == "test"].reset_index(drop=True)
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
    rows = None if attributes is None else attributes.loc[test.index]
    groups = {} if rows is None else {str(name): rows[name].tolist() for name in rows}
    _, columns = report_columns(test) if grades is None else (RAW, CALIBRATED)
    images = GradedImages(
        test[list(columns)].to_numpy(),
        levels.to_numpy(np.int64),
        test["patient_id"].tolist(),
        findings=findings,
        groups=groups,
    )
    return test, images
