"""`kerley audit plan`, `estimate` and `recompute` on files, as a user runs them."""

import uuid

import pandas as pd
import pytest
from typer.testing import CliRunner

from data_cards.corpora import read_source
from kerley import app
from tests.text_labeler.audit.planted import VERDICT_OF_CALL
from text_labeler.audit.plan_files import open_audit
from text_labeler.audit.records import Answer, AuditError
from text_labeler.audit.store import AuditStore
from text_labeler.engines import make_engine
from text_labeler.labelers import read_labeler_settings
from text_labeler.mining import mine_corpus

SAID = ("There is pulmonary edema.", "No pulmonary edema.", "Possible edema.", "Lungs are clear.")


def mine(folder, name, said=SAID):
    rows = [f'study-{n:03d},"FINDINGS: {said[n % 4]}"' for n in range(80)]
    reports = folder / f"{name}.csv"
    reports.write_text("\n".join(["study_id,report", *rows, "study-900,"]))
    labels = folder / f"{name}.parquet"
    settings = read_labeler_settings("kerley", profile=None, rules=None)
    with make_engine("processes", workers=1, cluster=None) as engine:
        mine_corpus(read_source(str(reports)), labels, settings, engine)
    return reports, labels


@pytest.fixture(scope="module")
def mined(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mined")
    return folder, *mine(folder, "reports")


def run(*arguments):
    return CliRunner().invoke(app, ["audit", *map(str, arguments)], catch_exceptions=True)


def plan(mined, out, *more, promise="precision >= .9, recall >= .8"):
    _, reports, labels = mined
    asked = ["--source", reports, "--finding", "Edema", "--promise", promise, "--out", out]
    return run("plan", labels, *asked, *more)


def read_blind(folder, *readers):
    with AuditStore.open(folder) as store:
        for reader in readers:
            while given := store.claim(reader, queue="blind"):
                answer = Answer(VERDICT_OF_CALL[given.item.call], seconds=4.0)
                store.record(reader, given.item.item_id, answer, idem=uuid.uuid4().hex)


def test_an_audit_is_planned_read_estimated_and_certified(mined, tmp_path):
    audit = tmp_path / "audit"
    said = plan(mined, audit, "--minutes", "20")
    assert said.exit_code == 0, said.output
    for words in ("pos_certain", "60 first reads take 20 minutes", "no report", "≤ 5.0%: 36"):
        assert words in said.output
    assert {file.name for file in audit.iterdir()} >= {"plan.json", "audit.sqlite"}
    assert (audit / "plan.json").stat().st_mode & 0o777 == 0o600
    read_blind(audit, "ann", "bob")
    certificate = tmp_path / "certificate"
    said = run("estimate", audit, "--certificate", certificate)
    assert said.exit_code == 0, said.output
    for words in ("60 of 60 read", "precision", "measured pace: 4.0 s", "precision ≥ 0.9: proved"):
        assert words in said.output
    again = run("recompute", certificate / "certificate.json")
    assert "its reads give these very numbers" in again.output
    assert "recall " in again.output


def test_a_second_audit_holds_other_studies_and_knows_the_pace(mined, tmp_path):
    plan(mined, tmp_path / "tune", "--minutes", "8", "--pool", "tune", "--repair", "2")
    read_blind(tmp_path / "tune", "ann")
    asked = "were rules mended by another audit?"
    assert asked in plan(mined, tmp_path / "alone", "--minutes", "2").output
    said = plan(mined, tmp_path / "hold", "--minutes", "2", "--exclude", tmp_path / "tune")
    assert asked not in said.output
    every = plan(mined, tmp_path / "every", "--minutes", "20", "--exclude", tmp_path / "tune")
    assert "all that other audits left, which drew " in every.output
    assert "30 first reads take 2 minutes at 4 s each" in said.output
    studies = [
        {item.study_id for item in open_audit(tmp_path / name).items} for name in ("tune", "hold")
    ]
    assert studies[0].isdisjoint(studies[1])


def test_without_minutes_as_many_as_the_promise_needs(mined, tmp_path):
    said = plan(mined, tmp_path / "audit", promise="precision >= .8")
    assert "reads suffice for what is promised" in said.output
    said = plan(mined, tmp_path / "other", promise="recall >= .999")
    assert isinstance(said.exception, AuditError)
    assert "no number of reads proves" in str(said.exception)


def test_later_labels_are_judged_by_the_same_reads(mined, tmp_path):
    folder, _, labels = mined
    plan(mined, tmp_path / "audit", "--minutes", "20")
    read_blind(tmp_path / "audit", "ann", "bob")
    later = mine(folder, "later", (SAID[0], SAID[0], *SAID[2:]))[1]
    said = run("estimate", tmp_path / "audit", "--labels", later, "--planned", labels)
    assert "labels later.parquet" in said.output
    assert "precision ≥ 0.9: refuted" in said.output
    said = run("estimate", tmp_path / "audit", "--labels", labels, "--planned", later)
    assert "not the tables that the audit was planned from" in str(said.exception)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--finding", "edema_severity"), "nothing of 'precision"),
        (("--finding", "Edema"), "once each"),
        (("--expect", "no_mention=few"), "expected STRATUM=SHARE"),
        (("--minutes", "1", "--pace", "90"), "expected one at least"),
        (("--exclude", "nowhere"), "no audit"),
        (("--repair", "3", "--repair-by", "luck"), "no order of repairs"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_and_nothing_is_made(mined, tmp_path, more, words):
    said = plan(mined, tmp_path / "audit", "--minutes", "10", *more)
    assert words in str(said.exception)
    assert not (tmp_path / "audit").exists()


def test_reports_other_than_the_labels_are_refused(mined, tmp_path):
    folder, _, labels = mined
    others, _ = mine(folder, "others", SAID[::-1])
    said = plan((folder, others, labels), tmp_path / "audit", "--minutes", "10")
    assert "was made from other reports" in str(said.exception)


def test_an_audit_is_not_planned_twice(mined, tmp_path):
    plan(mined, tmp_path / "audit", "--minutes", "10")
    assert "holds an audit already" in str(
        plan(mined, tmp_path / "audit", "--minutes", "10").exception
    )


def test_minutes_without_end_are_refused(mined, tmp_path):
    said = plan(mined, tmp_path / "audit", "--minutes", "inf")
    assert isinstance(said.exception, AuditError)
    assert "expected a number of minutes" in str(said.exception)


def test_predictions_of_other_studies_are_refused_and_an_empty_repair_queue_is_told(
    mined, tmp_path
):
    table = tmp_path / "predictions.parquet"
    more = ("--minutes", "5", "--repair", "4", "--repair-by", "image", "--predictions", table)
    pd.DataFrame({"study_id": [1, 2], "Edema_p": [0.1, 0.9]}).to_parquet(table)
    said = plan(mined, tmp_path / "refused", *more)
    assert "has no study of the label table" in str(said.exception)
    pd.DataFrame({"study_id": ["study-001"], "Edema_p": [0.0]}).to_parquet(table)
    said = plan(mined, tmp_path / "told", *more)
    assert "0 labels in the repair queue by image" in said.output


def test_an_audits_folder_is_for_its_owner(mined, tmp_path):
    plan(mined, tmp_path / "audit", "--minutes", "5")
    assert (tmp_path / "audit").stat().st_mode & 0o777 == 0o700
