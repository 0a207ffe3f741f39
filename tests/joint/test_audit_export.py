"""An audit's export closes the loop: into combine, into training, and to W&B without a word."""

from __future__ import annotations

import csv
import json
import uuid

import pandas as pd
import pytest
from typer.testing import CliRunner

import kerley
from data_cards.label_table import read_label_table
from joint.lineage.trace import find_lineage
from joint.metrics_log import MetricsLog
from joint.run import run_training
from joint.run_settings import RunSettings
from joint.targets import severity_targets
from joint.tracking.artifacts import ALIAS_DIGITS
from tests.joint.tiny import TOWER, joint_settings
from tests.joint.tiny_corpus import PLANTED_WORD, STUDIES, grade_of, read_tiny, write_tiny
from text_labeler.audit.conflicts import SEVERITY
from text_labeler.audit.place import open_folder
from text_labeler.audit.records import Answer, AuditError
from text_labeler.audit.store import AuditStore

STUDY_PREFIX, NOTE = "canary-study", "canary-note"
NAMES = ("reader-jane-doe", "reader-john-doe")


def run(*words):
    result = CliRunner().invoke(kerley.app, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def write_table(root):
    table = root / "table.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["study_id", "patient_id", "report", "image_path", "view"])
        for number, study in enumerate(read_tiny(root).studies):
            image = f"study-{number}.png"
            row = [f"{STUDY_PREFIX}-{number}", f"p{number // 2}", study["report"], image, "PA"]
            writer.writerow(row)
    return table


def read_as(store: AuditStore, reader: str) -> None:
    """Read as somebody does who knows the images' grades; they differ from what reports say."""
    while (given := store.claim(reader, queue="blind")) is not None:
        number = int(given.item.study_id.rpartition("-")[2])
        answer = Answer(str(grade_of(number)), 2.0, note=NOTE)
        store.record(reader, given.item.item_id, answer, idem=uuid.uuid4().hex)


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    """A corpus, its mined labels, and an audit of all grades by two readers, by the commands."""
    folder = tmp_path_factory.mktemp("audited")
    table, mined = write_table(write_tiny(folder / "corpus")), folder / "mined.parquet"
    run("mine", table, "--out", mined)
    run(
        "audit", "plan", mined, "--source", table, "--finding", SEVERITY,
        "--promise", "accuracy >= .5", "--minutes", 1000, "--out", folder / "audit",
    )  # fmt: skip
    with open_folder(folder / "audit") as store:
        for reader in NAMES:
            read_as(store, reader)
    return folder


def test_an_export_goes_into_combine_and_training(audited, tmp_path):
    said = run("audit", "export", audited / "audit", "--out", tmp_path / "out")
    assert f"{STUDIES} of {STUDIES} items are settled" in said
    combined = tmp_path / "combined.parquet"
    audited_csv = tmp_path / "out" / "audited.csv"
    run("combine", audited / "mined.parquet", "--audited", audited_csv, "--out", combined)
    table = read_label_table(combined).set_index("study_id")
    grades = [table[SEVERITY][f"{STUDY_PREFIX}-{n}"] for n in range(STUDIES)]
    assert grades == [grade_of(n) for n in range(STUDIES)], "what was read, not what was mined"
    result = run_training(tiny_settings(audited, tmp_path, combined))
    rows = [row for row in MetricsLog(result.folder.metrics).rows() if row["kind"] == "train"]
    assert max(row["loss_severity"] for row in rows) > 0
    kinds = {node.kind for node in find_lineage(result.folder.path).lineage.nodes}
    assert {"audited reads", "label table", "run"} <= kinds
    gold = severity_targets(read_label_table(tmp_path / "out" / "gold.parquet"))
    assert gold.known.all(), "gold alone can be trained on as well"


def tiny_settings(audited, folder, labels):
    task = joint_settings(sections="drawn").model_dump(mode="json")
    return RunSettings.model_validate_json(json.dumps({
        "name": "audited",
        "out": str(folder / "runs"),
        "data": {
            "corpus": "report_table",
            "root": str(audited / "corpus" / "table.csv"),
            "work": str(audited / "work"),
            "labels": {"kind": "table", "path": str(labels)},
            "cache": {"size": 32},
        },
        "task": task | {"tower": TOWER.model_dump(mode="json")},
        "loop": {"steps": 2, "evaluate_every": 2, "log_every": 1},
        "tracking": {"wandb": "disabled"},
        "evaluation": {"resamples": 10},
    }))  # fmt: skip


def test_wandb_gets_numbers_and_hashes_alone(audited, tmp_path):
    out = tmp_path / "out"
    run("audit", "export", audited / "audit", "--out", out, "--wandb", "audits")
    files = [file for file in (out / "wandb").rglob("*") if file.is_file()]
    content = b"".join(file.read_bytes() for file in files)
    (mirror,) = (out / "wandb").rglob("*.wandb")
    card = json.loads((out / "wandb" / "upload" / "audit" / "card.json").read_text())
    assert card["counts"]["settled"] == STUDIES
    assert card["counts"]["readers"] == 2
    assert 0 < card["measures"][f"{SEVERITY}/accuracy"] < 1
    assert card["hash"][:ALIAS_DIGITS].encode() in mirror.read_bytes()
    for private in (STUDY_PREFIX, PLANTED_WORD, NOTE, *NAMES, "mined.parquet"):
        assert private.encode() not in content, private


def test_wandb_gets_the_files_only_with_the_text(audited, tmp_path):
    out = tmp_path / "out"
    run("audit", "export", audited / "audit", "--out", out, "--wandb", "audits", "--with-text")
    uploaded = out / "wandb" / "upload" / "audit"
    assert PLANTED_WORD in (uploaded / "label_studio.json").read_text()
    assert pd.read_parquet(uploaded / "gold.parquet")["study_id"].str.startswith(STUDY_PREFIX).all()


def test_a_server_that_fails_is_told_of_and_the_export_stays(audited, tmp_path, monkeypatch):
    import wandb

    def fail(**_):
        raise wandb.errors.CommError("SECRET place")

    monkeypatch.setattr(wandb, "init", fail)
    command = ("audit", "export", audited / "audit", "--out", tmp_path / "out", "--wandb", "audits")
    with pytest.raises(AuditError, match=r"W&B did not take the audit: CommError$"):
        run(*command, "--wandb-mode", "online")
    assert (tmp_path / "out" / "gold.parquet").is_file()
