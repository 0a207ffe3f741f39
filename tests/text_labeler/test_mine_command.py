"""`kerley mine` as a user runs it: sources, labelers, engines, and the files of others."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pandas as pd
import pytest
from typer.main import get_command
from typer.testing import CliRunner

import kerley
from configs.files import hash_file
from data_cards.corpora import read_source
from data_cards.label_table import read_label_table, read_manifest
from data_cards.study import CorpusError
from text_labeler.command_error import CommandError
from text_labeler.engine import EngineError
from text_labeler.label_formats import CHEXPERT_LABELER_ORDER, LabelFormatError, write_label_csv
from text_labeler.labelers import LabelerError
from text_labeler.rule_files import RuleError

REPORTS = {
    "p10000032/s50414267": 'FINDINGS: Mild pulmonary edema.\nNo "effusion", none.',
    "p10000032/s53189527": "Possible pneumonia.\rClear otherwise.",
    "p10000764/s57375967": "Ödem –\r\nno pneumothorax, 50% better; =SUM(1)",
}

CHEXPERT_LABELER_HEADER = (
    "Reports,No Finding,Enlarged Cardiomediastinum,Cardiomegaly,Lung Lesion,Lung Opacity,Edema,"
    "Consolidation,Pneumonia,Atelectasis,Pneumothorax,Pleural Effusion,Pleural Other,Fracture,"
    "Support Devices\n"
)


@pytest.fixture
def mimic(tmp_path):
    folder = tmp_path / "files"
    for name, report in REPORTS.items():
        file = folder / f"p10/{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(report.encode())
    return folder


@pytest.fixture
def table(tmp_path):
    file = tmp_path / "reports.csv"
    file.write_text("accession,text\n1,Mild pulmonary edema.\n2,Possible pneumonia.\n3,\n")
    return file


def run(*arguments):
    result = CliRunner().invoke(kerley.app, ["mine", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_a_table_with_columns_of_its_own(table, tmp_path):
    out = tmp_path / "labels.parquet"
    printed = run(table, "--out", out, "--study-column", "accession", "--report-column", "text")
    assert "3 studies" in printed
    assert "1 left out or read in part" in printed
    assert read_label_table(out)["study_id"].tolist() == ["1", "2", "3"]
    with pytest.raises(CorpusError, match=r"columns missing: study_id, report .*accession, text"):
        run(table, "--out", out)


def test_chexpert_s_format_is_that_of_chexpert_labeler(mimic, tmp_path):
    run(mimic, "--out", tmp_path / "labels.csv", "--format", "chexpert")
    frame = pd.read_csv(tmp_path / "labels.csv")
    assert list(frame.columns) == ["Reports", *CHEXPERT_LABELER_ORDER]
    with (tmp_path / "labels.csv").open(encoding="utf-8") as file:
        assert file.readline() == CHEXPERT_LABELER_HEADER
    assert frame["Reports"].tolist() == list(REPORTS.values())
    with (tmp_path / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert (rows[0]["Edema"], rows[0]["Pleural Effusion"], rows[1]["Pneumonia"]) == (
        "1.0",
        "0.0",
        "-1.0",
    )
    assert rows[0]["Fracture"] == ""


def test_mimic_s_format_has_its_numbers_and_its_order(mimic, tmp_path):
    run(mimic, "--out", tmp_path / "labels.csv", "--format", "mimic")
    frame = pd.read_csv(tmp_path / "labels.csv")
    assert list(frame.columns)[:2] == ["subject_id", "study_id"]
    observations = list(frame.columns)[2:]
    assert observations == sorted(CHEXPERT_LABELER_ORDER)
    assert frame["subject_id"].tolist() == [10000032, 10000032, 10000764]
    assert frame["study_id"].tolist() == [50414267, 53189527, 57375967]
    assert "edema" not in (tmp_path / "labels.csv").read_text()
    assert frame["Pneumonia"].tolist()[1] == -1.0


def test_ids_of_mimic_s_paths_lose_their_letter_and_others_stay(tmp_path):
    file = tmp_path / "r.csv"
    file.write_text("study_id,patient_id,report\ns12,p7,Edema.\n007,pat1,Edema.\n")
    run(file, "--out", tmp_path / "labels.parquet", "--format", "mimic")
    rows = list(csv.reader((tmp_path / "labels.csv").read_text().splitlines()))
    assert [row[:2] for row in rows[1:]] == [["7", "12"], ["pat1", "007"]]


def test_a_csv_of_other_studies_is_refused(mimic, table, tmp_path):
    out = tmp_path / "labels.parquet"
    run(mimic, "--out", out)
    (tmp_path / "own.csv").write_text("study_id,report\n1,Clear.\n")
    listing = read_source(str(tmp_path / "own.csv"))
    with pytest.raises(LabelFormatError, match="not of these studies"):
        write_label_csv(out, tmp_path / "x.csv", "mimic", listing)
    assert not (tmp_path / "x.csv").exists()


def test_the_founding_paper_s_labeler(mimic, tmp_path):
    out = tmp_path / "labels.parquet"
    run(mimic, "--out", out, "--labeler", "miccai2020")
    assert read_manifest(out).labeler == "miccai2020"
    assert read_label_table(out)["Edema"].isna().all()


OWN_FINDING = """
concepts:
  rib_notching: {phrases: ["rib notching"]}
