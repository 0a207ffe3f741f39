"""The room's commands, run as a user runs them."""

from __future__ import annotations

import csv

import pytest
from typer.testing import CliRunner

import kerley
from data_cards.label_table import read_label_table
from data_cards.study import CorpusError
from text_labeler.command_error import CommandError

CSV = (
    "study_id,patient_id,report\n"
    "1,p1,FINDINGS: Mild pulmonary edema. No effusion.\n"
    "2,p2,Possible pneumonia.\n"
    "3,p2,\n"
)


@pytest.fixture
def reports(tmp_path):
    file = tmp_path / "reports.csv"
    file.write_text(CSV)
    return file


def _run(*arguments):
    result = CliRunner().invoke(kerley.app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_mine_and_score_a_table_of_reports(reports, tmp_path):
    out = tmp_path / "labels.parquet"
    printed = _run("mine", reports, "--out", out).output
    assert "3 studies" in printed
    assert "1 left out or read in part" in printed
    assert read_label_table(out)["Edema"].tolist()[0] == 1
    gold = tmp_path / "gold.csv"
    gold.write_text("study_id,edema_severity,Edema,Pneumonia\n1,2,1,\n2,,,-1\n")
    printed = _run("score", out, gold).output
    assert "level 2" in printed
    assert "Findings, uncertainty" in printed


@pytest.mark.parametrize(
    ("layout", "columns", "header", "first"),
    [
        ("chexpert", 15, ["study_id", "No Finding", "Enlarged Cardiomediastinum"], ["1", "", ""]),
        ("mimic", 16, ["subject_id", "study_id", "Atelectasis"], ["p1", "1", ""]),
    ],
)
def test_mine_writes_the_layouts_of_others(reports, tmp_path, layout, columns, header, first):
    _run("mine", reports, "--out", tmp_path / "labels.csv", "--format", layout)
    rows = list(csv.reader((tmp_path / "labels.csv").read_text().splitlines()))
    assert rows[0][:3] == header
    assert rows[1][:3] == first
    named = dict(zip(rows[0], rows[1], strict=True))
    assert (named["Edema"], named["Pleural Effusion"]) == ("1.0", "0.0")
    assert dict(zip(rows[0], rows[2], strict=True))["Pneumonia"] == "-1.0"
    assert len(rows[0]) == columns


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mine", "openi", "--out", "x.parquet"], "--root"),
        (["mine", "r.csv", "--out", "x.parquet", "--format", "bioc"], "expected one of table"),
    ],
)
def test_mistakes_are_named(arguments, said):
    with pytest.raises((CommandError, CorpusError), match=said):
        _run(*arguments)
