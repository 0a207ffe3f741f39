"""What a run fits on its validation images: a calibration and a range of likely grades."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from joint.evaluation.metrics import fit_calibration, fit_likely_grades
from joint.predictions import RAW, REPORTED
from joint.run_settings import EvaluationSettings


def draw_predictions(patients, *, images_each=2):
    """Reports that say one grade more than the image shows, up to 3; a model that learned it."""
    generator = np.random.default_rng(0)
    shown = np.repeat(generator.integers(0, 4, patients), images_each)
    reported = np.minimum(shown + 1, 3)
    noise = generator.dirichlet(np.ones(4), len(shown))
    probabilities = 0.5 * np.eye(4)[reported] + 0.5 * noise
    ids = np.repeat(np.arange(patients), images_each)
    frame = pd.DataFrame({"study_id": [f"s{n}" for n in ids], "patient_id": [f"p{n}" for n in ids]})
    frame["split"] = np.where(ids % 2, "validate", "test")
    frame["report_severity"] = pd.array(reported, dtype="Int8")
    frame[list(RAW)] = probabilities
    frame[list(REPORTED)] = np.eye(4)[reported]
    reference = pd.Series(shown, index=frame["study_id"]).groupby(level=0).first()
    return frame, reference


@pytest.mark.parametrize("calibrate_on", ["report", "reference"])
def test_likely_grades_hold_the_grade_they_were_promised_for(calibrate_on):
    frame, reference = draw_predictions(400)
    asked = EvaluationSettings(calibrate_on=calibrate_on, reference=Path("image.csv"))
    calibration = fit_calibration(frame, asked, reference, seed=0)
    sets = fit_likely_grades(frame, asked, reference, seed=0)
    assert sets.images == 200
    test = frame[frame["split"] == "test"]
    likely = sets.apply(calibration.apply(test[list(RAW)].to_numpy()))
    reported = test["report_severity"].to_numpy(int)
    shown = reference.loc[test["study_id"]].to_numpy()
    truth = reported if calibrate_on == "report" else shown
    assert likely[np.arange(len(test)), truth].mean() > 0.85


def test_too_few_patients_have_no_likely_grades():
    frame, _ = draw_predictions(30, images_each=6)
    assert fit_likely_grades(frame, EvaluationSettings(), None, seed=0) is None