finer_findings:
  Rib Notching: {parent: Fracture, concepts: [rib_notching]}
"""


def test_a_finding_of_one_s_own_becomes_a_column(tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "findings.yaml").write_text(OWN_FINDING)
    table = tmp_path / "reports.csv"
    table.write_text("study_id,report\n1,No rib notching.\n2,Rib notching.\n3,Clear.\n")
    own, shipped = tmp_path / "own.parquet", tmp_path / "shipped.parquet"
    run(table, "--out", own, "--rules", tmp_path / "rules", "--workers", 2)
    run(table, "--out", shipped)
    frame = read_label_table(own)
    assert frame["Rib Notching"].astype(object).tolist()[:2] == [0, 1]
    assert frame["Rib Notching"].isna().tolist() == [False, False, True]
    assert frame["evidence"][1][0]["finding"] == "Rib Notching"
    manifest = read_manifest(own)
    assert manifest.counts["Rib Notching"]["positive"] == 1
    assert manifest.rules_hash != read_manifest(shipped).rules_hash


def test_faulty_rules_of_one_s_own_are_named_with_their_line(tmp_path):
    (tmp_path / "words.yaml").write_text("nonsense: [1]\n")
    with pytest.raises(RuleError, match=r"words\.yaml, line 1"):
        run("nowhere.csv", "--out", tmp_path / "labels.parquet", "--rules", tmp_path)


def test_the_engine_dask_writes_the_same_bytes(mimic, tmp_path):
    distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    here, there = tmp_path / "here.parquet", tmp_path / "there.parquet"
    run(mimic, "--out", here)
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, dashboard_address="127.0.0.1:0"
    ) as cluster:
        address = cluster.scheduler_address
        run(mimic, "--out", there, "--engine", "dask", "--cluster", address)
    assert hash_file(here) == hash_file(there)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["--format", "bioc"], CommandError, "expected one of table, chexpert, mimic"),
        (["--labeler", "regex"], LabelerError, "'regex': expected one of 'kerley', 'miccai2020'"),
        (["--labeler", "miccai2020", "--profile", "severity"], LabelerError, "no setting profile"),
        (["--profile", "mine"], RuleError, "mine"),
        (["--engine", "spark"], EngineError, "expected processes or dask"),
        (["--cluster", "tcp://x:1"], EngineError, "only the engine dask"),
    ],
)
def test_mistakes_are_named_before_anything_is_read(tmp_path, arguments, error, said):
    with pytest.raises(error, match=said):
        run("nowhere.csv", "--out", tmp_path / "labels.parquet", *arguments)


def test_a_corpus_needs_its_root(tmp_path):
    with pytest.raises(CorpusError, match="--root"):
        run("openi", "--out", tmp_path / "labels.parquet")


PAGE = (Path(__file__).parents[2] / "docs" / "mining.md").read_text(encoding="utf-8")


def test_the_page_on_mining_names_every_option_and_no_other():
    command = get_command(kerley.app).commands["mine"]
    options = {name for option in command.params for name in option.opts if name.startswith("--")}
    assert set(re.findall(r"(?<!\w)--[a-z][a-z-]+", PAGE)) == options


@pytest.mark.parametrize("line", re.findall(r"^kerley mine (reports\.csv.*)$", PAGE, re.MULTILINE))
def test_the_commands_of_the_page_on_mining_run(tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    Path("reports.csv").write_text("study_id,report\n1,Mild edema.\n")
    Path("my-rules").mkdir()
    Path("my-rules/words.yaml").write_text("same_word:\n  edema: [wassersucht]\n")
    assert "1 studies" in run(*line.split())
