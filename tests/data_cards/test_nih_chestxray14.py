"""ChestX-ray14 in its twelve folders, drawn small."""

from __future__ import annotations

import pytest

from data_cards.nih_chestxray14 import reader
from data_cards.nih_chestxray14.reader import read_nih_chestxray14
from data_cards.splits import assign_splits
from data_cards.study import CorpusError
from tests.data_cards.corpus_trees import hash_tree, write_files

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
# file, labels, patient, age, sex, view, folder
IMAGES = [
    ("00000001_000.png", "Cardiomegaly", "1", "57", "M", "PA", "images_001"),
    ("00000001_001.png", "Cardiomegaly|Emphysema", "1", "058Y", "M", "PA", "images_001"),
    ("00000002_000.png", "No Finding", "2", "80", "M", "AP", "images_002"),
    ("00000003_000.png", "Hernia", "3", "411", "F", "PA", "images_012"),
]


def write_nih(root, *, inside="{}/images", table="Data_Entry_2017_v2020.csv", lists=True):
    rows = [
        f"{file},{labels},0,{patient},{age},{sex},{view},2682,2749,0.143,0.143"
        for file, labels, patient, age, sex, view, _ in IMAGES
    ]
    end = "," if table == "Data_Entry_2017.csv" else ""  # the older table ends its lines so
    root.mkdir(parents=True, exist_ok=True)
    (root / table).write_text("\n".join(line + end for line in (HEADER, *rows)) + "\n")
    for file, *_, folder in IMAGES:
        write_files(root / inside.format(folder), file)
    if lists:
        names = [file for file, *_ in IMAGES]
        (root / "train_val_list.txt").write_text("\n".join(names[:2] + names[3:]))
        (root / "test_list.txt").write_text(names[2] + "\n")
    return root


@pytest.mark.parametrize("inside", ["{}/images", "{}", "images", "."])
@pytest.mark.parametrize("table", ["Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv"])
def test_each_image_is_a_study_wherever_it_lies(tmp_path, inside, table):
    listing = read_nih_chestxray14(write_nih(tmp_path, inside=inside, table=table))
    assert listing.studies["study_id"][:] == [file.removesuffix(".png") for file, *_ in IMAGES]
    assert listing.studies["patient_id"][:] == ["1", "1", "2", "3"]
    assert listing.studies["age"][:] == [57.0, 58.0, 80.0, None]
    assert listing.studies["sex"][:] == ["M", "M", "M", "F"]
    assert [study["images"][0]["view"] for study in listing.studies] == ["PA", "PA", "AP", "PA"]
    assert listing.skipped == ()


def test_the_official_split_holds_and_validate_is_carved_by_patient(tmp_path):
    listing = read_nih_chestxray14(write_nih(tmp_path))
    assert listing.studies["split"][:] == ["train", "train", "test", "train"]
    carved = assign_splits(listing, seed=0, validate=0.4)["split"][:]
    assert carved[2] == "test"
    assert (carved[0], sorted({carved[1], carved[3]})) == (carved[1], ["train", "validate"])


def test_without_the_lists_there_is_no_official_split(tmp_path):
    listing = read_nih_chestxray14(write_nih(tmp_path, lists=False))
    assert set(listing.studies["split"][:]) == {None}


def test_an_image_in_both_lists_is_refused(tmp_path):
    root = write_nih(tmp_path)
    (root / "test_list.txt").write_text(IMAGES[0][0])
    with pytest.raises(CorpusError, match=r"test_list\.txt: lists an image that train has"):
        read_nih_chestxray14(root)


def test_a_missing_image_is_named(tmp_path):
    root = write_nih(tmp_path)
    (root / "images_012/images/00000003_000.png").unlink()
    listing = read_nih_chestxray14(root)
    assert [str(skip) for skip in listing.skipped] == ["00000003_000.png: no such image"]
    assert len(listing.studies) == 3


def test_a_path_that_leaves_the_root_is_refused(tmp_path):
    root = write_nih(tmp_path)
    table = root / "Data_Entry_2017_v2020.csv"
    table.write_text(table.read_text().replace(IMAGES[0][0], "../secret.png"))
    with pytest.raises(CorpusError, match="names no file below the corpus root"):
        read_nih_chestxray14(root)


def test_counts_of_the_full_set_are_compared(tmp_path, caplog, monkeypatch):
    root = write_nih(tmp_path)
    monkeypatch.setattr(reader, "KNOWN_COUNTS", {"images": 4, "patients": 3, "test": 2})
    read_nih_chestxray14(root)
    assert caplog.messages == ["ChestX-ray14: 1 test, and 2 are published"]


def test_reading_changes_nothing(tmp_path):
    root = write_nih(tmp_path)
    before = hash_tree(root)
    read_nih_chestxray14(root)
    assert hash_tree(root) == before
