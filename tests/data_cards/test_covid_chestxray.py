from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import pytest

from data_cards.covid_chestxray.reader import read_covid_chestxray
from data_cards.splits import assign_splits
from data_cards.study import CorpusError
from tests.data_cards.corpus_trees import hash_tree

HEADER = (
    "patientid,offset,sex,age,finding,survival,intubated,intubation_present,went_icu,in_icu,"
    "needed_supplemental_O2,extubated,temperature,pO2_saturation,leukocyte_count,neutrophil_count,"
    "lymphocyte_count,view,modality,date,location,folder,filename,doi,url,license,clinical_notes,"
    "other_notes"
)
ROW = {
    "patientid": "2",
    "sex": "M",
    "age": "65",
    "finding": "COVID-19",
    "view": "PA",
    "modality": "X-ray",
    "date": "January 22, 2020",
    "folder": "images",
    "filename": "a.jpg",
    "clinical_notes": "Right lower zone opacity.",
    "other_notes": "Credit to somebody",
}


def make_corpus(
    root: Path, rows: Iterable[dict[str, str]], missing: str = "", encoding: str = "utf-8"
) -> Path:
    (root / "images").mkdir()
    with (root / "metadata.csv").open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, HEADER.split(","), restval="")
        writer.writeheader()
        for row in rows:
            values = ROW | row
            writer.writerow(values)
            if values["filename"] not in ("", missing):
                (root / "images" / values["filename"]).write_bytes(b"jpeg")
    return root


def test_a_row_becomes_a_study(tmp_path):
    (study,) = read_covid_chestxray(make_corpus(tmp_path, [{}])).studies
    assert study == {
        "corpus": "covid_chestxray",
        "study_id": "a.jpg",
        "patient_id": "2",
        "split": None,
        "images": [{"path": str(tmp_path / "images/a.jpg"), "view": "PA", "laterality": None}],
        "report": "Right lower zone opacity.",
        "class_name": "COVID-19",
        "mask_paths": None,
        "sex": "M",
        "age": 65.0,
        "acquired": "2020-01-22",
        "source": None,
    }


@pytest.mark.parametrize(
    ("column", "written", "field", "value"),
    [
        ("date", "2010", "acquired", "2010"),
        ("date", "03/09/20", "acquired", "2020-03-09"),
        ("date", "some day", "acquired", None),
        ("date", "", "acquired", None),
        ("age", "", "age", None),
        ("age", "29.5", "age", 29.5),
        ("age", "about 30", "age", None),
        ("age", "nan", "age", None),
        ("sex", "", "sex", None),
        ("clinical_notes", " ", "report", None),
        ("finding", "", "class_name", None),
        ("url", "https://www.eurorad.org/case/16660", "source", "eurorad.org"),
        ("doi", "https://doi.org/10.1148/ryct.2020200034", "source", "doi 10.1148"),
        ("doi", "10.3348/kjr.2020.0132", "source", "doi 10.3348"),
        ("finding", "todo", "class_name", None),
        ("finding", "COVID-19, ARDS", "class_name", "COVID-19, ARDS"),
        ("finding", "Pneumonia/Viral/COVID-19", "class_name", "COVID-19"),
        ("patientid", "007", "patient_id", "007"),
    ],
)
def test_a_value_is_read_or_null(tmp_path, column, written, field, value):
    (study,) = read_covid_chestxray(make_corpus(tmp_path, [{column: written}])).studies
    assert study[field] == value


def test_reading_writes_nothing_into_the_corpus(tmp_path):
    make_corpus(tmp_path, [{}, {"filename": "b.jpg"}, {"filename": "gone.jpg"}], missing="gone.jpg")
    before = hash_tree(tmp_path)
    assert len(read_covid_chestxray(tmp_path).studies) == 2
    assert hash_tree(tmp_path) == before


@pytest.mark.parametrize(("view", "kept"), [("PA", "PA"), ("AP", "AP"), ("AP Supine", "AP")])
def test_frontal_views_are_kept(tmp_path, view, kept):
    (study,) = read_covid_chestxray(make_corpus(tmp_path, [{"view": view}])).studies
    assert study["images"][0]["view"] == kept


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"modality": "CT", "view": "Axial"}, "modality 'CT'; expected 'X-ray'"),
        ({"view": "L"}, "view 'L'; expected one of PA, AP"),
        ({"view": ""}, "view ''; expected one of PA, AP"),
        ({"filename": "gone.jpg"}, "no image file 'gone.jpg' in folder 'images'"),
        ({"filename": ""}, "no image file"),
        ({"patientid": ""}, "no patientid"),
        ({"filename": "a.jpg"}, "lists images/a.jpg again"),
    ],
)
def test_other_rows_are_left_out_and_named(tmp_path, row, reason):
    root = make_corpus(tmp_path, [{}, {"filename": "b.jpg"} | row], missing="gone.jpg")
    listing = read_covid_chestxray(root)
    assert len(listing.studies) == 1
    assert [skipped.where for skipped in listing.skipped] == ["metadata.csv, row 2 (line 3)"]
    assert reason in listing.skipped[0].reason


def test_patient_numbers_that_share_an_image_are_one_patient(tmp_path):
    rows = [("1", "a"), ("2", "b"), ("3", "c"), ("2", "a"), ("3", "b"), ("4", "d")]
    root = make_corpus(tmp_path, [{"patientid": p, "filename": f"{f}.jpg"} for p, f in rows])
    studies = read_covid_chestxray(root).studies
    assert dict(zip(studies["study_id"][:], studies["patient_id"][:], strict=True)) == {
        "a.jpg": "1",
        "b.jpg": "1",
        "c.jpg": "1",
        "d.jpg": "4",
    }


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_no_character_is_lost_in_any_encoding(tmp_path, encoding):
    root = make_corpus(tmp_path, [{"clinical_notes": "fever (38°C), “naïve”"}], encoding=encoding)
    assert read_covid_chestxray(root).studies[0]["report"] == "fever (38°C), “naïve”"


def test_a_path_out_of_the_root_is_refused(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"jpeg")
    root = make_corpus(tmp_path / "root", [{"folder": "..", "filename": "secret.jpg"}])
    with pytest.raises(CorpusError, match="lies outside of the corpus root"):
        read_covid_chestxray(root)


def test_a_missing_table_or_column_is_named(tmp_path):
    with pytest.raises(CorpusError, match=r"metadata\.csv: no such file"):
        read_covid_chestxray(tmp_path)
    (tmp_path / "metadata.csv").write_text("patientid,view\n1,PA\n")
    with pytest.raises(CorpusError, match="columns missing: sex, age, finding, modality"):
        read_covid_chestxray(tmp_path)


def test_the_real_images_are_listed_once_and_split_by_patient(shared_data):
    root = shared_data / "covid_chestxray"
    if not root.is_dir():
        pytest.skip("no real data: ../shared/data/covid_chestxray is not there")
    listing = read_covid_chestxray(root)
    # 140 rows of 80 patient numbers; one patient's three images are listed under two numbers.
    assert (len(listing.studies), len(listing.skipped)) == (137, 3)
    assert len(set(listing.studies["patient_id"][:])) == 79
    files = {study["images"][0]["path"] for study in listing.studies}
    assert files == {str(path) for path in (root / "images").iterdir()}
    assert all(listing.studies["report"][:])
    splits = assign_splits(listing, seed=0)["split"][:]
    assert [splits.count(name) for name in ("train", "validate", "test")] == [89, 21, 27]
