from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_cards.report_table.reader import ReportColumns, read_report_table
from data_cards.study import CorpusError

SECRET = "Unspeakable edema"


def write_table(tmp_path: Path, ending: str, rows: Sequence[dict[str, Any]]) -> Path:
    file = tmp_path / f"reports{ending}"
    if ending == ".csv":
        pd.DataFrame(rows).to_csv(file, index=False)
    elif ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), file)
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def write_content(tmp_path: Path, name: str, content: str | bytes) -> Path:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


every_format = pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])


@every_format
def test_every_format_gives_the_same_studies(tmp_path, ending):
    rows = [
        {"study_id": "007", "report": "FINDINGS: ä\u2028\nClear.", "patient_id": "01", "x": "1"},
        {"study_id": "8", "report": "", "patient_id": "01", "x": "2"},
    ]
    studies = read_report_table(write_table(tmp_path, ending, rows)).studies
    assert studies["study_id"][:] == ["007", "8"]
    assert studies["patient_id"][:] == ["01", "01"]
    assert studies["report"][:] == ["FINDINGS: ä\u2028\nClear.", None]


@every_format
def test_a_study_without_a_patient_is_its_own(tmp_path, ending):
    rows = [{"study_id": "007", "report": "Clear."}]
    (study,) = read_report_table(write_table(tmp_path, ending, rows)).studies
    assert (study["patient_id"], study["split"], study["images"]) == ("007", None, [])


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_whole_numbers_become_text(tmp_path, ending):
    rows = [{"study_id": 1005, "report": "Clear.", "patient_id": 7}]
    (study,) = read_report_table(write_table(tmp_path, ending, rows)).studies
    assert (study["study_id"], study["patient_id"]) == ("1005", "7")


@every_format
def test_splits_and_images_are_read(tmp_path, ending):
    (tmp_path / "x").mkdir()
    for name in ("a.png", "x/b.png"):
        (tmp_path / name).write_bytes(b"image")
    paths = "a.png; x/b.png;gone.png" if ending == ".csv" else ["a.png", "x/b.png", "gone.png"]
    rows = [{"study_id": "1", "report": "Clear.", "split": "test", "image_paths": paths}]
    listing = read_report_table(write_table(tmp_path, ending, rows))
    (study,) = listing.studies
    assert study["split"] == "test"
    assert [image["path"] for image in study["images"]] == [
        str(tmp_path / "a.png"),
        str(tmp_path / "x/b.png"),
    ]
    assert [skipped.reason for skipped in listing.skipped] == ["no image file 'gone.png'"]


@every_format
def test_one_image_path_is_enough(tmp_path, ending):
    (tmp_path / "a.png").write_bytes(b"image")
    rows = [{"study_id": "1", "report": "Clear.", "image_path": "a.png"}]
    (study,) = read_report_table(write_table(tmp_path, ending, rows)).studies
    assert [image["path"] for image in study["images"]] == [str(tmp_path / "a.png")]


def test_an_image_outside_of_the_table_s_folder_is_refused(tmp_path):
    (tmp_path / "secret.png").write_bytes(b"image")
    (tmp_path / "in").mkdir()
    rows = [{"study_id": "1", "report": "Clear.", "image_path": "../secret.png"}]
    with pytest.raises(CorpusError, match="lies outside of the corpus root"):
        read_report_table(write_table(tmp_path / "in", ".csv", rows))


