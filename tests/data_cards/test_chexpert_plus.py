"""CheXpert Plus with two of its columns of sections, drawn small."""

from __future__ import annotations

import pytest

from data_cards.chexpert_plus import reader
from data_cards.chexpert_plus.reader import TABLE, read_chexpert_plus
from data_cards.study import CorpusError
from tests.data_cards.corpus_trees import hash_tree, write_files, write_table

COLUMNS = (
    "path_to_image,path_to_dcm,frontal_lateral,ap_pa,deid_patient_id,patient_report_date_order,"
    "report,section_narrative,section_clinical_history,section_history,section_comparison,"
    "section_technique,section_procedure_comments,section_findings,section_impression,"
    "section_end_of_impression,section_summary,section_accession_number,age,sex,race,ethnicity,"
    "interpreter_needed,insurance_type,recent_bmi,deceased,split"
)
REPORT = 'NARRATIVE: "CHEST", 1-2-03\n\nIMPRESSION:\n 1. CLEAR.\n'


def make_row(place, **values):
    patient = place.split("/")[1]
    usual = {"frontal_lateral": "Frontal", "ap_pa": "AP", "deid_patient_id": patient}
    more = {"report": REPORT, "age": "61.0", "sex": "Male", "split": "train"}
    return {"path_to_image": place, **usual, **more, **values}


ROWS = [
    make_row("train/patient00001/study1/view1_frontal.jpg"),
    make_row("train/patient00002/study1/view1_frontal.jpg", ap_pa="", sex="Unknown", age="0"),
    make_row("train/patient00001/study1/view2_lateral.jpg", frontal_lateral="Lateral", ap_pa=""),
    make_row(
        "valid/patient64541/study1/view1_frontal.jpg",
        split="valid",
        report="",
        section_findings=" Edema. ",
        section_impression="CHF.",
    ),
]


def write_chexpert_plus(root, inside="PNG/PNG", ending="png"):
    write_table(root / TABLE, ROWS, COLUMNS)
    for row in ROWS:
        write_files(root / inside, row["path_to_image"].removesuffix("jpg") + ending)
    return root


@pytest.mark.parametrize(
    ("inside", "ending"), [("PNG/PNG", "png"), ("PNG", "png"), (".", "png"), (".", "jpg")]
)
def test_a_study_has_its_report_and_its_images_in_png(tmp_path, inside, ending):
    listing = read_chexpert_plus(write_chexpert_plus(tmp_path, inside, ending))
    first, second, third = listing.studies
    assert (first["study_id"], first["patient_id"]) == ("patient00001/study1", "patient00001")
    assert [image["view"] for image in first["images"]] == ["AP", "LATERAL"]
    assert first["images"][0]["path"].endswith(f"patient00001/study1/view1_frontal.{ending}")
    assert (first["report"], first["sex"], first["age"]) == (REPORT, "M", 61.0)
    assert (second["sex"], second["age"], second["images"][0]["view"]) == (None, None, None)
    assert [study["split"] for study in listing.studies] == ["train", "train", "validate"]
    assert third["report"] == "FINDINGS: Edema.\nIMPRESSION: CHF."
    assert listing.skipped == ()


def test_a_study_keeps_its_report_where_images_are_missing(tmp_path):
    write_table(tmp_path / TABLE, ROWS, COLUMNS)
    write_files(tmp_path / "PNG/PNG", "train/patient00001/study1/view2_lateral.png")
    listing = read_chexpert_plus(tmp_path)
    assert [len(study["images"]) for study in listing.studies] == [1, 0, 0]
    assert listing.studies[1]["report"] == REPORT
    assert sorted(skip.where for skip in listing.skipped) == sorted(
        row["path_to_image"] for row in ROWS if "lateral" not in row["path_to_image"]
    )


def test_an_image_that_is_listed_twice_counts_once(tmp_path):
    root = write_chexpert_plus(tmp_path)
    write_table(root / TABLE, [*ROWS, ROWS[0]], COLUMNS)
    listing = read_chexpert_plus(root)
    assert [len(study["images"]) for study in listing.studies] == [2, 1, 1]
    again = "train/patient00001/study1/view1_frontal.jpg: listed again in its study"
    assert [str(skip) for skip in listing.skipped] == [again]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (make_row("train/patient1/study1/../../x.jpg"), "names no file below the corpus root"),
        (make_row("images/patient1/study1/x.jpg"), r"row 1 \(line 6\), path_to_image: expected"),
        (make_row("train/patient1/study1/x.jpg", split="dev"), "split: expected one of train, val"),
    ],
)
def test_a_row_that_is_not_as_expected_is_named(tmp_path, row, expected):
    write_table(tmp_path / TABLE, [row], COLUMNS)
    with pytest.raises(CorpusError, match=expected):
        read_chexpert_plus(tmp_path)


def test_counts_of_the_full_set_are_compared(tmp_path, caplog, monkeypatch):
    root = write_chexpert_plus(tmp_path)
    monkeypatch.setattr(reader, "KNOWN_COUNTS", {"images": 4, "studies": 3, "patients": 2})
    read_chexpert_plus(root)
    assert caplog.messages == ["CheXpert Plus: 3 patients, and 2 are published"]


def test_reading_changes_nothing(tmp_path):
    root = write_chexpert_plus(tmp_path)
    before = hash_tree(root)
    read_chexpert_plus(root)
    assert hash_tree(root) == before
