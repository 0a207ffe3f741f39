from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from data_cards.kermany.reader import read_kermany
from data_cards.splits import assign_splits
from data_cards.study import CorpusError
from tests.data_cards.corpus_trees import hash_tree, write_files

KAGGLE = {
    "train/NORMAL/IM-0115-0001.jpeg": "train/normal/0115",
    "train/NORMAL/IM-0640-0001-0002.jpeg": "train/normal/0640",
    "train/NORMAL/NORMAL2-IM-0640-0001.jpeg": "train/normal/0640",
    "train/PNEUMONIA/person1_bacteria_1.jpeg": "train/bacterial/1",
    "train/PNEUMONIA/person1_bacteria_2.jpeg": "train/bacterial/1",
    "train/PNEUMONIA/person1_virus_6.jpeg": "train/viral/1",
    "train/PNEUMONIA/person9_virus_7_1.JPEG": "train/viral/9",
    "val/NORMAL/NORMAL2-IM-1427-0001.jpeg": "train/normal/1427",
    "val/PNEUMONIA/person1_bacteria_9.jpeg": "train/bacterial/1",
    "test/NORMAL/IM-0115-0001.jpeg": "test/normal/0115",
    "test/PNEUMONIA/person1_bacteria_1.jpeg": "test/bacterial/1",
}
MENDELEY = {
    "train/NORMAL/NORMAL-1049278-0001.jpeg": "train/normal/1049278",
    "train/PNEUMONIA/BACTERIA-1008087-0001.jpeg": "train/bacterial/1008087",
    "train/PNEUMONIA/VIRUS-3-0001.jpeg": "train/viral/3",
    "test/PNEUMONIA/VIRUS-3-0002.jpeg": "test/viral/3",
    "test/NORMAL/NORMAL-4-0001.jpeg": "test/normal/4",
}


@pytest.mark.parametrize(
    "above", ["", "chest_xray/", "chest_xray/chest_xray/", "CellData/chest_xray/"]
)
@pytest.mark.parametrize("copy", [KAGGLE, MENDELEY], ids=["kaggle", "mendeley"])
def test_class_and_patient_are_read_from_names(tmp_path, above, copy):
    write_files(tmp_path, *(f"{above}{name}" for name in copy), "__MACOSX/chest_xray/._train")
    before = hash_tree(tmp_path)
    listing = read_kermany(tmp_path)
    assert hash_tree(tmp_path) == before
    assert listing.skipped == ()
    studies = listing.studies
    found = dict(zip(studies["study_id"][:], studies["patient_id"][:], strict=True))
    assert found == copy
    for study in studies:
        assert study["patient_id"].split("/")[:2] == [study["split"], study["class_name"]]


def make_many(root: Path) -> Path:
    names = [
        f"train/PNEUMONIA/person{n}_bacteria_{i}.jpeg"
        for n in range(20)
        for i in (2 * n, 2 * n + 1)
    ]
    write_files(root, *names, "val/PNEUMONIA/person3_bacteria_90.jpeg", *KAGGLE)
    return root


def test_validation_is_made_anew_by_patient_and_the_test_folder_stays(tmp_path):
    listing = read_kermany(make_many(tmp_path))
    split = assign_splits(listing, seed=1)
    assert split["split"][:] == assign_splits(listing, seed=1)["split"][:]
    places = dict(zip(split["study_id"][:], split["split"][:], strict=True))
    assert Counter(places.values())["validate"] in range(5, 10)
    assert {s for s, part in places.items() if part == "test"} == {
        s for s in places if s.startswith("test/")
    }
    same = {places[s] for s in places if "person3_bacteria" in s}
    assert len(same) == 1


def test_an_inner_copy_is_named_and_not_read(tmp_path):
    write_files(
        tmp_path,
        *(f"chest_xray/{n}" for n in KAGGLE),
        *(f"chest_xray/chest_xray/{n}" for n in KAGGLE),
    )
    listing = read_kermany(tmp_path)
    assert len(listing.studies) == len(KAGGLE)
    assert list(map(str, listing.skipped)) == [
        "chest_xray/chest_xray: a second copy of the corpus; not read"
    ]


def test_odd_files_and_missing_folders_are_named(tmp_path):
    write_files(
        tmp_path,
        "train/PNEUMONIA/person1_bacteria_1.jpeg",
        "train/PNEUMONIA/IM-0001-0001.jpeg",
        "train/PNEUMONIA/somebody.jpeg",
        "train/PNEUMONIA/.DS_Store",
        "train/PNEUMONIA/Thumbs.db",
    )
    (tmp_path / "train/PNEUMONIA/person2_virus_2.jpeg").touch()
    listing = read_kermany(tmp_path)
    assert len(listing.studies) == 1
    assert sorted(map(str, listing.skipped)) == [
        "test: no such folder",
        "train/NORMAL: no such folder",
        "train/PNEUMONIA/IM-0001-0001.jpeg: named normal, in that folder",
        "train/PNEUMONIA/person2_virus_2.jpeg: empty file",
        "train/PNEUMONIA/somebody.jpeg: a name that tells no class and patient",
        "train/PNEUMONIA: files of a type that is not read: .db (1)",
    ]


def test_a_number_of_mendeley_in_both_pools_is_warned_of(tmp_path, caplog):
    write_files(tmp_path, *MENDELEY)
    read_kermany(tmp_path)
    assert caplog.messages == ["Kermany: 1 patient numbers are in train and in test"]
    caplog.clear()
    write_files(tmp_path / "kaggle", *KAGGLE)
    read_kermany(tmp_path / "kaggle")
    assert caplog.messages == []


def test_other_counts_of_the_full_set_are_warned_of(tmp_path, monkeypatch, caplog):
    write_files(tmp_path, *KAGGLE)
    published = {"images": 11, "images in train+val/NORMAL": 4, "images in test/NORMAL": 2}
    monkeypatch.setitem(read_kermany.__globals__, "KNOWN_COUNTS", published)
    read_kermany(tmp_path)
    assert caplog.messages == ["Kermany: 1 images in test/NORMAL, and 2 are published"]


def test_a_root_without_the_corpus_and_a_link_out_of_it_are_refused(tmp_path):
    write_files(tmp_path, "other/train/NORMAL/IM-0001-0001.jpeg", "outside.jpeg")
    with pytest.raises(CorpusError, match="expected Kermany's chest_xray/ with train and test"):
        read_kermany(tmp_path)
    link = tmp_path / "other/train/NORMAL/IM-0002-0001.jpeg"
    link.symlink_to(tmp_path / "outside.jpeg")
    with pytest.raises(CorpusError, match="lies outside of the corpus root"):
        read_kermany(tmp_path / "other")


def test_the_real_part_is_read_by_patient(shared_data):
    root = shared_data / "kermany"
    if not root.is_dir():
        pytest.skip("no real data: ../shared/data/kermany is not there")
    listing = read_kermany(root)
    assert Counter(listing.studies["split"][:]) == {"train": 902, "test": 301}
    assert set(listing.studies["class_name"][:]) == {"bacterial", "viral", "normal"}
    assert listing.skipped == ()
