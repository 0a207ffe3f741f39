from __future__ import annotations

from pathlib import Path

import pytest

from data_cards.covid_qu_ex.reader import read_covid_qu_ex, read_covid_qu_ex_infection
from data_cards.splits import assign_splits, check_splits
from data_cards.study import CorpusError
from tests.data_cards.corpus_trees import hash_tree, write_files

LUNG = "Lung Segmentation Data/Lung Segmentation Data"
INFECTION = "Infection Segmentation Data/Infection Segmentation Data"
IMAGES = {
    "Train/COVID-19": ["covid_1.png", "covid_2.png", "sub-S03047_ses-E07985_run-1_vp-ap_dx.png"],
    "Train/Non-COVID": ["non_COVID (1).png"],
    "Train/Normal": ["Normal (1).png", "same.png"],
    "Val/COVID-19": ["covid_3.png"],
    "Val/Non-COVID": ["non_COVID (2).png", "same.png"],
    "Val/Normal": ["Normal (2).png"],
    "Test/COVID-19": ["covid_4.png"],
    "Test/Non-COVID": ["non_COVID (3).png"],
    "Test/Normal": ["Normal (3).png"],
}


def make_part(home: Path, *masks: str) -> Path:
    for folder, names in IMAGES.items():
        for kind in ("images", *masks):
            write_files(home, *(f"{folder}/{kind}/{name}" for name in names))
    return home


def test_all_images_are_listed_with_split_class_patient_and_mask(tmp_path):
    make_part(tmp_path / LUNG, "lung masks")
    before = hash_tree(tmp_path)
    listing = read_covid_qu_ex(tmp_path)
    studies = {study["study_id"]: study for study in listing.studies}
    assert hash_tree(tmp_path) == before
    assert listing.skipped == ()
    assert list(studies) == [f"{place}/{name}" for place, names in IMAGES.items() for name in names]
    study = studies["Val/Non-COVID/non_COVID (2).png"]
    folder = tmp_path / LUNG / "Val/Non-COVID"
    assert study["images"][0]["path"] == str(folder / "images/non_COVID (2).png")
    assert study["mask_paths"] == [str(folder / "lung masks/non_COVID (2).png")]
    assert (study["split"], study["class_name"]) == ("validate", "Non-COVID")
    assert study["patient_id"] == study["study_id"]
    bimcv = studies["Train/COVID-19/sub-S03047_ses-E07985_run-1_vp-ap_dx.png"]
    assert bimcv["patient_id"] == "sub-S03047"
    assert bimcv["images"][0]["view"] == "AP"


@pytest.mark.parametrize(
    "above", ["", "COVID-QU-Ex Dataset/", "COVID-QU-Ex_Dataset/", "covid-qu-ex dataset/"]
)
def test_the_root_may_be_any_level(tmp_path, above):
    home = make_part(tmp_path / above / LUNG)
    expected = read_covid_qu_ex(home).studies["study_id"][:]
    for root in (home, *home.parents[: len(home.relative_to(tmp_path).parts)]):
        assert read_covid_qu_ex(root).studies["study_id"][:] == expected


def test_a_part_that_is_not_doubled_is_found(tmp_path):
    make_part(tmp_path / "Lung_Segmentation_Data")
    assert len(read_covid_qu_ex(tmp_path).studies) == 13


def test_the_infection_part_has_infection_masks(tmp_path):
    make_part(tmp_path / INFECTION, "lung masks", "infection masks")
    listing = read_covid_qu_ex_infection(tmp_path)
    assert listing.corpus == "covid_qu_ex_infection"
    assert "/infection masks/covid_1.png" in listing.studies[0]["mask_paths"][0]
    with pytest.raises(CorpusError, match="expected COVID-QU-Ex's folders 'Lung Segmentation"):
        read_covid_qu_ex(tmp_path)
    with pytest.raises(CorpusError, match=r"holds COVID-QU-Ex's Infection .* expected Lung"):
        read_covid_qu_ex(tmp_path / INFECTION)


