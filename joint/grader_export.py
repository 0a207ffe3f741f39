"""The grader of a run: the image tower alone, with its calibrations and its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from data_cards.label_table import probability_column
from data_cards.lineage import Lineage
from joint.evaluation.metrics import FEWEST_FOR_CALIBRATION
from joint.predictions import CALIBRATED, reported_column
from joint.run_record import RunRecord
from vision.abstention import AbstentionRule, fit_abstention
from vision.calibration import FindingCalibration
from vision.calibration_choice import choose_finding_calibration
from vision.gate import GateSettings
from vision.grader import Grader
from vision.torch_engine import TorchEngine
from vision.tower import ImageTower

TOWER_PREFIX = "tower."


def export_grader(
    record: RunRecord, weights: Mapping[str, torch.Tensor], lineage: Lineage
) -> Grader:
    """Write a run's grader, which needs neither reports nor this room; return it.

    weights: the whole model's, of which the tower's (`tower.…`) are taken. lineage: what the
    grader is to carry, up to the run's predictions. Validation images
    calibrate the findings and say when the grader should not grade; what is no frontal chest
    X-ray of an adult it refuses.
    """
    tower, predictions = record.place.settings.task.tower, record.predictions
    network = ImageTower(tower, load_pretrained=False)
    network.load_state_dict(
        {
            name.removeprefix(TOWER_PREFIX): value
            for name, value in weights.items()
            if name.startswith(TOWER_PREFIX)
        }
    )
    is_validation = (predictions["split"] == "validate").to_numpy()
    validate = predictions[is_validation]
    grader = Grader(
        engine=TorchEngine(network),
        input=record.place.settings.data.cache,
        severity_calibration=record.calibration,
        finding_calibrations=calibrate_findings(
            validate, tower.findings, seed=record.place.settings.seed
        ),
        conformal=record.conformal,
        risk=record.risk,
        gate=GateSettings(),
        abstention=_limit(record.embeddings[is_validation], validate),
        provenance=dict(record.place.hashes),
        lineage=lineage,
    )
    grader.save(record.place.folder.grader)
    return grader


def calibrate_findings(
    validate: pd.DataFrame, findings: Sequence[str], *, seed: int
) -> dict[str, FindingCalibration]:
    """Choose a calibration for each finding with enough labels of both kinds among these images.

    A finding that none improves in cross-validation has none.
    """
    fitted = {}
    for finding in findings:
        labels = validate[reported_column(finding)].to_numpy(np.float64)
        known = ~np.isnan(labels)
        if known.sum() >= FEWEST_FOR_CALIBRATION and len(np.unique(labels[known])) == 2:
            scores = validate[probability_column(finding)].to_numpy(np.float64)[known]
            patients = validate["patient_id"][known].tolist()
            chosen = choose_finding_calibration(scores, labels[known], patients, seed=seed)
            if chosen.calibration is not None:
                fitted[finding] = chosen.calibration
    return fitted


def _limit(embeddings: NDArray[np.float32], validate: pd.DataFrame) -> AbstentionRule | None:
    if len(validate) < FEWEST_FOR_CALIBRATION:
        return None
    return fit_abstention(embeddings, validate[list(CALIBRATED)].to_numpy())