@every_format
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"study_id": "1", "text": SECRET}], "columns missing: report"),
        (
            [{"study_id": "1", "report": SECRET}, {"study_id": "1", "report": SECRET}],
            r"(row|line) 2.*, study_id: the same as in (row|line) 1",
        ),
        ([{"study_id": " ", "report": SECRET}], r"(row|line) 1.*, study_id: empty"),
        ([{"study_id": "1", "report": SECRET, "split": "val"}], r"(row|line) 1.*, split: not a sp"),
    ],
)
def test_a_wrong_table_is_named_with_row_and_column(tmp_path, ending, rows, expected):
    with pytest.raises(CorpusError, match=expected) as caught:
        read_report_table(write_table(tmp_path, ending, rows))
    assert f"reports{ending}" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("r.csv", "", "r.csv: empty; expected a header with study_id, report"),
        ("r.csv", "study_id,report\n", "r.csv: holds no row"),
        ("r.csv", f"study_id,report\n1,{SECRET}\n2\n", r"r.csv, row 2 \(line 3\): 1 values"),
        ("r.csv", f"study_id,report\n1,{SECRET}\0\n", "r.csv, line 2: holds a NUL byte"),
        ("r.csv", f'study_id,report\n1,"{SECRET}', "r.csv, line 2: not readable as CSV"),
        ("r.csv", f"1,{SECRET}\n", "r.csv: columns missing: study_id, report"),
        ("r.jsonl", "", "r.jsonl: holds no row"),
        ("r.jsonl", f'\n{{"study_id": "1", "report": "{SECRET}', "r.jsonl, line 2: not a line of"),
        ("r.jsonl", f'["{SECRET}"]', "r.jsonl, line 1: expected an object with named values"),
        ("r.jsonl", '{"study_id": "1"}', "r.jsonl, line 1: columns missing: report"),
        (
            "r.jsonl",
            f'{{"study_id": "1", "report": ["{SECRET}"]}}',
            "report: a list; expected text",
        ),
        ("r.jsonl", '{"study_id": 1.5, "report": "a"}', "study_id: a number with a decimal point"),
        ("r.jsonl", '{"study_id": true, "report": "a"}', "study_id: a bool; expected text"),
        ("r.jsonl", f'{{"study_id": "1", "report": "{SECRET}\\u0000"}}', "report: holds a NUL"),
        ("r.jsonl", f'{{"study_id": "1", "report": "{SECRET}\\ud800"}}', "report: holds a NUL"),
        ("r.jsonl", "[" * 100_000, "r.jsonl, line 1: not a line of JSON"),
        ("r.jsonl", '{"study_id": ' + "9" * 5000 + "}", "r.jsonl, line 1: not a line of JSON"),
        ("r.parquet", "PAR1 but not really", "r.parquet: not a readable Parquet file"),
        ("r.parquet", "", "r.parquet: not a readable Parquet file"),
        ("r.xlsx", "", "r.xlsx: not a table of reports; expected .csv, .jsonl, .parquet"),
    ],
)
def test_a_broken_file_is_named_and_its_text_is_not_shown(tmp_path, name, content, expected):
    with pytest.raises(CorpusError, match=expected) as caught:
        read_report_table(write_content(tmp_path, name, content))
    assert SECRET not in str(caught.value)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(CorpusError, match=r"none\.csv: no such file"):
        read_report_table(tmp_path / "none.csv")


def test_ids_with_a_decimal_point_in_parquet_are_refused(tmp_path):
    # What pandas makes of whole numbers when one of them is missing.
    file = write_table(tmp_path, ".parquet", [{"study_id": 7.0, "report": "Clear."}])
    with pytest.raises(CorpusError, match="row 1, study_id: a number with a decimal point"):
        read_report_table(file)


@every_format
def test_a_report_of_ten_million_characters_is_read(tmp_path, ending):
    rows = [{"study_id": "1", "report": "No edema. " * 1_000_000}]
    (study,) = read_report_table(write_table(tmp_path, ending, rows)).studies
    assert len(study["report"]) == 10_000_000


@every_format
def test_columns_may_have_other_names(tmp_path, ending):
    rows = [{"accession": "1", "text": "Clear.", "mrn": "p", "report": SECRET}]
    file = write_table(tmp_path, ending, rows)
    (study,) = read_report_table(file, ReportColumns("accession", "text", "mrn")).studies
    assert (study["study_id"], study["report"], study["patient_id"]) == ("1", "Clear.", "p")
    with pytest.raises(CorpusError, match=r"missing: who .*found accession, text, mrn, report"):
        read_report_table(file, ReportColumns("accession", "text", "who"))


@every_format
def test_the_columns_of_a_table_without_the_usual_ones_are_listed(tmp_path, ending):
    file = write_table(tmp_path, ending, [{"accession": "1", "text": SECRET}])
    with pytest.raises(CorpusError, match=r"missing: study_id, report .*found accession, text"):
        read_report_table(file)


def test_views_sex_and_age_are_read(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(b"image")
    table = tmp_path / "r.csv"
    table.write_text(
        "study_id,report,image_paths,view,sex,age\n"
        "1,Clear.,a.png;b.png,PA;LATERAL,F,61.5\n"
        "2,,c.png,AP,,\n"
    )
    first, second = read_report_table(table).studies
    assert [image["view"] for image in first["images"]] == ["PA", "LATERAL"]
    assert (first["sex"], first["age"]) == ("F", 61.5)
    assert (second["images"][0]["view"], second["sex"], second["age"]) == ("AP", None, None)
    assert second["report"] is None


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("1,Clear.,a.png;b.png;c.png,PA;AP,,", "row 1 (line 2), view: 2 views of 3 images"),
        ("1,Clear.,a.png,PA,,old", "row 1 (line 2), age: not a number of years"),
        ("1,Clear.,a.png,PA,,-3", "row 1 (line 2), age: -3 is no age in years"),
        ("1,Clear.,a.png,PA,,nan", "row 1 (line 2), age: nan is no age in years"),
    ],
)
def test_what_is_no_view_or_age_is_named(tmp_path, row, says):
    table = tmp_path / "r.csv"
    table.write_text(f"study_id,report,image_paths,view,sex,age\n{row}\n")
    with pytest.raises(CorpusError) as error:
        read_report_table(table)
    assert says in str(error.value)
