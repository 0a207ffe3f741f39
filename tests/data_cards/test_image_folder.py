from __future__ import annotations

from pathlib import Path

import pytest

from data_cards.image_folder.reader import read_image_folder
from data_cards.study import CorpusError


def make_tree(root: Path, *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"image")
    return root


def read_places(root: Path) -> dict[str, tuple[str | None, str | None]]:
    studies = read_image_folder(root).studies
    return {study["study_id"]: (study["split"], study["class_name"]) for study in studies}


@pytest.mark.parametrize(
    "places",
    [
        {"a.png": (None, None)},
        {"A/1.png": (None, "A"), "B/1.png": (None, "B")},
        {"A/1.png": (None, "A")},
        {"all/A/1.png": (None, "A"), "all/B/2.png": (None, "B")},
        {"A/p1/1.png": (None, "A"), "B/p2/1.png": (None, "B")},
        {"train/A/1.png": ("train", "A"), "test/B/1.png": ("test", "B")},
        {"x/Train/A/1.png": ("train", "A"), "x/Val/A/2.png": ("validate", "A")},
        {"A/train/1.png": ("train", "A"), "B/test/2.png": ("test", "B")},
        {"train/1.png": ("train", None), "test/2.png": ("test", None)},
        {"d/d/Test/Non-COVID/images/1.png": ("test", "Non-COVID")},
        {"C/images/1.png": (None, "C"), "V P/images/2.png": (None, "V P")},
    ],
    ids=lambda places: next(iter(places)),
)
def test_split_and_class_are_read_from_folders(tmp_path, places):
    assert read_places(make_tree(tmp_path, *places)) == places


def test_every_file_type_is_read_in_any_case(tmp_path):
    names = ["1.png", "2.JPG", "3.jpeg", "4.dcm", "5.TIF", "6.tiff", "7.bmp", "8.webp"]
    assert sorted(read_places(make_tree(tmp_path, *names))) == sorted(names)


def test_patients_are_file_stems_within_a_split(tmp_path):
    tree = make_tree(tmp_path, "train/A/1.png", "train/B/1.jpg", "test/A/1.png")
    studies = read_image_folder(tree).studies
    assert sorted(studies["patient_id"][:]) == ["test/1", "train/1", "train/1"]
    studies = read_image_folder(make_tree(tmp_path / "plain", "A/7.png", "B/8.png")).studies
    assert sorted(studies["patient_id"][:]) == ["7", "8"]


def test_ids_do_not_change_when_files_are_added(tmp_path):
    before = set(read_places(make_tree(tmp_path, "A/1.png", "A/2.png")))
    after = set(read_places(make_tree(tmp_path, "B/1.png", "A/1.jpg", "A/1.tif")))
    assert before < after


def test_what_is_no_image_of_the_corpus_is_not_read(tmp_path):
    make_tree(
        tmp_path,
        "A/1.png",
        "A/notes.txt",
        "A/Thumbs.db",
        "A/more.txt",
        "A/.hidden.png",
        ".cache/2.png",
        "__MACOSX/A/._1.png",
        "A/masks/1.png",
        "lung masks/1.png",
    )
    (tmp_path / "A" / "empty.png").touch()
    (tmp_path / "linked").symlink_to(tmp_path / "A")
    listing = read_image_folder(tmp_path)
    assert listing.studies["study_id"][:] == ["A/1.png"]
    assert sorted(map(str, listing.skipped)) == [
        "A/empty.png: empty file",
        "A/masks: a folder of masks",
        "A: files of a type that is not read: .db (1)",
        "A: files of a type that is not read: .txt (2)",
        "linked: a link to a folder; links are not followed",
        "lung masks: a folder of masks",
    ]


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="no study of corpus 'image_folder' found"):
        read_image_folder(tmp_path)
    with pytest.raises(CorpusError, match="expected a tree of images"):
        read_image_folder(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("kermany", {("train", "NORMAL"), ("train", "PNEUMONIA"), ("test", "NORMAL")}),
        ("covid_qu_ex", {("train", "COVID-19"), ("validate", "Non-COVID"), ("test", "Normal")}),
    ],
)
def test_real_trees_have_their_splits_and_classes(shared_data, name, counts):
    if not (shared_data / name).is_dir():
        pytest.skip(f"no real data: ../shared/data/{name} is not there")
    places = read_places(shared_data / name)
    assert counts <= set(places.values())
    assert len(places) == {"kermany": 1203, "covid_qu_ex": 300}[name]
