"""What a finished run knows about itself: what the grader and the model card are written from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joint.evaluation.metrics import Evaluation
from joint.prepare import PreparedData
from joint.run_folder import RunFolder
from joint.run_settings import RunSettings
from vision.calibration import GradeCalibration
from vision.conformal import ConformalSets
from vision.risk_limits import RiskThreshold


class RunPlace(NamedTuple):
    """A run before it has a result; hashes: what it is made from, by name."""

    settings: RunSettings
    folder: RunFolder
    prepared: PreparedData
    hashes: Mapping[str, str]


@dataclass(frozen=True)
class RunRecord:
    """A trained and evaluated run.

    predictions: see `tabulate_predictions`, with the calibrated columns; embeddings: [its rows,
    width]. calibration, conformal, risk: None where too few validation images have a grade; risk
    also where none is asked for.
    """

    place: RunPlace
    predictions: pd.DataFrame
    embeddings: NDArray[np.float32]
    calibration: GradeCalibration | None
    evaluation: Evaluation
    conformal: ConformalSets | None
    risk: RiskThreshold | None
