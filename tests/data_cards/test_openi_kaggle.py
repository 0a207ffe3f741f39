"""Open-i's reports in the tables of their Kaggle copy, drawn small."""

from __future__ import annotations

import pytest

from data_cards.corpora import find_corpus
from data_cards.openi import kaggle
from data_cards.study import CorpusError
from tests.data_cards.corpus_trees import hash_tree, write_files, write_table

REPORTS = [
    {
        "uid": "1",
        "MeSH": "normal",
        "Problems": "normal",
        "image": "Xray Chest PA and Lateral",
        "indication": "Positive TB test",
        "comparison": "None.",
        "findings": "The lungs are clear.\nNo effusion.",
        "impression": " Normal chest. ",
    },
    {"uid": "2", "findings": "", "impression": ""},
]
IMAGES = [
    ("1", "1_IM-0001-4001.dcm.png", "Frontal"),
    ("1", "1_IM-0001-3001.dcm.png", "Lateral"),
    ("9", "9_IM-0009-0001.dcm.png", "Frontal"),
]


def write_kaggle(root, inside="images/images_normalized"):
    write_table(root / "indiana_reports.csv", REPORTS, ",".join(REPORTS[0]))
    rows = [
        dict(zip(("uid", "filename", "projection"), image, strict=True))
        for image in (*IMAGES, ("2", "2_gone.dcm.png", "Frontal"))
    ]
    write_table(root / "indiana_projections.csv", rows)
    write_files(root / inside, *(name for _, name, _ in IMAGES))
    return root


@pytest.mark.parametrize("inside", ["images/images_normalized", "images", "."])
def test_the_tables_give_the_ids_and_texts_of_the_archive(tmp_path, inside):
    listing = find_corpus("openi").read(write_kaggle(tmp_path, inside))
    first, second = listing.studies
    assert (first["corpus"], first["study_id"], first["patient_id"]) == ("openi", "1", "1")
    assert first["report"] == (
        "COMPARISON: None.\nINDICATION: Positive TB test\n"
        "FINDINGS: The lungs are clear.\nNo effusion.\nIMPRESSION: Normal chest."
    )
    assert [image["view"] for image in first["images"]] == [None, "LATERAL"]
    assert (second["report"], second["images"]) == (None, [])
    lies = f"{inside}/9_IM-0009-0001.dcm.png".removeprefix("./")
    assert [str(skip) for skip in listing.skipped] == [
        "2_gone.dcm.png: no such image",
        f"{lies}: of no report in the table",
    ]


def test_an_image_that_is_listed_twice_counts_once(tmp_path):
    root = write_kaggle(tmp_path)
    table = root / "indiana_projections.csv"
    table.write_text(table.read_text() + f"1,{IMAGES[1][1]},Lateral\n")
    listing = find_corpus("openi").read(root)
    assert len(listing.studies[0]["images"]) == 2
    assert f"{IMAGES[1][1]}: listed again in its study" in map(str, listing.skipped)


def test_an_image_outside_of_the_root_is_refused(tmp_path):
    root = write_kaggle(tmp_path / "root")
    table = root / "indiana_projections.csv"
    table.write_text(table.read_text().replace(IMAGES[0][1], "../../../secret.png"))
    with pytest.raises(CorpusError, match="names no file below the corpus root"):
        find_corpus("openi").read(root)


def test_a_missing_table_is_named(tmp_path):
    root = write_kaggle(tmp_path)
    (root / "indiana_projections.csv").unlink()
    with pytest.raises(CorpusError, match=r"indiana_projections\.csv"):
        find_corpus("openi").read(root)


def test_counts_of_the_full_set_are_compared(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(kaggle, "KNOWN_COUNTS", {"reports": 2, "images": 5})
    find_corpus("openi").read(write_kaggle(tmp_path))
    assert caplog.messages == ["Open-i: 4 images, and 5 are published"]


def test_reading_changes_nothing(tmp_path):
    root = write_kaggle(tmp_path)
    before = hash_tree(root)
    find_corpus("openi").read(root)
    assert hash_tree(root) == before
