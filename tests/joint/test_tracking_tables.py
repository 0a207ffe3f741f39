"""The charts' numbers, against slow counting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from joint.predictions import AS_REPORTED, CALIBRATED, RAW
from joint.tracking.tables import tabulate_curves
from vision.figures import FEWEST_IN_BIN

IMAGES = 80


def predictions(**columns):
    generator = np.random.default_rng(0)
    grades = np.arange(IMAGES) % 4
    stated = generator.dirichlet(np.ones(4), IMAGES) + 0.5 * np.eye(4)[grades]
    stated /= stated.sum(axis=1, keepdims=True)
    frame = pd.DataFrame(stated, columns=list(CALIBRATED))
    frame[list(RAW)] = np.roll(stated, 1, axis=1)
    frame["study_id"] = [f"s{n}" for n in range(IMAGES)]
    frame["split"] = np.where(np.arange(IMAGES) < 70, "test", "validate")
    frame["report_severity"] = pd.array(grades, dtype="Int8")
    frame.loc[60:65, "report_severity"] = pd.NA
    return frame.assign(**columns)


def known(frame):
    return frame[(frame["split"] == "test") & frame["report_severity"].notna()]


def test_the_confusion_counts_graded_test_images():
    frame = predictions()
    rows = tabulate_curves(frame, None)["report/confusion"].rows
    test = known(frame)
    graded = test[list(CALIBRATED)].to_numpy().argmax(axis=1)
    for reference, predicted, images in rows:
        here = (test["report_severity"] == int(reference)) & (graded == int(predicted))
        assert images == here.sum()
    assert sum(row[2] for row in rows) == len(test) == 64


def test_a_point_of_a_curve_is_the_best_sensitivity_at_its_false_positive_rate():
    frame = predictions()
    test = known(frame)
    truth = test["report_severity"].to_numpy(int)
    for threshold, k in (("0v123", 0), ("01v23", 1), ("012v3", 2)):
        above = test[list(CALIBRATED)].to_numpy()[:, k + 1 :].sum(axis=1)
        rates = [
            (np.mean(above[truth <= k] >= cut), np.mean(above[truth > k] >= cut))
            for cut in [*above, np.inf]
        ]
        rows = tabulate_curves(frame, None)["report/roc"].rows
        points = [(x, y) for name, x, y in rows if name == threshold]
        assert points[-1] == (1.0, 1.0)
        for x, y in points:
            assert y == pytest.approx(max(sens for false, sens in rates if false <= x + 1e-12))


def test_a_bin_of_the_reliability_holds_enough_images_and_their_share():
    frame = predictions()
    test = known(frame)
    truth = test["report_severity"].to_numpy(int)
    rows = tabulate_curves(frame, None)["report/reliability"].rows
    assert {row[0] for row in rows} == {"0v123", "01v23", "012v3"}
    for threshold, stated, observed, images in rows:
        k = ("0v123", "01v23", "012v3").index(threshold)
        above = np.clip(test[list(CALIBRATED)].to_numpy()[:, k + 1 :].sum(axis=1), 0, 1)
        inside = np.minimum((above * 10).astype(int), 9) == min(int(stated * 10), 9)
        assert images == inside.sum() >= FEWEST_IN_BIN
        assert observed == pytest.approx(np.mean(truth[inside] > k))


def test_a_reference_has_its_own_tables_and_a_one_sided_threshold_no_curve():
    frame = predictions()
    reference = pd.Series({f"s{n}": n % 2 for n in range(0, 70, 2)})
    tables = tabulate_curves(frame, reference)
    assert len(tables) == 6
    assert sum(row[2] for row in tables["reference/confusion"].rows) == 35
    assert tables["reference/roc"].rows == []
    assert len(tabulate_curves(frame, pd.Series({"other": 1}))) == 3


def test_after_a_correction_the_report_is_held_against_what_a_report_would_say():
    corrected = {name: 1.0 if name.startswith("p3") else 0.0 for name in AS_REPORTED}
    tables = tabulate_curves(predictions(**corrected), pd.Series({"s1": 1, "s2": 2}))
    assert {row[1] for row in tables["report/confusion"].rows if row[2]} == {"3"}
    assert {row[1] for row in tables["reference/confusion"].rows if row[2]} != {"3"}
