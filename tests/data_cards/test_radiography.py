from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from openpyxl import Workbook

from data_cards.radiography.reader import read_radiography, read_sources
from data_cards.radiography.sources import COLUMNS, read_metadata, share_told
from data_cards.study import CorpusError
from tests.data_cards.corpus_trees import hash_tree, write_files

FOLDER = "COVID-19_Radiography_Dataset"
COUNTS = {"COVID": 3, "Lung_Opacity": 2, "Normal": 4, "Viral Pneumonia": 1}
NIH, CHILDREN, SPAIN = "https://rsna.example", "https://children.example", "https://bimcv.example"
URLS = {
    "COVID": [SPAIN] * 3,
    "Lung_Opacity": [NIH] * 2,
    "Normal": [NIH] * 3 + [CHILDREN],
    "Viral Pneumonia": [CHILDREN],
}


def write_book(
    file: Path, rows: Sequence[Sequence[object]], columns: Sequence[str] = COLUMNS
) -> None:
    book = Workbook()
    sheet = book.active
    sheet.title = "Sheet1"
    for row in (columns, *rows):
        sheet.append(list(row))
    book.save(file)


def make_corpus(root: Path) -> Path:
    home = root / FOLDER
    for name, count in COUNTS.items():
        names = [f"{name}-{number}" for number in range(1, count + 1)]
        write_files(
            home, *(f"{name}/{kind}/{n}.png" for n in names for kind in ("images", "masks"))
        )
        shown = [n.replace("Normal", "NORMAL") for n in names]
        rows = [(n, "PNG", "256*256", url) for n, url in zip(shown, URLS[name], strict=True)]
        write_book(home / f"{name}.metadata.xlsx", rows)
    (home / "README.md.txt").write_text("Read me")
    return home


def test_images_have_class_mask_and_source_and_the_warning_is_given(tmp_path, caplog):
    home = make_corpus(tmp_path)
    before = hash_tree(tmp_path)
    listing = read_radiography(tmp_path)
    assert hash_tree(tmp_path) == before
    assert listing.skipped == ()
    studies = listing.studies
    assert {name: studies["class_name"][:].count(name) for name in COUNTS} == COUNTS
    study = studies.filter(lambda row: row["study_id"] == "Viral Pneumonia/Viral Pneumonia-1.png")[
        0
    ]
    assert study["mask_paths"] == [str(home / "Viral Pneumonia/masks/Viral Pneumonia-1.png")]
    assert set(studies["split"][:]) == {None}
    assert caplog.messages == [
        "radiography: the source of an image is its label here: the URL alone tells COVID from the"
        " rest in 100.0 %, and the class in 70.0 %, of 10 images"
    ]
    assert read_sources(home)["Normal/Normal-4.png"] == CHILDREN


def test_missing_files_are_named_and_oddities_left_out(tmp_path, caplog):
    home = make_corpus(tmp_path)
    (home / "Normal/images/Normal-2.png").unlink()
    (home / "Normal/images/Normal-3.png").unlink()
    (home / "Normal/masks/Normal-3.png").unlink()
    (home / "COVID/masks/COVID-1.png").unlink()
    (home / "COVID.metadata.xlsx").unlink()
    (home / "COVID/images/COVID-2.png").rename(home / "COVID/images/COVID-2.PNG")
    write_files(
        home, "Normal/images/Thumbs.db", "Normal/images/.DS_Store", "Normal/images/COVID-1.png"
    )
    listing = read_radiography(home)
    assert {"Normal/COVID-1.png", "COVID/COVID-1.png"} <= set(listing.studies["study_id"][:])
    assert sorted(map(str, listing.skipped)) == [
        "COVID.metadata.xlsx: no such file; sources are not known",
        "COVID/masks/COVID-1.png: no such mask",
        "Normal/images/Normal-2.png: no such image",
        "Normal/images/Normal-3.png: in the metadata, and no such image",
        "Normal/images: files of a type that is not read: .db (1)",
        "Normal/masks/COVID-1.png: no such mask",
    ]
    assert "of 5 images" in caplog.text


def test_without_tables_the_warning_is_given_all_the_same(tmp_path, caplog):
    home = make_corpus(tmp_path)
    for table in home.glob("*.xlsx"):
        table.unlink()
    assert len(read_radiography(tmp_path).studies) == 10
    assert "the source of an image is its label here" in caplog.text


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (
            lambda file: file.write_bytes(file.read_bytes()[:-400]),
            r"no whole workbook \(BadZipFile\)",
        ),
        (lambda file: file.write_bytes(b""), "no whole workbook"),
        (lambda file: file.write_text("FILE NAME,URL"), "no whole workbook"),
        (
            lambda file: write_book(file, [], ["FILE NAME", "LINK"]),
            "columns missing: FORMAT, SIZE, URL",
        ),
        (lambda file: write_book(file, [], []), "columns missing"),
    ],
)
def test_a_damaged_table_is_an_error_that_names_it(tmp_path, damage, expected):
    home = make_corpus(tmp_path)
    damage(home / "Normal.metadata.xlsx")
    with pytest.raises(CorpusError, match=rf"Normal\.metadata\.xlsx: {expected}"):
        read_radiography(tmp_path)


def test_rows_of_a_table_may_be_short_empty_or_repeated(tmp_path):
    rows = [
        ("NORMAL-1", "PNG", "256*256", NIH),
        (),
        (None, None),
        ("Normal-1.png", "", "", "later"),
    ]
    write_book(tmp_path / "t.xlsx", rows)
    assert read_metadata(tmp_path / "t.xlsx") == {"normal-1": NIH}


def test_the_published_sources_tell_what_the_card_says():
    published = {
        **dict.fromkeys([("bimcv", "COVID")], 2473),
        **{("hannover", "COVID"): 183, ("sirm", "COVID"): 559, ("cxnet", "COVID"): 400},
        **{("rsna", "Normal"): 8851, ("kermany", "Normal"): 1341},
        **{("rsna", "Lung_Opacity"): 6012, ("kermany", "Viral Pneumonia"): 1345},
    }
    assert share_told(published) == pytest.approx(0.653, abs=5e-4)


def test_other_counts_of_the_full_set_are_warned_of(tmp_path, monkeypatch, caplog):
    make_corpus(tmp_path)
    published = {"images": 10, "COVID images": 3, "Normal images": 5}
    monkeypatch.setitem(read_radiography.__globals__, "KNOWN_COUNTS", published)
    read_radiography(tmp_path)
    assert caplog.messages[0] == "radiography: 4 Normal images, and 5 are published"


def test_a_root_without_classes_and_a_link_out_of_it_are_refused(tmp_path):
    with pytest.raises(CorpusError, match="expected the folders COVID, Lung_Opacity"):
        read_radiography(tmp_path)
    home = make_corpus(tmp_path / "corpus")
    write_files(tmp_path, "outside.png")
    (home / "COVID/masks/COVID-1.png").unlink()
    (home / "COVID/masks/COVID-1.png").symlink_to(tmp_path / "outside.png")
    with pytest.raises(CorpusError, match="lies outside of the corpus root"):
        read_radiography(tmp_path / "corpus")
