"""The command `kerley score`, run as a user runs it, and what it writes."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import kerley
from text_labeler.scoring import ScoringError

REPORTS = (
    "study_id,patient_id,report\n"
    "1,p1,FINDINGS: Mild pulmonary edema. No effusion.\n"
    "2,p1,Possible pneumonia. Pulmonary edema.\n"
    "3,p2,Severe pulmonary edema.\n"
    "4,p2,The lungs are clear.\n"
)
GOLD = (
    "study_id,edema_severity,Edema,Pleural Effusion,Pneumonia\n1,2,1,0,\n2,,0,,-1\n3,3,1,,\n4,,,,\n"
)


def _run(*arguments):
    result = CliRunner().invoke(kerley.app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("score")
    (folder / "reports.csv").write_text(REPORTS)
    (folder / "gold.csv").write_text(GOLD)
    _run("mine", folder / "reports.csv", "--out", folder / "labels.parquet")
    return folder


def test_tables_fit_100_columns(files):
    printed = _run(
        "score", files / "labels.parquet", files / "gold.csv", "--compare", files / "labels.parquet"
    )
    for aspect in ("presence", "mention", "negation", "uncertainty"):
        assert f"Findings, {aspect} (4 studies" in printed
    assert any(line.split()[:3] == ["Edema", "2", "3"] for line in printed.splitlines())
    assert max(len(line) for line in printed.splitlines()[1:]) <= 100


def test_all_numbers_are_written_as_json(files, tmp_path):
    out = tmp_path / "scores.json"
    _run("score", files / "labels.parquet", files / "gold.csv", "--json", out)
    written = json.loads(out.read_text())
    (scores,) = written["scores"]
    presence = scores["aspects"][0]
    edema = next(one for one in presence["findings"] if one["finding"] == "Edema")
    assert edema["precision"]["value"] == pytest.approx(2 / 3)
    assert edema["f1"]["lower"] < 0.8 == pytest.approx(edema["f1"]["value"])
    assert presence["findings"][-1]["finding"] == "macro"
    assert scores["severity"]["counts"]["confusion"][2][2] == 1
    assert scores["severity"]["estimates"]["recall at level 0"]["value"] is None
    assert written["policy"]["uncertain_as"] == "absent"


def test_disagreements_hold_report_text_only_when_asked_for(files, tmp_path):
    page = tmp_path / "page.html"
    command = ["score", files / "labels.parquet", files / "gold.csv", "--json", tmp_path / "x.json"]
    printed = _run(*command, "--reports", files / "reports.csv", "--disagreements", page)
    assert "THIS FILE HOLDS REPORT TEXT" in printed
    assert "Possible" in page.read_text()
    assert "Possible" not in printed + (tmp_path / "x.json").read_text()


def test_reports_name_the_patients_that_studies_are_counted_by(files, tmp_path):
    alone, together = tmp_path / "a.json", tmp_path / "b.json"
    _run("score", files / "labels.parquet", files / "gold.csv", "--json", alone)
    _run("score", files / "labels.parquet", files / "gold.csv", "--json", together,
         "--reports", files / "reports.csv")  # fmt: skip
    first, second = (json.loads(file.read_text())["scores"][0]["aspects"][0]["findings"][0]
                     for file in (alone, together))  # fmt: skip
    assert first["f1"]["value"] == second["f1"]["value"]
    assert first != second


def test_a_reference_that_says_nothing_is_told(files, tmp_path):
    (tmp_path / "gold.csv").write_text("study_id,Edema\n1,\n2,\n")
    assert "Nothing to score" in _run("score", files / "labels.parquet", tmp_path / "gold.csv")


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_figure_is_the_same_each_time(files, tmp_path, ending):
    figures = [tmp_path / f"{n}.{ending}" for n in range(2)]
    for figure in figures:
        _run("score", files / "labels.parquet", files / "gold.csv", "--figure", figure)
    first, second = (figure.read_bytes() for figure in figures)
    assert first == second
    if ending == "svg":
        assert "Pleural Effusion" in first.decode()
        assert "F1, negation" in first.decode()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--uncertain-as", "maybe"], "expected one of absent, present, uncertain"),
        (["--disagreements", "out.html"], "need the reports"),
        (["--disagreements", "out.pdf"], "ends in .html or .csv"),
        (["--figure", "out.gif"], "ends in .svg or .png"),
    ],
)
def test_what_cannot_be_done_is_said_first(files, options, said):
    with pytest.raises(ScoringError, match=said):
        _run("score", files / "nothing.parquet", files / "gold.csv", *options)


def test_policies_change_presence(files, tmp_path):
    values = {}
    for policy in ("absent", "present", "uncertain"):
        out = tmp_path / f"{policy}.json"
        _run("score", files / "labels.parquet", files / "gold.csv", "--json", out,
             "--uncertain-as", policy)  # fmt: skip
        rows = json.loads(out.read_text())["scores"][0]["aspects"][0]["findings"]
        named = {row["finding"]: row for row in rows}
        values[policy] = (named["Pneumonia"]["support"], named["Pneumonia"]["left_out"])
    assert values == {"absent": (0, 0), "present": (1, 0), "uncertain": (0, 1)}
