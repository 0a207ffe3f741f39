from __future__ import annotations

import datasets
import pytest
from datasets import Dataset, DatasetDict

from data_cards.corpora import read_source
from data_cards.report_table.reader import ReportColumns
from data_cards.study import CorpusError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def folder(tmp_path):
    """A folder as the Hub holds it: one Parquet file for each split."""
    folder = tmp_path / "reports"
    tables = {
        "train": {"study_id": ["1", "2"], "report": ["Edema.", None], "patient_id": ["a", "a"]},
        "validation": {"study_id": ["3"], "report": ["Clear."], "patient_id": ["b"]},
    }
    for split, columns in tables.items():
        folder.mkdir(exist_ok=True)
        Dataset.from_dict(columns).to_parquet(folder / f"{split}-00000-of-00001.parquet")
    return folder


def test_all_splits_are_read_and_named(folder):
    listing = read_source(f"hub:{folder}")
    assert listing.studies["study_id"][:] == ["1", "2", "3"]
    assert listing.studies["patient_id"][:] == ["a", "a", "b"]
    assert listing.studies["split"][:] == ["train", "train", "validate"]
    assert listing.studies["report"][:] == ["Edema.", None, "Clear."]


def test_one_split_of_a_configuration(folder):
    assert read_source(f"hub:{folder}:default:validation").studies["study_id"][:] == ["3"]
    assert read_source(f"hub:{folder}::train").studies["study_id"][:] == ["1", "2"]


def test_a_saved_dataset_and_columns_of_other_names(tmp_path):
    made = Dataset.from_dict({"accession": [7, 8], "text": ["Edema.", "Clear."], "age": [1, 2]})
    DatasetDict({"other": made}).save_to_disk(tmp_path / "saved")
    columns = ReportColumns(study="accession", report="text")
    studies = read_source(f"hub:{tmp_path / 'saved'}", columns=columns).studies
    assert studies["study_id"][:] == ["7", "8"]
    assert (studies[0]["report"], studies[0]["split"]) == ("Edema.", None)


@pytest.mark.parametrize(
    ("tail", "columns", "expected"),
    [
        ("", ReportColumns(report="text"), r"missing: text .*found study_id, report, patient_id"),
        ("::test", None, "no split 'test'; there are train, validation"),
        (":other", None, "cannot be loaded: BuilderConfig 'other' not found"),
        (":a:b:c", None, "expected hub:owner/name, and then :config and :split"),
    ],
)
def test_what_is_not_there_is_named(folder, tail, columns, expected):
    with pytest.raises(CorpusError, match=expected):
        read_source(f"hub:{folder}{tail}", columns=columns)


def test_a_name_that_is_nowhere_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="cannot be loaded"):
        read_source(f"hub:{tmp_path / 'nowhere'}")


def test_study_ids_must_differ_between_splits(folder):
    again = {"study_id": ["1"], "report": ["Edema."], "patient_id": ["a"]}
    Dataset.from_dict(again).to_parquet(folder / "test-00000-of-00001.parquet")
    with pytest.raises(CorpusError, match="study_id: the same as in split train, row 1"):
        read_source(f"hub:{folder}")
