from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from data_cards.checks import check_corpus, describe_checks
from data_cards.image_folder.reader import read_image_folder
from data_cards.study import Listing, Skipped, list_studies


def make_listing(root: Path, *studies: dict[str, Any]) -> Listing:
    """Write one image per study, whose bytes are `pixels` (none: no file)."""
    rows = []
    for n, given in enumerate(studies):
        study = {"patient_id": f"p{n}", "pixels": f"image {n}", "report": f"report {n}"} | given
        pixels = study.pop("pixels")
        path = root / f"{n}.png"
        if pixels:
            path.write_text(pixels)
        image = {"path": str(path), "view": study.pop("view", "PA")}
        rows.append({"corpus": "made", "study_id": f"s{n}", "images": [image], **study})
    return list_studies("made", root, rows, [Skipped("x.xml", "empty file")])


def test_a_clean_corpus_is_counted_and_has_no_problem(tmp_path):
    listing = make_listing(
        tmp_path,
        {"split": "train", "class_name": "A"},
        {"split": "train", "view": None, "patient_id": "p0"},
        {"split": "test", "report": " "},
        {"split": None, "report": None},
    )
    checks = check_corpus(listing)
    assert (checks.studies, checks.patients, checks.images) == (4, 3, 4)
    assert (checks.reports, checks.empty_reports, checks.skipped) == (2, 2, 1)
    assert checks.per_split == {"none": 1, "test": 1, "train": 2}
    assert checks.per_view == {"PA": 3, "none": 1}
    assert checks.per_class == {"A": 1, "none": 3}
    assert checks.problems == ()
    assert "no problem found" in describe_checks(checks)


def test_a_patient_in_two_splits_is_a_problem(tmp_path):
    listing = make_listing(
        tmp_path,
        {"split": "train", "patient_id": "secret"},
        {"split": "test", "patient_id": "secret"},
    )
    checks = check_corpus(listing)
    assert checks.problems == ("1 patients are in more than one split",)
    assert "secret" not in describe_checks(checks)


@pytest.mark.parametrize(
    ("second", "across", "problems"),
    [
        ({"split": "test"}, (1, 1, 1), 1),
        ({"split": "train"}, (1, 1, 0), 0),
        ({"split": None}, (1, 1, 0), 0),
        ({"split": "train", "patient_id": "p0"}, (1, 0, 0), 0),
    ],
)
def test_equal_images_are_found_and_across_splits_they_are_a_problem(
    tmp_path, second, across, problems
):
    first = {"split": "train", "pixels": "same"}
    checks = check_corpus(make_listing(tmp_path, first, {}, {"pixels": "same", **second}))
    assert checks.duplicates == (("0.png", "2.png"),)
    assert across == (
        checks.duplicates_across_studies,
        checks.duplicates_across_patients,
        checks.duplicates_across_splits,
    )
    assert len(checks.problems) == problems


def test_a_missing_image_is_named(tmp_path):
    checks = check_corpus(make_listing(tmp_path, {"pixels": None}, {}))
    assert checks.unreadable_images == ("0.png",)
    assert checks.problems == ("1 images cannot be read from disk",)
    assert "not readable from disk: 0.png" in describe_checks(checks)


def test_reports_found_in_two_splits_are_counted_and_not_shown(tmp_path):
    listing = make_listing(
        tmp_path,
        {"split": "train", "report": "Normal chest."},
        {"split": "test", "report": "Normal chest. "},
        {"split": "train", "report": "Edema."},
        {"split": "train", "report": "Edema."},
        {"split": "test", "report": ""},
        {"split": "train", "report": ""},
    )
    checks = check_corpus(listing)
    assert checks.reports_across_splits == 1
    assert "Normal chest" not in describe_checks(checks, listing.skipped)


def test_long_lists_are_cut_and_say_so(tmp_path):
    checks = check_corpus(make_listing(tmp_path, *[{"pixels": None}] * 15, {}))
    text = describe_checks(checks)
    assert text.count("not readable from disk") == 11
    assert "not readable from disk: and 5 more" in text


def test_a_real_duplicate_is_found(shared_data):
    if not (shared_data / "kermany").is_dir():
        pytest.skip("no real data: ../shared/data/kermany is not there")
    checks = check_corpus(read_image_folder(shared_data / "kermany"))
    (group,) = checks.duplicates
    assert [Path(name).stem for name in group] == ["person30_bacteria_156", "person30_bacteria_157"]
