from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_cards.findings import FINDINGS
from data_cards.label_table import (
    LABEL_TABLE_SCHEMA,
    EvidenceRow,
    LabelTableError,
    LabelTableManifest,
    check_label_table,
    list_findings,
    manifest_path,
    read_label_table,
    read_manifest,
    write_label_table,
    write_manifest,
)
from data_cards.lineage import LineageError
from data_cards.lineage_tables import read_any_manifest

MENTION: EvidenceRow = {
    "finding": "Edema",
    "section": "findings",
    "start": 3,
    "end": 8,
    "assertion": "negated",
    "rule": "edema.1",
    "cue_start": 0,
    "cue_end": 2,
    "change": "worse",
    "grade": "",
    "laterality": "left",
    "anatomy": "",
}
ROW = {
    "study_id": "007",
    "Edema": -1,
    "Edema_p": 0.5,
    "edema_severity": 2,
    "edema_change": "worse",
    "edema_p0": 0.1,
    "edema_p1": 0.2,
    "edema_p2": 0.6,
    "edema_p3": 0.1,
    "evidence": [MENTION, {**MENTION, "cue_start": None, "cue_end": None}],
}


def manifest(table_hash: str) -> LabelTableManifest:
    return LabelTableManifest(
        labeler="rules",
        labeler_version="1",
        profile="chexpert",
        rules_hash="a",
        corpus="made",
        corpus_hash="b",
        table_hash=table_hash,
        studies=1,
        counts={"Edema": {"-1": 1}},
        skipped=[{"where": "x.xml", "reason": "empty file"}],
        seconds=0.5,
        created="2026-01-01T00:00:00Z",
    )


def test_a_table_in_which_no_study_has_evidence_is_read(tmp_path):
    path = tmp_path / "labels.parquet"
    codes = {"Edema": [1], "edema_severity": [2]}
    columns = {"study_id": ["7"], **codes, "evidence": pa.nulls(1)}
    pq.write_table(pa.table(columns), path)
    assert list(read_label_table(path)["evidence"]) == [None]


def test_a_table_is_read_back_as_it_was_written(tmp_path):
    write_label_table(tmp_path / "l.parquet", [ROW, {"study_id": "8"}])
    frame = read_label_table(tmp_path / "l.parquet")
    assert list(frame.columns) == LABEL_TABLE_SCHEMA.names
    first, second = frame.to_dict("records")
    assert {name: first[name] for name in ROW} == {
        name: pytest.approx(value) if isinstance(value, float) else value
        for name, value in ROW.items()
    }
    assert second["study_id"] == "8"
    assert all(pd.isna(second[name]) for name in frame.columns[1:-1])
    assert second["evidence"] is None


def test_codes_and_offsets_come_back_as_whole_numbers(tmp_path):
    write_label_table(tmp_path / "l.parquet", [ROW, {"study_id": "8"}])
    frame = read_label_table(tmp_path / "l.parquet")
    assert {str(frame[finding].dtype) for finding in (*FINDINGS, "edema_severity")} == {"Int8"}
    assert [type(mention["start"]) for mention in frame["evidence"][0]] == [int, int]
    assert [mention["cue_start"] for mention in frame["evidence"][0]] == [0, None]


def test_a_table_from_before_sides_and_changes_were_known_is_still_read(tmp_path):
    old = {name: MENTION[name] for name in list(MENTION)[:8]}
    row = {"study_id": "7", "Edema": 1, "edema_severity": 2, "evidence": [old]}
    pq.write_table(pa.Table.from_pylist([row, {"study_id": "8"}]), tmp_path / "l.parquet")
    frame = read_label_table(tmp_path / "l.parquet")
    unsaid = {"change": "", "grade": "", "laterality": "", "anatomy": ""}
    assert list(frame["evidence"]) == [[{**old, **unsaid}], None]


def test_a_users_own_finding_is_a_column_with_its_probability(tmp_path):
    own = {"study_id": "7", "Rib Notching": 1, "Rib Notching_p": 0.9}
    write_label_table(tmp_path / "l.parquet", [own])
    frame = read_label_table(tmp_path / "l.parquet")
    assert list_findings(frame.columns) == [*FINDINGS, "Rib Notching"]
    assert frame["Rib Notching"].tolist() == [1]
    with pytest.raises(LabelTableError, match="row 1, Rib Notching: 2 is not a label code"):
        write_label_table(tmp_path / "m.parquet", [{**own, "Rib Notching": 2}])


def test_a_table_of_arrow_is_written_as_rows_are(tmp_path):
    rows = write_label_table(tmp_path / "rows.parquet", [ROW])
    arrow = pa.Table.from_pylist([ROW])  # without a schema: 64 bits, columns missing
    assert write_label_table(tmp_path / "arrow.parquet", arrow) == rows


