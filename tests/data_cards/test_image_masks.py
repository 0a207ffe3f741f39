from __future__ import annotations

import pytest

from data_cards.image_masks.reader import read_image_masks
from data_cards.study import CorpusError, group_masks
from tests.data_cards.corpus_trees import hash_tree, write_files


def test_images_are_listed_with_the_mask_of_their_stem(tmp_path):
    write_files(tmp_path, "images/a.jpg", "images/b.PNG", "masks/a.png", "masks/b_mask.png")
    before = hash_tree(tmp_path)
    listing = read_image_masks(tmp_path)
    assert hash_tree(tmp_path) == before
    assert listing.skipped == ()
    assert [(s["study_id"], s["patient_id"], s["split"]) for s in listing.studies] == [
        ("a", "a", None),
        ("b", "b", None),
    ]
    masks = [group_masks(study) for study in listing.studies]
    assert masks == [[(str(tmp_path / f"masks/{name}"),)] for name in ("a.png", "b_mask.png")]


def test_folders_of_splits_are_splits(tmp_path):
    parts = {"train": "train", "Val": "validate", "test": "test"}
    for folder in parts:
        write_files(tmp_path, f"{folder}/images/1.png", f"{folder}/Masks/1.png")
    studies = read_image_masks(tmp_path).studies
    assert sorted(studies["study_id"][:]) == sorted(f"{split}/1" for split in parts.values())


def test_only_pairs_are_listed_and_every_other_file_is_named(tmp_path):
    write_files(
        tmp_path,
        *(
            "images/a.png",
            "images/a.jpg",
            "images/alone.png",
            "images/Thumbs.db",
            "images/.DS_Store",
        ),
        *("images/blank.png", "masks/a.png", "masks/only.png", "masks/blank.png"),
    )
    (tmp_path / "masks/blank.png").write_bytes(b"")
    listing = read_image_masks(tmp_path)
    assert listing.studies["study_id"][:] == ["a"]
    assert sorted(map(str, listing.skipped)) == [
        "images/a.png: an earlier file has its stem",
        "images/only.*: no such image",
        "images: files of a type that is not read: .db (1)",
        "masks/alone.*: no such mask",
        "masks/blank.*: no such mask",
        "masks/blank.png: empty file",
    ]


def test_a_folder_without_masks_and_a_link_out_of_the_root_are_refused(tmp_path):
    root = tmp_path / "corpus"
    write_files(root, "images/a.png")
    with pytest.raises(CorpusError, match="expected the folders images/ and masks/"):
        read_image_masks(root)
    write_files(tmp_path, "outside.png")
    (root / "masks").mkdir()
    (root / "masks/a.png").symlink_to(tmp_path / "outside.png")
    with pytest.raises(CorpusError, match="lies outside of the corpus root"):
        read_image_masks(root)


def test_the_real_masks_are_read(shared_data):
    root = shared_data / "lung_masks"
    if not root.is_dir():
        pytest.skip("no real data: ../shared/data/lung_masks is not there")
    listing = read_image_masks(root)
    assert (len(listing.studies), listing.skipped) == (88, ())
