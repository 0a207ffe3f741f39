"""What an export holds, and that other tools and other commands can read it."""

from __future__ import annotations

import csv
import json

import pandas as pd
import pytest
from typer.testing import CliRunner

import kerley
from data_cards.label_table import read_label_table, read_manifest
from tests.text_labeler.audit.audited import (
    HOSTILE_NOTE,
    STUDIES,
    make_audit,
    name_report,
    true_verdict,
)
from text_labeler.audit.certificate import read_certificate
from text_labeler.audit.conflicts import SEVERITY
from text_labeler.audit.exporting import export_audit
from text_labeler.audit.formulas import guard_cell, is_formula
from text_labeler.audit.gold_table import CODES, settle_items, write_audited
from text_labeler.audit.place import open_folder
from text_labeler.audit.reads_files import read_lines
from text_labeler.audit.records import AuditError, Item
from text_labeler.gold import read_gold


@pytest.fixture(scope="module")
def audit(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exporting") / "audit"
    make_audit(folder).close()
    return folder


@pytest.fixture(scope="module")
def exported(audit):
    with open_folder(audit) as store:
        return export_audit(store, audit.parent / "out")


@pytest.fixture(scope="module")
def items(audit):
    with open_folder(audit) as store:
        return store.items()


def read_rows(file):
    with file.open(newline="") as opened:
        return list(csv.DictReader(opened))


def test_gold_is_a_label_table_of_settled_verdicts(exported, items):
    gold = read_label_table(exported.folder / "gold.parquet").set_index("study_id")
    manifest = read_manifest(exported.folder / "gold.parquet")
    assert (manifest.labeler, manifest.studies) == ("audit", STUDIES - 1)
    assert [parent.kind for parent in manifest.parents] == ["audited reads", "label table"]
    assert exported.settled == 2 * STUDIES - 2, "two items are unclear to all"
    for item in items:
        if true_verdict(item) != "unclear":
            code = gold[item.finding][item.study_id]
            assert (None if pd.isna(code) else code) == CODES[true_verdict(item)]
    assert gold["Cardiomegaly"].isna().all(), "not audited"


def test_audited_reads_tell_not_mentioned_from_not_read(exported):
    rows = read_rows(exported.folder / "audited.csv")
    by_study = {row["study_id"][-2:]: row for row in rows}
    assert [by_study[n]["Edema"] for n in ("00", "01", "03", "04")] == ["1", "0", "-1", "0"]
    assert "07" not in by_study, "unclear"
    assert [by_study[n][SEVERITY] for n in ("01", "04")] == ["1", ""]


def test_reads_hold_their_history_under_pseudonyms(exported):
    rows = read_lines(exported.folder / "reads.jsonl")
    assert {row["reader"] for row in rows} == {"reader 01", "reader 02", "reader 03"}
    undone = [row for row in rows if not row["stands"]]
    assert [(row["verdict"], row["seconds"]) for row in undone] == [("unclear", 9.0)]
    assert undone[0]["undone_by"] > undone[0]["event"]
    assert rows[-1]["purpose"] == "adjudication"
    assert rows[-1]["error_class"] == "reader_error"
    assert exported.reads == len(rows) == exported.standing + 1
    for file in exported.files:
        for name in (b"anna", b"dora"):
            assert name not in file.read_bytes(), file.name


def test_no_cell_of_the_csv_is_a_formula(exported):
    rows = read_rows(exported.folder / "reads.csv")
    assert len(rows) == exported.reads
    assert {row.pop("call") for row in rows} == {"", "-1", "0", "1", "2", "3"}, "numbers"
    assert not [cell for row in rows for cell in row.values() if is_formula(cell)]
    assert [row["note"] for row in rows if row["note"]] == ["'" + HOSTILE_NOTE]
    assert [row["flags"] for row in rows if row["flags"]] == ["blurred"]


@pytest.mark.parametrize("start", ["=1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1"])
def test_what_a_spreadsheet_would_run_is_quoted(start):
    assert guard_cell(start) == f"'{start}"
    assert guard_cell("a" + start.strip()) == "a" + start.strip()
    assert guard_cell(-1) == -1


@pytest.mark.parametrize("between", ["; ", ";", "|", "\t", "\r\n", ';"'])
def test_no_formula_begins_within_a_cell_where_cells_are_parted_otherwise(between):
    assert guard_cell(f"a{between}=cmd") == f"a{between}'=cmd"
    assert guard_cell(f"a{between}b=c") == f"a{between}b=c"


def test_combine_reads_the_truth_of_a_study_whose_id_would_run(tmp_path, items):
    (ill,) = (item for item in items if item.study_id.endswith("00") and item.finding == "Edema")
    settled = [
        (Item(**{**vars(ill), "study_id": "=cmd"}), "present"),
        (Item(**{**vars(ill), "study_id": "-1a"}), "not_mentioned"),
        (Item(**{**vars(ill), "study_id": "x", "finding": SEVERITY}), "2"),
    ]
    path = write_audited(tmp_path, settled)
    assert path.name == "audited.jsonl"
    read = read_gold(path)
    assert dict(zip(read.findings["study_id"], read.findings["Edema"], strict=True)) == {
        "=cmd": 1,
        "-1a": 0,
        "x": pd.NA,
    }
    assert list(read.severity["study_id"][read.severity["severity"] == 2]) == ["x"]


def test_the_chain_of_the_exported_log_holds(audit, exported):
    rows = read_lines(exported.folder / "events.jsonl")
    assert [row["previous"] for row in rows[1:]] == [row["hash"] for row in rows[:-1]]
    with open_folder(audit) as store:
        assert rows[-1]["hash"] == exported.log_head == store.verify()


def test_the_certificate_can_be_recomputed_from_the_export(exported):
    certificate = read_certificate(exported.folder / "certificate.json")
    assert certificate.log_head == exported.log_head
    assert {finding.finding for finding in certificate.estimate.findings} == {"Edema", SEVERITY}


def test_label_studio_gets_tasks_with_reads_and_the_labelers_call(exported, items):
    tasks = json.loads((exported.folder / "label_studio.json").read_text())
    assert len(tasks) == len(items)
    config = (exported.folder / "label_studio.xml").read_text()
    for task, item in zip(tasks, items, strict=True):
        assert task["data"]["report"] == ""
        assert len(task["annotations"]) in (2, 3)
        results = [part["result"][0] for part in task["annotations"] + task["predictions"]]
        for result in results:
            (choice,) = result["value"]["choices"]
            assert f'<Choice value="{choice}"/>' in config
            assert {result["from_name"], result["to_name"]} == {"verdict", "report"}
        assert task["data"]["finding"] == item.finding


def test_reports_leave_only_when_asked_for(audit, exported, tmp_path):
    assert not [file for file in exported.files if b"CANARY-words" in file.read_bytes()]
    with open_folder(audit) as store:
        given = export_audit(store, tmp_path / "out", with_text=True)
    tasks = json.loads((given.folder / "label_studio.json").read_text())
    assert {task["data"]["report"] for task in tasks} == {
        name_report(task["data"]["study_id"]) for task in tasks
    }


def test_combine_takes_the_reads_as_truth(audit, exported, tmp_path):
    labels, out = audit.parent / "labels.parquet", tmp_path / "combined.parquet"
    for reads in ("audited.csv", "gold.parquet"):
        command = ["combine", labels, "--audited", exported.folder / reads, "--out", out]
        result = CliRunner().invoke(kerley.app, [str(word) for word in command])
        assert result.exit_code == 0, result.output
        assert "audited: " in result.output
        combined = read_label_table(out).set_index("study_id")
        assert combined["Edema"]["CANARY-study-01"] == 0, "the labeler called it present"
        assert combined["Edema_p"]["CANARY-study-00"] == 1


def test_an_export_is_never_written_over(audit, exported):
    with open_folder(audit) as store, pytest.raises(AuditError, match="name another folder"):
        export_audit(store, exported.folder)


def test_an_export_names_its_own_files_alone_and_keeps_them_from_others(audit, exported, tmp_path):
    for name in ("notes.txt", "photos/one.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("of somebody else")
    with open_folder(audit) as store:
        made = export_audit(store, tmp_path)
    assert [file.name for file in made.files] == [file.name for file in exported.files]
    assert {file.stat().st_mode & 0o777 for file in made.files} == {0o600}


def test_an_export_that_broke_off_can_be_made_again(audit, tmp_path):
    (tmp_path / "events.jsonl").mkdir()
    with open_folder(audit) as store:
        with pytest.raises(OSError, match="directory"):
            export_audit(store, tmp_path)
        (tmp_path / "events.jsonl").rmdir()
        assert export_audit(store, tmp_path).settled


def test_nothing_settled_is_nothing_to_export(items):
    assert settle_items(items, []) == []
