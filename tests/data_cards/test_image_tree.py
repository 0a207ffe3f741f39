from __future__ import annotations

import pytest

from data_cards.image_tree import find_folder, find_home, list_images, pair_masks, plain
from data_cards.study import CorpusError, Skipped
from tests.data_cards.corpus_trees import write_files


def find(root):
    return find_home(root, {"mycorpus"}, lambda folder: find_folder(folder, "Train"), "My Corpus")


@pytest.mark.parametrize(
    "name", ["COVID-QU-Ex Dataset", "COVID-QU-Ex_Dataset", "covid qu ex dataset"]
)
def test_names_of_folders_are_compared_without_what_copies_change(name):
    assert plain(name) == "covidquexdataset"


@pytest.mark.parametrize(
    "above", ["", "My Corpus", "my_corpus/MyCorpus", "My-Corpus/my corpus/MYCORPUS"]
)
def test_the_nearest_home_is_found_at_any_level(tmp_path, above):
    write_files(tmp_path / above, "train/1.png", "My Corpus/Train/2.png")
    assert find(tmp_path) == tmp_path / above


@pytest.mark.parametrize("other", ["__MACOSX", ".hidden", "another", "a/My Corpus", "My Corpus/a"])
def test_other_folders_are_not_entered(tmp_path, other):
    write_files(tmp_path, f"{other}/Train/1.png", "file")
    with pytest.raises(CorpusError, match=f"{tmp_path}: expected My Corpus there"):
        find(tmp_path)


def test_images_are_listed_by_name_and_the_rest_is_told(tmp_path):
    write_files(tmp_path, *(f"x/{n}" for n in ("b.PNG", "a.jpeg", "c.txt", "d.txt", "LICENSE")))
    write_files(tmp_path, "x/.DS_Store", "x/._a.jpeg", "x/folder.png/1.png")
    (tmp_path / "x/empty.png").touch()
    (tmp_path / "x/gone.png").symlink_to(tmp_path / "nowhere")
    skipped: list[Skipped] = []
    found = list_images(tmp_path / "x", tmp_path, skipped)
    assert found == {name: str(tmp_path / "x" / name) for name in ("a.jpeg", "b.PNG")}
    assert list(found) == ["a.jpeg", "b.PNG"]
    assert list(map(str, skipped)) == [
        "x/empty.png: empty file",
        "x/gone.png: a link that leads nowhere",
        "x: files of a type that is not read: .txt (2)",
        "x: files of a type that is not read: no ending (1)",
    ]


def test_a_folder_that_is_gone_is_told(tmp_path):
    skipped: list[Skipped] = []
    assert list_images(tmp_path / "x", tmp_path, skipped) == {}
    assert list(map(str, skipped)) == ["x: cannot be read: No such file or directory"]


def test_masks_are_paired_without_regard_to_case(tmp_path):
    skipped: list[Skipped] = []
    images = {"A.png": "i/A.png", "only.png": "i/only.png"}
    masks = {"a.PNG": "m/a.PNG", "alone{0}.png": "m/alone{0}.png"}
    assert pair_masks(images, masks, ("i/{}", "m/{}"), skipped) == {"A.png": "m/a.PNG"}
    assert list(map(str, skipped)) == ["m/only.png: no such mask", "i/alone{0}.png: no such image"]


def test_an_image_that_is_named_already_is_not_named_for_its_mask_too(tmp_path):
    write_files(tmp_path, "m/a.png", "m/b.png", "i/b.png")
    (tmp_path / "i/a.png").touch()
    skipped: list[Skipped] = []
    images = list_images(tmp_path / "i", tmp_path, skipped)
    masks = list_images(tmp_path / "m", tmp_path, skipped)
    pair_masks(images, masks, ("i/{}", "m/{}"), skipped)
    assert list(map(str, skipped)) == ["i/a.png: empty file"]
