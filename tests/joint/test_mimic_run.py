"""Our recipe on a tree laid out as MIMIC-CXR: the panel's patients never train, and calibrate."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pytest
from accelerate.state import AcceleratorState
from PIL import Image

from joint.run import run_training
from tests.joint.test_configs import make_tiny
from tests.joint.tiny_corpus import SENTENCES, grade_of
from vision.grader import Grader

STUDIES, PANEL = 100, range(20, 70)


def patient_of(study):
    return 10_000_000 + study // 2 * 1_111


def write_mimic(root):
    generator = np.random.default_rng(0)
    metadata = ["dicom_id,subject_id,study_id,ViewPosition,StudyDate,ViewCodeSequence_CodeMeaning"]
    split = ["dicom_id,study_id,subject_id,split"]
    consensus = ["subject_id,study_id,dicom_id,edema_severity"]
    for number in range(STUDIES):
        patient, study, grade = patient_of(number), 50_000_000 + number, grade_of(number)
        folder = root / f"files/p{str(patient)[:2]}/p{patient}"
        (folder / f"s{study}").mkdir(parents=True)
        report = f" FINAL REPORT\n INDICATION:  ___F.\n\n FINDINGS:\n\n {SENTENCES[grade]}\n"
        (folder / f"s{study}.txt").write_text(report)
        dicom = "-".join([f"{number:08x}"] * 5)
        pixels = generator.integers(0, 60, (48, 40)) + 55 * grade
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"s{study}" / f"{dicom}.jpg")
        metadata.append(f"{dicom},{patient},{study},PA,21800506,")
        part = "validate" if number >= 96 else "test" if number >= 90 else "train"
        split.append(f"{dicom},{study},{patient},{part}")
        if number in PANEL:
            consensus.append(f"{patient},{study},{dicom},{grade}")
    for name, lines in (("metadata", metadata), ("split", split)):
        file = root / f"mimic-cxr-2.0.0-{name}.csv.gz"
        file.write_bytes(gzip.compress("\n".join(lines).encode()))
    table = root / "mimic-cxr-pe-severity" / "consensus_image_edema_severity.csv"
    table.parent.mkdir()
    table.write_text("\n".join(consensus) + "\n")
    return table


@pytest.fixture
def settings(tmp_path):
    """The recipe, tiny, on the corpus of its own name."""
    AcceleratorState._reset_state()  # another test's precision
    table = write_mimic(tmp_path / "mimic")
    yield make_tiny(
        "mimic_edema",
        tmp_path / "mimic",
        table,
        data__corpus="mimic_cxr_anchors",
        loop__steps=12,
        loop__evaluate_every=12,
        optimizer__learning_rate=0.01,
    )
    AcceleratorState._reset_state()


def test_the_panels_patients_recalibrate_and_test_and_never_train(settings):
    result = run_training(settings)
    frame = pd.read_parquet(result.folder.predictions)
    splits = frame.groupby(frame["patient_id"].astype(int))["split"].agg(set)
    panel = {patient_of(number) for number in PANEL}
    counts = splits[splits.index.isin(panel)].map("".join).value_counts().to_dict()
    assert counts == {"validate": 12, "test": 13}
    others = set(splits.index) - panel
    assert others == {patient_of(number) for number in range(90, STUDIES)}
    assert Grader.load(result.folder.grader).severity_calibration is not None
    assert result.evaluation.images["reference"] == 26
