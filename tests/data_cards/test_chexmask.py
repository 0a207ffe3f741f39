from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from data_cards.chexmask.reader import name_image, read_chexmask
from data_cards.chexmask.runs import decode_runs
from data_cards.study import CorpusError
from tests.data_cards.corpus_trees import hash_tree, write_table

ROW = {
    "dicom_id": "02aa804e-bde0afdd-112c0b34-7bc16630-4e384014",
    "Dice RCA (Max)": "0.9",
    "Dice RCA (Mean)": "0.85",
    "Landmarks": "1,2,3,4",
    "Left Lung": "2 2 8 1",
    "Right Lung": "12 1",
    "Heart": "6 1",
    "Height": "3",
    "Width": "4",
}
LUNGS = [[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1]]


def make_table(folder: Path, *rows: Mapping[str, str]) -> Path:
    return write_table(folder / "MIMIC-CXR-JPG.csv", [ROW | row for row in rows])


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("1 1", [[1, 0, 0], [0, 0, 0]]),
        ("3 2", [[0, 0, 1], [1, 0, 0]]),
        ("6 1", [[0, 0, 0], [0, 0, 1]]),
        ("1 6", [[1, 1, 1], [1, 1, 1]]),
        ("1 2 3 1 5 2", [[1, 1, 1], [0, 1, 1]]),
        ("", [[0, 0, 0], [0, 0, 0]]),
    ],
)
def test_runs_are_decoded_row_by_row_from_one(text, mask):
    decoded = decode_runs(text, 2, 3)
    assert decoded.dtype == np.bool_
    assert decoded.astype(int).tolist() == mask


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("1 2 3", (2, 3), "3 numbers; expected pairs"),
        ("a b", (2, 3), "no whole numbers"),
        ("1.5 2", (2, 3), "no whole numbers"),
        ("99999999999999999999 1", (2, 3), "no whole numbers"),
        ("0 2", (2, 3), "leave its 2 by 3"),
        ("6 2", (2, 3), "leave its 2 by 3"),
        ("1 3 3 1", (2, 3), "empty or overlap"),
        ("5 1 2 1", (2, 3), "empty or overlap"),
        ("1 0", (2, 3), "empty or overlap"),
        ("1 1", (0, 3), "expected the size of an image"),
        ("1 1", (1 << 20, 1 << 20), "expected the size of an image"),
    ],
)
def test_runs_that_are_no_mask_are_refused(text, size, expected):
    with pytest.raises(CorpusError, match=expected):
        decode_runs(text, *size)


def test_runs_written_as_the_publishers_do_come_back(tmp_path):
    mask = np.random.default_rng(0).random((37, 53)) > 0.6
    pixels = np.concatenate([[0], mask.ravel().astype(int), [0]])
    runs = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    runs[1::2] -= runs[::2]
    assert (decode_runs(" ".join(map(str, runs)), 37, 53) == mask).all()


def test_lungs_are_joined_and_found_by_any_name_of_the_image(tmp_path):
    table = make_table(tmp_path, {}, {"dicom_id": "other", "Left Lung": "1 1", "Right Lung": ""})
    before = hash_tree(tmp_path)
    masks = read_chexmask(table)
    for name in (ROW["dicom_id"], f"{ROW['dicom_id']}.jpg", f"/x/files/p10/{ROW['dicom_id']}.jpg"):
        assert masks.read_lungs(name).astype(int).tolist() == LUNGS
    assert masks.read_heart(ROW["dicom_id"]).sum() == 1
    assert masks.read_lungs("other").sum() == 1
    assert masks.read_lungs("nobody") is None
    assert ("other" in masks, "nobody" in masks, len(masks)) == (True, False, 2)
    assert hash_tree(tmp_path) == before


def test_rows_of_low_or_no_quality_are_counted_and_left_out(tmp_path):
    rows = [("a", "0.7"), ("b", "0.699"), ("c", "nan"), ("d", ""), ("e", "1.0"), ("f", "inf")]
    table = make_table(tmp_path, *({"dicom_id": i, "Dice RCA (Mean)": q} for i, q in rows))
    masks = read_chexmask(table)
    assert (sorted(masks.offsets), masks.below) == (["a", "e"], 4)
    with pytest.raises(CorpusError, match=r"no row with a Dice RCA .* of at least 1"):
        read_chexmask(table, least_dice=1.01)


def test_rows_over_several_lines_and_broken_rows_are_told_apart(tmp_path, caplog):
    printed = "[[1 2]\n [3 4]]"
    table = make_table(tmp_path, {"dicom_id": "a", "Landmarks": printed}, {"dicom_id": "b"})
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join([*lines[:3], "\n", "cut,0.9\n", *lines[3:], 'x,0.9,"never closed']))
    masks = read_chexmask(table)
    assert sorted(masks.offsets) == ["a", "b"]
    assert masks.read_lungs("b").astype(int).tolist() == LUNGS
    assert masks.damaged == (3, 5)
    assert "2 rows are not whole" in caplog.text


@pytest.mark.parametrize("column", ["dicom_id", "Image Index", "ImageID", "image_id", "Path"])
def test_every_table_names_its_images(tmp_path, column):
    row = {column if name == "dicom_id" else name: value for name, value in ROW.items()}
    masks = read_chexmask(write_table(tmp_path / "t.csv", [row | {column: "00000001_000.png"}]))
    assert masks.read_lungs("images_001/images/00000001_000.png").sum() == 4


def test_images_of_chexpert_are_named_by_patient_and_study():
    table = "train/patient00001/study1/view1_frontal.jpg"
    assert name_image(table) == name_image(f"/data/CheXpert-v1.0-small/{table}")
    assert name_image(table) != name_image("valid/patient00001/study1/view1_frontal.jpg")
    assert name_image("1.2.840.113") == "1.2.840.113"


@pytest.mark.parametrize(
    ("left_out", "expected"),
    [("Height", "columns missing: Height"), ("dicom_id", "column of image ids missing")],
)
def test_a_table_of_other_columns_is_refused(tmp_path, left_out, expected):
    row = {name: value for name, value in ROW.items() if name != left_out}
    with pytest.raises(CorpusError, match=expected):
        read_chexmask(write_table(tmp_path / "t.csv", [row]))


def test_a_missing_table_and_runs_that_are_damaged_are_named(tmp_path):
    with pytest.raises(CorpusError, match=r"nowhere\.csv: cannot be read: No such file"):
        read_chexmask(tmp_path / "nowhere.csv")
    masks = read_chexmask(
        make_table(tmp_path, {"Left Lung": "1 x"}, {"dicom_id": "s", "Width": "inf"})
    )
    with pytest.raises(CorpusError, match=r"JPG\.csv, at byte \d+: runs of a mask that are no"):
        masks.read_lungs(ROW["dicom_id"])
    with pytest.raises(CorpusError, match=r"JPG\.csv, at byte"):
        masks.read_lungs("s")
