"""CheXpert as Stanford ships it and as CheXlocalize ships its test set, drawn small."""

from __future__ import annotations

import pytest

from data_cards.chexpert import reader
from data_cards.chexpert.reader import read_chexpert
from data_cards.study import CorpusError
from tests.data_cards.corpus_trees import hash_tree, write_files, write_table

COLUMNS = (
    "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,"
    "Lung Opacity,Lung Lesion,Edema,Consolidation,Pneumonia,Atelectasis,Pneumothorax,"
    "Pleural Effusion,Pleural Other,Fracture,Support Devices"
)
TRAIN = [
    ("patient00001/study1/view1_frontal.jpg", "Female", "68", "Frontal", "AP"),
    ("patient00001/study2/view1_frontal.jpg", "Female", "69", "Frontal", "PA"),
    ("patient00001/study2/view2_lateral.jpg", "Female", "69", "Lateral", ""),
    ("patient00002/study1/view1_frontal.jpg", "Unknown", "0", "Frontal", "LL"),
]
VALID = [("patient64541/study1/view1_frontal.jpg", "Male", "73", "Frontal", "AP")]
TEST = "patient64741/study1/view1_frontal.jpg"


def make_rows(top, folder, images):
    names = COLUMNS.split(",")[:5]
    return [
        dict(zip(names, (f"{top}/{folder}/{path}", *rest), strict=True)) for path, *rest in images
    ]


def write_chexpert(root, top="CheXpert-v1.0-small", inside=None):
    home = root / (top if inside is None else inside)
    write_table(home / "train.csv", make_rows(top, "train", TRAIN), COLUMNS)
    write_table(home / "valid.csv", make_rows(top, "valid", VALID), COLUMNS)
    write_files(home / "train", *(path for path, *_ in TRAIN))
    write_files(home / "valid", *(path for path, *_ in VALID))
    return root


def test_a_study_has_its_images_views_and_what_is_known_of_the_patient(tmp_path):
    listing = read_chexpert(write_chexpert(tmp_path))
    studies = {study["study_id"]: study for study in listing.studies}
    assert list(studies) == [
        *("patient00001/study1", "patient00001/study2"),
        *("patient00002/study1", "patient64541/study1"),
    ]
    second = studies["patient00001/study2"]
    assert [image["view"] for image in second["images"]] == ["PA", "LATERAL"]
    assert (second["patient_id"], second["sex"], second["age"]) == ("patient00001", "F", 69.0)
    unknown = studies["patient00002/study1"]
    assert (unknown["sex"], unknown["age"]) == (None, None)
    assert [study["split"] for study in studies.values()] == [*["train"] * 3, "validate"]
    assert listing.skipped == ()


@pytest.mark.parametrize(
    ("top", "inside"),
    [
        ("CheXpert-v1.0", None),
        ("CheXpert-v1.0-small", None),
        ("CheXpert-v1.0-small", "."),
        ("CheXpert-v1.0", "CheXpert-v1.0 batch 1 (validate & csv)"),
    ],
)
def test_every_download_reads_alike(tmp_path, top, inside):
    listing = read_chexpert(write_chexpert(tmp_path, top, inside))
    assert (len(listing.studies), listing.skipped) == (4, ())


def test_training_images_may_lie_in_batches_of_the_download(tmp_path):
    csv_batch = "CheXpert-v1.0 batch 1 (validate & csv)"
    write_chexpert(tmp_path, "CheXpert-v1.0", csv_batch)
    train = tmp_path / csv_batch / "train"
    for number, patient in enumerate(("patient00001", "patient00002"), start=2):
        batch = tmp_path / f"CheXpert-v1.0 batch {number} (train {number - 1})"
        batch.mkdir()
        (train / patient).rename(batch / patient)
    listing = read_chexpert(tmp_path)
    assert (len(listing.studies), listing.skipped) == (4, ())