def test_a_few_columns_are_read_alone(tmp_path):
    write_label_table(tmp_path / "l.parquet", [ROW])
    frame = read_label_table(tmp_path / "l.parquet", columns=["Edema"])
    assert list(frame.columns) == ["study_id", "Edema"]
    with pytest.raises(LabelTableError, match="columns missing: Oedema"):
        read_label_table(tmp_path / "l.parquet", columns=["Oedema"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"Edema": 2}, "row 2, Edema: 2 is not a label code (expected one of [-1, 0, 1] or"),
        ({"Edema": 300}, "row 2, Edema: a int that does not fit the column's type int8"),
        ({"Edema": "present"}, "row 2, Edema: a str that does not fit"),
        ({"edema_severity": -1}, "row 2, edema_severity: -1 is not a label code"),
        ({"edema_change": "gone"}, "row 2, edema_change: gone is not a label code"),
        ({"edema_severity": 4}, "row 2, edema_severity: 4 is not a label code"),
        ({"Edema_p": 1.5}, "row 2, Edema_p: 1.5 is no probability"),
        ({"edema_p0": -0.5}, "row 2, edema_p0: -0.5 is no probability"),
        ({"edema_p0": 0.5}, "row 2, edema_p0 to edema_p3: sum to 1.4"),
        ({"edema_p0": None}, "row 2, edema_p0 to edema_p3: sum to nan"),
        ({"study_id": "007"}, "row 2, study_id: 1 study ids occur more than once"),
        ({"study_id": None}, "row 2, study_id: empty"),
        ({"study_id": 8}, "row 2, study_id: a int that does not fit"),
        ({"Oedema": 1}, "columns unknown to the label table: Oedema"),
        ({"evidence": [{**MENTION, "start": 9}]}, "1 spans start–end begin below 0 or after"),
        ({"evidence": [{**MENTION, "cue_start": -1}]}, "1 spans cue_start–cue_end begin below 0"),
        ({"evidence": [{**MENTION, "start": "3"}]}, "row 2, evidence: a list that does not fit"),
    ],
)
def test_a_wrong_value_is_named_and_nothing_is_written(tmp_path, change, expected):
    with pytest.raises(LabelTableError) as caught:
        write_label_table(tmp_path / "l.parquet", [ROW, ROW | {"study_id": "8"} | change])
    assert expected in str(caught.value)
    assert str(tmp_path / "l.parquet") in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_the_check_reads_codes_that_another_tool_wrote_as_floats():
    frame = pd.DataFrame(
        {"study_id": ["a", "b"], "Edema": [1.0, None], "edema_severity": [None, 3]}
    )
    check_label_table(frame, Path("other.csv"))
    frame["Edema"] = [0.5, None]
    with pytest.raises(LabelTableError, match=r"other\.csv, row 1, Edema: 0\.5 is not a label"):
        check_label_table(frame, Path("other.csv"))


def test_an_edited_table_is_checked_when_it_is_read(tmp_path):
    write_label_table(tmp_path / "l.parquet", [ROW])
    table = pq.read_table(tmp_path / "l.parquet").to_pandas()
    table["Edema"] = 7
    table.to_parquet(tmp_path / "l.parquet")
    with pytest.raises(LabelTableError, match="row 1, Edema: 7 is not a label code"):
        read_label_table(tmp_path / "l.parquet")


@pytest.mark.parametrize("content", [b"", b"study_id,Edema\n1,1\n", None])
def test_a_file_that_is_no_table_is_refused(tmp_path, content):
    file = tmp_path / "l.parquet"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(LabelTableError, match=r"l\.parquet: (not a readable|no such file)"):
        read_label_table(file)


def test_a_parquet_file_of_something_else_is_refused(tmp_path):
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "l.parquet")
    with pytest.raises(LabelTableError, match="columns missing: study_id, edema_severity"):
        read_label_table(tmp_path / "l.parquet")


def test_an_interrupted_write_leaves_the_old_table(tmp_path, monkeypatch):
    file = tmp_path / "l.parquet"
    write_label_table(file, [ROW])
    before = file.read_bytes()

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pq, "write_table", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_label_table(file, [ROW, {"study_id": "8"}])
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["l.parquet"]


def test_a_manifest_that_is_refused_is_not_repeated(tmp_path):
    table = tmp_path / "labels.parquet"
    whole = manifest(write_label_table(table, [ROW])).model_dump()
    wrong = {**whole, "skipped": [{"where": "private-id", "reason": 5}], "corpus": ["private-id"]}
    manifest_path(table).write_text(json.dumps(wrong), encoding="utf-8")
    for read, error in ((read_manifest, LabelTableError), (read_any_manifest, LineageError)):
        with pytest.raises(error, match="manifest: corpus: Input should be a valid string") as said:
            read(table)
        assert "private-id" not in str(said.value)
        assert "\n" not in str(said.value)


def test_a_manifest_is_read_back(tmp_path):
    table = tmp_path / "labels.v2.parquet"
    written = manifest(write_label_table(table, [ROW]))
    write_manifest(table, written)
    assert manifest_path(table).name == "labels.v2.manifest.json"
    assert read_manifest(table) == written


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda table: manifest_path(table).unlink(), "the label table has no manifest"),
        (lambda table: manifest_path(table).write_text("{}"), "not a label table's manifest"),
        (lambda table: manifest_path(table).write_bytes(b"\xff"), "not a label table's manifest"),
        (lambda table: table.write_bytes(b"other"), "its bytes differ from those its manifest"),
    ],
)
def test_a_table_and_manifest_that_do_not_belong_together_are_refused(tmp_path, spoil, expected):
    table = tmp_path / "labels.parquet"
    write_manifest(table, manifest(write_label_table(table, [ROW])))
    spoil(table)
    with pytest.raises(LabelTableError, match=expected):
        read_manifest(table)
