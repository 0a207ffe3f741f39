"""The shuffled control breaks every image-report pair and nothing else."""

from __future__ import annotations

import numpy as np

from joint.pairs import shuffle_reports
from tests.joint.tiny import tiny_data, tiny_joint_task


def test_every_training_image_gets_a_foreign_report_of_the_same_kind():
    images, pairs, _ = tiny_data()
    shuffled = shuffle_reports(pairs, images.train, seed=1)
    own, foreign = pairs.report_of[images.train], shuffled.report_of[images.train]
    has_report = own >= 0
    assert (foreign[has_report] != own[has_report]).all()
    assert (foreign[~has_report] == -1).all()
    assert sorted(foreign) == sorted(own)
    assert (pairs.has_severity[foreign] == pairs.has_severity[own])[has_report].all()
    assert (shuffled.report_of[images.validate] == pairs.report_of[images.validate]).all()


def test_images_of_one_study_get_the_same_foreign_report():
    images, pairs, _ = tiny_data()
    pairs.report_of[1] = pairs.report_of[4]
    shuffled = shuffle_reports(pairs, images.train, seed=1)
    assert shuffled.report_of[1] == shuffled.report_of[4]


def test_labels_stay_with_their_image_and_with_their_report():
    rows = np.arange(8)
    plain, shuffled = tiny_joint_task(), tiny_joint_task(shuffle_reports=True)
    ours, theirs = plain.load(rows, step=0), shuffled.load(rows, step=0)
    assert (ours["severity_targets"] == theirs["severity_targets"]).all()
    assert (ours["images"] == theirs["images"]).all()
    report = shuffled.pairs.report_of[rows]
    has_report = theirs["has_report"].numpy()
    expected = shuffled.pairs.severity_targets[report][has_report]
    assert (theirs["report_targets"].numpy()[has_report] == expected).all()
    assert (ours["groups"] != theirs["groups"]).any()


def test_evaluation_batches_hold_no_report():
    assert set(tiny_joint_task().load(np.arange(4), step=None)) == {"images"}
