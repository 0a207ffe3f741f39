from __future__ import annotations

from pathlib import Path

import pytest

from data_cards.montgomery_shenzhen.reader import read_montgomery, read_shenzhen
from data_cards.montgomery_shenzhen.readings import parse_reading
from data_cards.study import CorpusError, group_masks
from tests.data_cards.corpus_trees import hash_tree, write_files

MCU = ("MCUCXR_0001_0", "MCUCXR_0104_1")
CHN = ("CHNCXR_0001_0", "CHNCXR_0327_1", "CHNCXR_0662_1")
SIDES = ("leftMask", "rightMask")


def make_montgomery(home: Path) -> Path:
    for stem in MCU:
        write_files(home, f"CXR_png/{stem}.png")
        write_files(home, *(f"ManualMask/{side}/{stem}.png" for side in SIDES))
        write_text(
            home / f"ClinicalReadings/{stem}.txt", "Patient's Sex: F\nPatient's Age: 026Y\nnormal\n"
        )
    return home


def write_text(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def make_shenzhen(home: Path, masks: str = "mask/mask") -> Path:
    for stem in CHN:
        write_files(home, f"CXR_png/{stem}.png")
        write_text(home / f"ClinicalReadings/{stem}.txt", "male 45yrs\nnormal")
    write_files(home, *(f"{masks}/{stem}_mask.png" for stem in CHN[:2]))
    return home


@pytest.mark.parametrize("above", ["", "MontgomerySet/", "NLM-MontgomeryCXRSet/MontgomerySet/"])
def test_montgomery_has_both_lungs_of_each_image(tmp_path, above):
    home = make_montgomery(tmp_path / above)
    before = hash_tree(tmp_path)
    listing = read_montgomery(tmp_path)
    assert hash_tree(tmp_path) == before
    assert listing.skipped == ()
    assert listing.studies["class_name"][:] == ["normal", "tuberculosis"]
    for stem, study in zip(MCU, listing.studies, strict=True):
        assert (study["study_id"], study["patient_id"]) == (stem, stem[:-2])
        assert group_masks(study) == [
            tuple(str(home / f"ManualMask/{s}/{stem}.png") for s in SIDES)
        ]
        assert (study["sex"], study["age"], study["images"][0]["view"]) == ("F", 26.0, "PA")


@pytest.mark.parametrize("masks", ["mask/mask", "mask", "masks", "../mask/mask", "../masks"])
def test_shenzhen_has_masks_of_most(tmp_path, masks):
    make_shenzhen(tmp_path / "ChinaSet_AllFiles", masks)
    listing = read_shenzhen(tmp_path)
    assert listing.skipped == ()
    assert listing.studies["study_id"][:] == list(CHN)
    assert [bool(paths) for paths in listing.studies["mask_paths"][:]] == [True, True, False]
    assert listing.studies["sex"][:] == ["M", "M", "M"]


def test_the_two_sets_in_one_folder_are_told_apart(tmp_path):
    home = tmp_path / "data/Lung Segmentation"
    make_shenzhen(home, "masks")
    write_files(home, *(f"CXR_png/{stem}.png" for stem in MCU), f"masks/{MCU[0]}.png", "test/1.png")
    assert read_shenzhen(tmp_path).studies["study_id"][:] == list(CHN)
    listing = read_montgomery(tmp_path)
    assert listing.studies["study_id"][:] == list(MCU)
    assert group_masks(listing.studies[0]) == [(str(home / f"masks/{MCU[0]}.png"),)]
    assert group_masks(listing.studies[1]) == [()]


def test_missing_files_are_named_and_oddities_left_out(tmp_path):
    home = make_montgomery(tmp_path)
    (home / f"ManualMask/rightMask/{MCU[0]}.png").unlink()
    (home / f"ClinicalReadings/{MCU[0]}.txt").unlink()
    (home / f"ClinicalReadings/{MCU[1]}.txt").write_bytes(b"\x81\x8d\x00")
    orphans = [f"ManualMask/{side}/MCUCXR_0009_0.png" for side in SIDES]
    write_files(home, "CXR_png/holiday.png", "CXR_png/Thumbs.db", "CXR_png/.DS_Store", *orphans)
    listing = read_montgomery(tmp_path)
    assert [group_masks(study)[0] == () for study in listing.studies] == [True, False]
    assert listing.studies["age"][:] == [None, None]
    assert sorted(map(str, listing.skipped)) == sorted(
        [
            f"ClinicalReadings/{MCU[0]}.txt: no such reading",
            f"ClinicalReadings/{MCU[1]}.txt: a reading that is no text",
            "CXR_png/holiday.png: a name that tells no number and label",
            "CXR_png: files of a type that is not read: .db (1)",
            f"ManualMask/rightMask/{MCU[0]}.png: no such mask",
            *(f"{orphan}: no such image" for orphan in orphans),
        ]
    )


def test_a_root_without_images_and_a_link_out_of_it_are_refused(tmp_path):
    make_shenzhen(tmp_path / "china")
    with pytest.raises(CorpusError, match=r"expected CXR_png/ with MCUCXR_0001_0\.png"):
        read_montgomery(tmp_path / "china")
    write_files(tmp_path, "outside.png")
    (tmp_path / "china/CXR_png/CHNCXR_0700_0.png").symlink_to(tmp_path / "outside.png")
    with pytest.raises(CorpusError, match="lies outside of the corpus root"):
        read_shenzhen(tmp_path / "china")


@pytest.mark.parametrize(
    ("text", "sex", "age"),
    [
        ("Patient's Sex: M\nPatient's Age: 063Y\n", "M", 63),
        ("male 45yrs\nnormal", "M", 45),
        ("female, 28 yrs\nSTB, left upper", "F", 28),
        ("Femal 9month\nPTB", "F", 0.75),
        ("Male,  6-months", "M", 0.5),
        ("normal", None, None),
        ("", None, None),
        ("male 450yrs", "M", None),
    ],
)
def test_readings_give_sex_and_age(text, sex, age):
    assert parse_reading(text) == (sex, age)
