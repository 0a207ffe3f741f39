"""Shortcuts: a marker outside of the lungs is found, disease inside of them is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from joint.trust.inputs import TrustInputError
from joint.trust.lungs import open_lungs
from joint.trust.metadata import measure_edges
from joint.trust.probe import MOST_IMAGES, draw_rows
from joint.trust.shortcuts import check_metadata, check_model, check_outside
from joint.trust.zones import draw_zone, find_lungs, find_pictures
from tests.joint.trust_cases import (
    IMAGES,
    LUNG,
    look_at_corner,
    look_at_lungs,
    make_inputs,
    stamp,
    with_model,
)
from vision.model_folder import ModelFolderError


@pytest.mark.parametrize("classes", [("clear", "ill"), ("clear", "ill", "very ill")])
@pytest.mark.parametrize(("pixels", "verdict"), [(None, "passed"), (stamp, "warning")])
def test_a_marker_is_learned_anew_and_disease_in_lungs_is_not(pixels, verdict, classes):
    assert check_outside(make_inputs(pixels=pixels, classes=classes)).verdict == verdict


def test_what_only_names_the_view_is_no_shortcut_within_a_view():
    def views(labels):
        generator = np.random.default_rng(2)
        other = generator.random(len(labels)) < 0.15
        return {"view": np.where((labels > 0) ^ other, "AP", "PA")}

    inputs = make_inputs(rows=views)
    images = inputs.pixels(np.arange(IMAGES)).copy()
    images[inputs.rows["view"].eq("AP").to_numpy(), 2:7, 2:7] = 255
    marked = replace(inputs, pixels=lambda asked: images[asked])
    check = check_outside(marked)
    assert check.verdict == "passed"
    assert "within a view" in check.found
    assert check_outside(replace(marked, rows=marked.rows.assign(view=None))).verdict == "warning"


def test_a_model_that_looks_at_lungs_fails_without_them():
    without, alone = check_model(with_model(make_inputs(), look_at_lungs))
    assert (without.verdict, alone.verdict) == ("passed", "passed")
    assert "AUC 0.500 [0.500, 0.500] with a zone that holds any lungs black" in without.found


def test_a_model_that_looks_at_a_marker_is_caught_by_both_controls():
    without, alone = check_model(with_model(make_inputs(pixels=stamp), look_at_corner))
    assert (without.verdict, alone.verdict) == ("warning", "warning")
    assert without.found.startswith("AUC 1.000")


def test_without_a_model_or_images_nothing_is_judged():
    inputs = make_inputs()
    assert [check.verdict for check in check_model(inputs)] == ["not checked"] * 2
    inputs = replace(inputs, labels=np.full(IMAGES, -1))
    assert check_outside(inputs).verdict == "not checked"
    assert check_metadata(inputs).verdict == "not checked"
    judged = check_model(with_model(inputs, look_at_lungs))
    assert [check.verdict for check in judged] == ["not checked"] * 2


@pytest.mark.parametrize(
    ("rows", "verdict", "named"),
    [
        (lambda labels: {"width": 500 + 80 * labels}, "warning", "width"),
        (lambda labels: {"source": np.where(labels, "ward", "clinic")}, "warning", "source"),
        (lambda labels: {"age": 40 + np.arange(len(labels)) % 7}, "passed", "age"),
    ],
)
def test_metadata_that_give_the_class_away_are_named(rows, verdict, named):
    check = check_metadata(make_inputs(rows=rows))
    assert check.verdict == verdict
    assert named in check.found


def test_metadata_are_held_against_the_model():
    def weakly(labels):
        return {"age": 40 + labels * 8 + np.random.default_rng(0).normal(0, 15, len(labels))}

    for rows, verdict in ((weakly, "warning"), (lambda _: {}, "passed")):
        check = check_metadata(
            with_model(make_inputs(rows=rows), lambda pixels: np.full(len(pixels), 0.5))
        )
        assert check.verdict == verdict, check.found
        assert check.found.endswith("; the model 0.500")


def test_edges_are_measured_in_shares_of_the_side():
    pixels = np.full((1, 50, 50), 100, np.uint8)
    pixels[0, :10] = 0
    pixels[0, 10, :] = 200
    edges = measure_edges(pixels).iloc[0]
    assert edges["black rows"] == pytest.approx(0.2)
    assert edges["black columns"] == 0
    assert 100 / 255 < edges["border"] < 200 / 255


def test_the_zone_is_placed_in_the_picture_and_covers_the_middle():
    pixels = np.zeros((2, 64, 64), np.uint8)
    pixels[0, :, 16:48] = 90
    hidden, kept = find_lungs(make_inputs(), np.arange(2), pixels)
    assert find_pictures(pixels)[0] == (0, 64, 16, 48)
    assert np.array_equal(hidden[0, :, 16:48], draw_zone(64, 32))
    assert not hidden[0, :, :16].any()
    assert hidden[0, 32, 20:44].all()
    assert np.array_equal(hidden, kept)
    assert np.array_equal(hidden[1], draw_zone(64, 64))


def test_lungs_that_are_known_are_hidden_with_all_between_them():
    def lungs(rows, pixels):
        masks = np.zeros(pixels.shape, bool)
        masks[0, 20:40, 12:22] = masks[0, 20:40, 42:52] = True
        return masks

    inputs = make_inputs(lung_masks=lungs)
    hidden, kept = find_lungs(inputs, np.arange(2), np.full((2, 64, 64), 90, np.uint8))
    assert hidden[0, 30, 12:52].all()
    assert not kept[0, 30, 28:36].any()
    assert not hidden[0, 10].any()
    assert np.array_equal(hidden[1], draw_zone(64, 64))


def test_a_segmenter_that_is_not_there_is_refused(tmp_path):
    assert open_lungs(None) is None
    with pytest.raises(ModelFolderError, match=r"nowhere"):
        open_lungs(tmp_path / "nowhere")


def test_rare_classes_come_whole_into_a_sample():
    made = make_inputs()
    many = pd.concat([made.rows] * 32, ignore_index=True).iloc[:5000]
    inputs = replace(made, rows=many, labels=(np.arange(5000) % 50 == 0).astype(int))
    rows = draw_rows(inputs)
    assert len(rows) == MOST_IMAGES
    assert inputs.labels[rows].sum() == 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.zeros(3, int)}, "160 images, but 3 labels"),
        ({"classes": ("one",)}, "classes are"),
        ({"probabilities": np.ones((4, 2))}, r"expected \(60, 2\)"),
    ],
)
def test_inputs_that_do_not_belong_together_are_refused(change, message):
    with pytest.raises(TrustInputError, match=message):
        replace(make_inputs(), **change)


def test_lungs_lie_where_the_tests_draw_them():
    assert draw_zone(64, 64)[LUNG].mean() > 0.95
