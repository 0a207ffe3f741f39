"""The checks of the trust report, each on data in which the fault was planted."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from data_cards.study import list_studies
from joint.prepare import PreparedData
from joint.trust.leaks import check_patients
from joint.trust_report import (
    check_ages,
    check_images,
    check_reports,
    check_trust,
    judge_metadata,
    list_metadata,
    metadata_auc,
    strip_to_words,
)
from vision.intervals import Interval

STUDIES = 120


def make_data(*, shortcut=False, repeated=False, shared=False, sex="F"):
    """120 studies of 60 patients; shortcut: portable (AP) images are the ones with edema."""
    generator = np.random.default_rng(0)
    above = generator.random(STUDIES) < 0.5
    split = np.repeat(["train", "validate", "test"], [60, 20, 40])
    views = np.where(above if shortcut else generator.random(STUDIES) < 0.5, "AP", "PA")
    patients = [f"p{n // 2}" for n in range(STUDIES)]
    if shared:
        patients[-1] = "p0"
    studies = [
        {
            "corpus": "made",
            "study_id": f"s{n}",
            "patient_id": patients[n],
            "images": [{"path": f"/made/{n}.png", "view": str(views[n])}],
            "sex": sex,
            "age": 50.0 + n % 7,
        }
        for n in range(STUDIES)
    ]
    hashes = [f"hash {0 if repeated and n == STUDIES - 1 else n}" for n in range(STUDIES)]
    texts = [
        f"Study {n}: {chr(97 + n % 26)}{chr(97 + n // 26)}, the words of one."
        for n in range(STUDIES)
    ]
    prepared = PreparedData(
        studies=pd.DataFrame(
            {
                "study_id": [f"s{n}" for n in range(STUDIES)],
                "patient_id": patients,
                "split": split,
                "text": texts,
            }
        ),
        images=pd.DataFrame(
            {"study": range(STUDIES), "image": 0, "cache_row": range(STUDIES)}, dtype=int
        ),
        labels=pd.DataFrame({"edema_severity": pd.array(np.where(above, 2, 0), dtype="Int8")}),
        cache=SimpleNamespace(index=pd.DataFrame({"row": range(STUDIES), "sha256": hashes})),
        hashes={},
        left_out={},
    )
    return prepared, list_studies("made", Path("/made"), studies)


LONG = f"Edema 12 hours after {' '.join(f'word{chr(97 + n)}' for n in range(26))}."
NUMBERS = {"seed": 0, "resamples": 50}


def test_clean_data_pass():
    prepared, listing = make_data()
    verdicts = {c.name: c.verdict for c in check_trust(prepared, listing, 0.9, **NUMBERS)}
    assert verdicts["Patients apart"] == verdicts["Images apart"] == "passed"
    assert verdicts["Metadata alone"] == verdicts["One age group"] == "passed"


@pytest.mark.parametrize(
    ("fault", "name", "verdict", "found"),
    [
        ("shared", "Patients apart", "error", "1 of 60 patients"),
        ("repeated", "Images apart", "error", "1 of 60 validation and test images"),
        ("shortcut", "Metadata alone", "warning", "AUC 0v123 1.000"),
    ],
)
def test_a_planted_fault_is_found(fault, name, verdict, found):
    prepared, listing = make_data(**{fault: True})
    checks = {check.name: check for check in check_trust(prepared, listing, 0.9, **NUMBERS)}
    assert checks[name].verdict == verdict
    assert checks[name].found.startswith(found)


def test_reports_are_the_same_but_for_case_numbers_and_punctuation():
    assert strip_to_words("Heart: 5.2 cm, NORMAL.\n") == "heart cm normal"
    studies = pd.DataFrame(
        {
            "split": ["train", "train", "test", "test", "test"],
            "text": ["Clear lungs.", LONG, "CLEAR LUNGS, 12", LONG.replace("12", "twelve"), None],
        }
    )
    check = check_reports(studies)
    assert check.verdict == "warning"
    assert check.found.startswith("2 of 2 test reports are nearly in training too (80% of")
    assert "1 of them the same" in check.found
    assert check_reports(studies[studies["split"] == "train"]).verdict == "passed"


def test_metadata_are_what_varies_and_nothing_else():
    prepared, listing = make_data()
    assert list(list_metadata(prepared, listing)) == ["age", "view_AP", "view_PA"]
    constant = list_metadata(prepared, listing)[[]]
    assert metadata_auc(prepared, constant, **NUMBERS) is None


@pytest.mark.parametrize(
    ("auc", "model", "verdict"),
    [(0.71, 0.95, "warning"), (0.6, 0.95, "passed"), (0.6, 0.64, "warning"), (0.6, None, "passed")],
)
def test_metadata_are_suspect_alone_or_beside_the_model(auc, model, verdict):
    assert judge_metadata(Interval(auc, 0.5, 0.8, 9, 9), model, ["view"]).verdict == verdict


def test_what_cannot_be_checked_is_said():
    assert judge_metadata(None, 0.9, []).verdict == "not checked"


@pytest.mark.parametrize(
    ("ages", "verdict"),
    [([4, 60], "warning"), ([4, 5], "passed"), ([60], "passed"), ([None], "not checked")],
)
def test_children_among_adults_are_warned_of(ages, verdict):
    listing = SimpleNamespace(studies={"age": ages})
    assert check_ages(listing, pd.DataFrame(index=range(len(ages)))).verdict == verdict


def test_each_check_stands_alone():
    prepared, _ = make_data()
    assert check_patients(prepared.studies).found == "0 of 60 patients are in more than one split"
    assert check_images(prepared).found.startswith("0 of 60")
