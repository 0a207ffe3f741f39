from __future__ import annotations

from pathlib import Path

import pytest

from data_cards.study import CorpusError, Skipped, group_masks, list_studies


def study(root: Path, study_id: str = "s1", path: str = "a.png", **more):
    return {
        "corpus": "made",
        "study_id": study_id,
        "patient_id": "p1",
        "images": [{"path": str(root / path)}],
        "report": "No edema.",
        **more,
    }


def test_studies_keep_what_the_reader_gave_and_null_what_it_did_not(tmp_path):
    listing = list_studies("made", tmp_path, [study(tmp_path, sex="F", age=61)])
    row = listing.studies[0]
    assert row["images"] == [{"path": str(tmp_path / "a.png"), "view": None, "laterality": None}]
    assert (row["sex"], row["age"], row["split"], row["mask_paths"]) == ("F", 61.0, None, None)


@pytest.mark.parametrize(
    ("studies", "expected"),
    [
        ([], "no study of corpus 'made' found; 1 left out, first b.xml: empty file"),
        ([{}, {}], "1 study ids of 'made' occur more than once"),
        ([{"split": "val"}], r"unknown splits \['val'\]"),
        ([{"path": "../a.png"}], "lies outside of the corpus root"),
        ([{"path": "x/../../a.png"}], "lies outside of the corpus root"),
        ([{"path": "/etc/passwd"}], "lies outside of the corpus root"),
        ([{"mask_paths": ["/etc/passwd"]}], "lies outside of the corpus root"),
    ],
)
def test_a_corpus_that_cannot_be_used_is_refused(tmp_path, studies, expected):
    rows = [study(tmp_path, **more) for more in studies]
    with pytest.raises(CorpusError, match=expected):
        list_studies("made", tmp_path, rows, [Skipped("b.xml", "empty file")])


def test_a_link_out_of_the_root_is_refused(tmp_path):
    (tmp_path / "outside").mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (root / "linked").symlink_to(tmp_path / "outside")
    (root / "a.png").symlink_to(tmp_path / "outside" / "a.png")
    for path in ("linked/a.png", "a.png"):
        with pytest.raises(CorpusError, match="lies outside"):
            list_studies("made", root, [study(root, path=path)])


def test_a_root_that_is_a_link_is_no_way_out(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "disk")
    listing = list_studies("made", tmp_path / "root", [study(tmp_path / "root")])
    assert len(listing.studies) == 1


def test_the_hash_is_the_same_wherever_the_corpus_lies(tmp_path):
    hashes = {
        list_studies("made", root, [study(root)]).content_hash
        for root in (tmp_path, tmp_path / "elsewhere")
    }
    assert len(hashes) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"study_id": "s2"},
        {"patient_id": "p2"},
        {"split": "test"},
        {"path": "b.png"},
        {"report": "Edema."},
        {"report": None},
        {"mask_paths": ["a.png"]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_hash_sees_every_change_that_matters(tmp_path, change, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = list_studies("made", Path(), [study(Path())])
    after = list_studies("made", Path(), [study(Path(), **change)])
    assert before.content_hash != after.content_hash


@pytest.mark.parametrize(
    ("images", "masks", "grouped"),
    [
        (["a", "b"], ["1", "2"], [("1",), ("2",)]),
        (["a", "b"], ["1", "2", "3", "4"], [("1", "2"), ("3", "4")]),
        (["a", "b"], None, [(), ()]),
        ([], None, []),
    ],
)
def test_masks_are_told_apart_by_image(images, masks, grouped):
    made = study(Path(), images=[{"path": path} for path in images], mask_paths=masks)
    assert group_masks(made) == grouped


@pytest.mark.parametrize("images", [["a", "b"], []])
def test_masks_that_do_not_fall_to_the_images_are_refused(tmp_path, images):
    paths = [{"path": str(tmp_path / name)} for name in images]
    made = study(tmp_path, images=paths, mask_paths=[str(tmp_path / name) for name in "xyz"])
    with pytest.raises(CorpusError, match=rf"3 mask files for {len(images)} images"):
        list_studies("made", tmp_path, [made])