def test_the_test_set_of_chexlocalize_is_read(tmp_path):
    write_chexpert(tmp_path)
    home = tmp_path / "CheXpert"
    write_files(home, f"test/{TEST}")
    write_table(home / "test_labels.csv", [{"Path": f"test/{TEST}", "Edema": "1.0"}])
    write_table(home / "val_labels.csv", [{"Path": "val/patient1/study1/x.jpg", "Edema": "1"}])
    listing = read_chexpert(tmp_path)
    last = listing.studies[len(listing.studies) - 1]
    assert (last["study_id"], last["split"]) == ("patient64741/study1", "test")
    assert last["images"][0]["view"] is None
    assert listing.skipped == (), "valid.csv has the same studies as val_labels.csv"


@pytest.mark.parametrize("named", ["CheXpert-v1.0/valid", "CheXpert/val", "val"])
def test_chexlocalize_may_name_its_folder_val_as_chexpert_does(tmp_path, named):
    home = tmp_path / "CheXpert"
    write_files(home / "val", VALID[0][0])
    write_table(home / "val_labels.csv", [{"Path": f"{named}/{VALID[0][0]}", "Edema": "0.0"}])
    listing = read_chexpert(tmp_path)
    assert listing.skipped == ()
    assert listing.studies[0]["images"][0]["path"] == str(home / "val" / VALID[0][0])
    assert listing.studies[0]["split"] == "validate"


def test_an_image_that_is_listed_twice_counts_once(tmp_path):
    root = write_chexpert(tmp_path)
    rows = make_rows("CheXpert-v1.0-small", "train", [*TRAIN, TRAIN[2], TRAIN[2]])
    write_table(root / "CheXpert-v1.0-small/train.csv", rows, COLUMNS)
    listing = read_chexpert(root)
    assert [len(study["images"]) for study in listing.studies] == [1, 2, 1, 1]
    again = "CheXpert-v1.0-small/train/patient00001/study2/view2_lateral.jpg: listed again"
    assert [str(skip) for skip in listing.skipped] == [f"{again} in its study"] * 2


def test_a_missing_image_is_named_and_its_study_keeps_the_others(tmp_path):
    root = write_chexpert(tmp_path)
    (root / "CheXpert-v1.0-small/train/patient00001/study2/view2_lateral.jpg").unlink()
    (root / "CheXpert-v1.0-small/valid/patient64541/study1/view1_frontal.jpg").unlink()
    listing = read_chexpert(root)
    assert sorted(map(str, listing.skipped)) == [
        "train/patient00001/study2/view2_lateral.jpg: no such image",
        "valid/patient64541/study1/view1_frontal.jpg: no such image",
    ]
    assert [len(study["images"]) for study in listing.studies] == [1, 1, 1]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("../train/patient00001/study1/view1_frontal.jpg", "names no file below the corpus root"),
        ("/etc/train/patient1/study1/passwd", "names no file below the corpus root"),
        ("images/1.jpg", r"train.csv, row 1 \(line 2\), Path: expected …/train/patient00001"),
    ],
)
def test_a_path_that_is_none_of_the_corpus_is_refused(tmp_path, path, expected):
    write_table(tmp_path / "train.csv", [{"Path": path}])
    with pytest.raises(CorpusError, match=expected):
        read_chexpert(tmp_path)


def test_a_link_that_leaves_the_root_is_refused(tmp_path):
    root = write_chexpert(tmp_path / "root")
    image = root / "CheXpert-v1.0-small/train" / TRAIN[0][0]
    image.rename(tmp_path / "elsewhere.jpg")
    image.symlink_to(tmp_path / "elsewhere.jpg")
    with pytest.raises(CorpusError, match="outside of the corpus root"):
        read_chexpert(root)


def test_counts_of_the_full_set_are_compared(tmp_path, caplog, monkeypatch):
    root = write_chexpert(tmp_path)
    monkeypatch.setattr(reader, "KNOWN_IMAGES", {"train": 5, "validate": 1})
    read_chexpert(root)
    assert caplog.messages == ["CheXpert: 4 train images, and 5 are published"]


def test_reading_changes_nothing(tmp_path):
    root = write_chexpert(tmp_path)
    before = hash_tree(root)
    read_chexpert(root)
    assert hash_tree(root) == before
