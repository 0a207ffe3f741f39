"""The room's commands, run as a user runs them."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

import kerley
from data_cards.label_table import read_label_table

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