def test_every_missing_file_is_named_and_oddities_are_left_out(tmp_path):
    home = make_part(tmp_path / LUNG, "lung masks")
    covid = home / "Train/COVID-19"
    (covid / "lung masks/covid_1.png").unlink()
    (covid / "images/covid_2.png").unlink()
    (home / "Val/Normal/images/Normal (2).png").write_bytes(b"")
    (covid / "images/dangling.png").symlink_to(covid / "nowhere.png")
    write_files(
        covid, "images/.DS_Store", "images/Thumbs.db", "images/upper.PNG", "lung masks/upper.png"
    )
    write_files(home, "Train/Other/images/1.png", "__MACOSX/1.png")
    (home / "Test/Normal").rename(home / "elsewhere")
    listing = read_covid_qu_ex(tmp_path)
    assert "Train/COVID-19/upper.PNG" in listing.studies["study_id"][:]
    masks = dict(zip(listing.studies["study_id"][:], listing.studies["mask_paths"][:], strict=True))
    assert masks["Train/COVID-19/covid_1.png"] is None
    assert sorted(str(item).removeprefix(f"{LUNG}/") for item in listing.skipped) == [
        "Test/Normal: no such folder",
        "Train/COVID-19/images/covid_2.png: no such image",
        "Train/COVID-19/images/dangling.png: a link that leads nowhere",
        "Train/COVID-19/images: files of a type that is not read: .db (1)",
        "Train/COVID-19/lung masks/covid_1.png: no such mask",
        "Train/Other: a folder of no known class",
        "Val/Normal/images/Normal (2).png: empty file",
    ]


def test_a_patient_stays_in_the_last_of_its_splits(tmp_path, caplog):
    home = make_part(tmp_path / LUNG)
    write_files(
        home,
        "Test/COVID-19/images/sub-S03047_ses-E2_run-1.png",
        "Val/COVID-19/images/sub-S03047_ses-E3_run-1.png",
        "Val/COVID-19/images/sub-S1_ses-E1_run-1.png",
    )
    listing = read_covid_qu_ex(tmp_path)
    check_splits(assign_splits(listing, seed=0))
    kept = [s for s in listing.studies["study_id"][:] if "sub-" in s]
    assert kept == [
        "Val/COVID-19/sub-S1_ses-E1_run-1.png",
        "Test/COVID-19/sub-S03047_ses-E2_run-1.png",
    ]
    assert {str(item).rpartition(": ")[2] for item in listing.skipped} == {
        "its patient has images in Test too"
    }
    assert "2 images left out" in caplog.text


def test_a_link_out_of_the_root_is_refused(tmp_path):
    home = make_part(tmp_path / "corpus" / LUNG)
    write_files(tmp_path, "outside.png")
    (home / "Train/Normal/images/linked.png").symlink_to(tmp_path / "outside.png")
    with pytest.raises(CorpusError, match="lies outside of the corpus root"):
        read_covid_qu_ex(tmp_path / "corpus")


def test_other_counts_of_the_full_set_are_warned_of(tmp_path, monkeypatch, caplog):
    make_part(tmp_path / LUNG)
    counts = {"Train": (3, 1, 2), "Val": (1, 2, 1), "Test": (1, 1, 4)}
    monkeypatch.setitem(read_covid_qu_ex.__globals__["_COUNTS"], "lung", counts)
    assert len(read_covid_qu_ex(tmp_path).studies) == 13
    assert caplog.messages == [
        "covid_qu_ex: 13 images, and 16 are published",
        "covid_qu_ex: 1 images in Test/Normal, and 4 are published",
    ]


def test_the_real_part_is_read(shared_data):
    root = shared_data / "covid_qu_ex"
    if not root.is_dir():
        pytest.skip("no real data: ../shared/data/covid_qu_ex is not there")
    listing = read_covid_qu_ex(root)
    assert len(listing.studies) == 300
    assert set(listing.studies["class_name"][:]) == {"COVID-19", "Non-COVID", "Normal"}
    assert listing.skipped == ()
