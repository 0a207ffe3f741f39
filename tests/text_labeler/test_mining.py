"""Mining gives the same table whatever happens on the way."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from configs.files import hash_file
from data_cards.label_table import (
    LABEL_TABLE_SCHEMA,
    LabelTableError,
    read_label_table,
    read_manifest,
)
from data_cards.report_table.reader import read_report_table
from data_cards.study import Skipped, list_studies
from text_labeler import label_parts, mining
from text_labeler.engine import EngineError
from text_labeler.engines import Processes
from text_labeler.label_parts import LabelPartError, label_chunk, write_label_batches, write_stream
from text_labeler.labelers import KerleyLabeler, KeywordLabeler
from text_labeler.mining import mine, mine_corpus
from text_labeler.rulebook import RULES_FOLDER

LIMIT = 200
REPORTS = [
    "FINDINGS: Mild pulmonary edema. No effusion.",
    "Heart size is normal. Possible pneumonia.",
    None,
    "IMPRESSION: Severe pulmonary edema with cardiomegaly.",
    "No edema. " * (LIMIT // 10 + 1),
    "1.",
    "Right pneumothorax.",
]


def list_reports(folder, reports, skipped=()):
    studies = [
        {"corpus": "own", "study_id": f"s{i}", "patient_id": "p", "images": [], "report": report}
        for i, report in enumerate(reports)
    ]
    return list_studies("own", folder, studies, skipped)


@pytest.fixture
def listing(tmp_path, monkeypatch):
    monkeypatch.setattr(mining, "CHUNK_REPORTS", 2)
    return list_reports(tmp_path, REPORTS, [Skipped("x.xml", "empty file")])


def test_table_and_manifest_hold_what_was_read(listing, tmp_path, monkeypatch):
    monkeypatch.setattr(mining, "LABELED_CHARACTERS", LIMIT)
    out = tmp_path / "out" / "labels.parquet"
    manifest = mine(listing, out, profile="chexpert")
    frame = read_label_table(out)
    assert list(frame["study_id"]) == [f"s{i}" for i in range(7)]
    severity = frame["edema_severity"].astype(object).where(frame["edema_severity"].notna(), None)
    assert list(severity) == [2, None, None, 3, 0, None, None]
    assert frame.loc[0, "Pleural Effusion"] == 0
    assert frame.loc[1, "Pneumonia"] == -1
    assert frame.loc[3, ["edema_p0", "edema_p1", "edema_p2", "edema_p3"]].sum() == pytest.approx(1)
    assert frame.loc[2].drop(["study_id", "evidence"]).isna().all()
    row = frame.loc[3, "evidence"][0]
    assert REPORTS[3][row["start"] : row["end"]] == "pulmonary edema"
    assert manifest.counts["edema_severity"] == {
        "0": 1, "1": 0, "2": 1, "3": 1, "not mentioned": 4,
    }  # fmt: skip
    assert manifest.counts["Pneumonia"]["uncertain"] == 1
    assert [(skip["where"], skip["reason"]) for skip in manifest.skipped] == [
        ("x.xml", "empty file"),
        ("s2", "no report"),
        ("s4", "210 characters: only the first 200 were read"),
    ]
    assert (manifest.labeler, manifest.profile, manifest.studies) == ("kerley", "chexpert", 7)
    assert read_manifest(out) == manifest
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "labels.manifest.json",
        "labels.parquet",
    ]


def test_any_number_of_workers_gives_the_same_bytes(listing, tmp_path):
    outs = [tmp_path / f"{workers}.parquet" for workers in (1, 2)]
    for workers, out in enumerate(outs, start=1):
        mine(listing, out, profile="severity", workers=workers)
    assert hash_file(outs[0]) == hash_file(outs[1])


def test_chunks_are_bounded_by_reports_and_by_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(mining, "CHUNK_REPORTS", 3)
    monkeypatch.setattr(mining, "CHUNK_BYTES", 10)
    sizes = [4, 4, 4, 30, 1, 1, 1, 1]
    listing = list_reports(tmp_path, ["x" * size for size in sizes])
    reports = listing.studies.select_columns(["study_id", "report"]).with_format("arrow")
    assert mining._plan_chunks(reports) == [(0, 2), (2, 3), (3, 4), (4, 7), (7, 8)]


def test_row_groups_are_written_as_they_fill(listing, tmp_path, monkeypatch):
    monkeypatch.setattr(label_parts, "ROW_GROUP_REPORTS", 4)
    mine(listing, tmp_path / "labels.parquet")
    groups = pq.ParquetFile(tmp_path / "labels.parquet").metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [4, 3]


@pytest.mark.parametrize(
    ("ids", "labels", "expected"),
    [
        (["a", "b", "a"], [1, 0, None], "1 rows have the study id of an earlier one"),
        (["a", "b", "c"], [1, 7, 0], "row 2, Edema: 7 is not a label code"),
    ],
)
def test_a_faulty_part_is_refused_and_nothing_is_written(
    tmp_path, monkeypatch, ids, labels, expected
):
    monkeypatch.setattr(label_parts, "ROW_GROUP_REPORTS", 2)
    rows = [
        {"study_id": study_id, "Edema": label} for study_id, label in zip(ids, labels, strict=True)
    ]
    parts = [pa.Table.from_pylist([row], LABEL_TABLE_SCHEMA) for row in rows]
    with pytest.raises(LabelTableError, match=expected):
        write_label_batches(tmp_path / "labels.parquet", parts, LABEL_TABLE_SCHEMA)
    assert list(tmp_path.iterdir()) == []


def test_interrupted_mining_goes_on_where_it_was(listing, tmp_path, monkeypatch):
    whole, out = tmp_path / "whole.parquet", tmp_path / "labels.parquet"
    mine(listing, whole)
    calls = []

    def stop_at_the_third(*work):
        if len(calls) == 2:
            raise KeyboardInterrupt
        calls.append(work)
        return label_chunk(*work)

    monkeypatch.setattr(mining, "label_chunk", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        mine(listing, out)
    assert not out.exists()
    rest = []
    monkeypatch.setattr(mining, "label_chunk", lambda *work: rest.append(1) or label_chunk(*work))
    mine(listing, out)
    assert len(rest) == 2
    assert hash_file(out) == hash_file(whole)
    assert not list(tmp_path.glob(".labels*"))


KILLED = """
import sys, time
from pathlib import Path
from data_cards.report_table.reader import read_report_table
from text_labeler import mining

mining.CHUNK_REPORTS = 2
label_chunk = mining.label_chunk
def slowly(*work):
    time.sleep(0.02)
    return label_chunk(*work)
mining.label_chunk = slowly
mining.mine(read_report_table(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def test_mining_killed_in_mid_run_ends_with_the_same_bytes(tmp_path, monkeypatch):
    table, out, whole = (tmp_path / name for name in ("r.jsonl", "labels.parquet", "whole.parquet"))
    lines = (f'{{"study_id": "{i}", "report": "Edema {i}. No effusion."}}\n' for i in range(200))
    table.write_text("".join(lines))
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(table), str(out)], stderr=subprocess.DEVNULL
    )
    while len(list(tmp_path.glob(".labels*/*.arrows"))) < 3:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = len(list(tmp_path.glob(".labels*/*.arrows")))
    assert 3 <= kept < 100
    assert not out.exists()
    monkeypatch.setattr(mining, "CHUNK_REPORTS", 2)
    calls = []
    monkeypatch.setattr(mining, "label_chunk", lambda *work: calls.append(1) or label_chunk(*work))
    mine(read_report_table(table), out)
    assert len(calls) == 100 - kept
    mine(read_report_table(table), whole)
    assert hash_file(out) == hash_file(whole)
    assert not list(tmp_path.glob(".labels*"))


def test_parts_of_another_profile_are_not_taken(listing, tmp_path, monkeypatch):
    out = tmp_path / "labels.parquet"
    with monkeypatch.context() as patched:
        patched.setattr(mining, "write_manifest", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            mine(listing, out, profile="chexpert")
    calls = []
    monkeypatch.setattr(mining, "label_chunk", lambda *work: calls.append(1) or label_chunk(*work))
    mine(listing, out, profile="severity")
    assert len(calls) == 4


def test_the_keyword_labeler_mines_severity_only(listing, tmp_path):
    out = tmp_path / "labels.parquet"
    manifest = mine_corpus(listing, out, KeywordLabeler(), Processes())
    frame = read_label_table(out)
    assert frame["edema_severity"].tolist()[3] == 3
    assert frame["Edema"].isna().all()
    assert (manifest.labeler, manifest.profile) == ("miccai2020", "")
    assert manifest.rules_hash != mine(listing, out).rules_hash


def test_the_manifest_names_corpus_and_rules_by_hash(listing, tmp_path):
    out = tmp_path / "out" / "labels.parquet"
    rules = shutil.copytree(RULES_FOLDER, tmp_path / "rules")
    for labeler, path in (
        (KerleyLabeler(profile="severity"), None),
        (KerleyLabeler(rules=rules), "../rules"),
        (KeywordLabeler(), None),
    ):
        manifest = mine_corpus(listing, out, labeler, Processes())
        assert [parent.model_dump() for parent in read_manifest(out).parents] == [
            {"kind": "corpus listing", "name": "own", "hash": listing.content_hash, "path": ".."},
            {"kind": "rules", "name": labeler.kind, "hash": manifest.rules_hash, "path": path},
        ]


def test_a_worker_with_other_rules_is_refused(listing):
    chunk = write_stream(listing.studies.with_format("arrow")[:2])
    with pytest.raises(LabelPartError, match="other rules or another version"):
        label_chunk(chunk, KerleyLabeler(), "the hash of the rules over there")


def _die(_chunk):
    os._exit(1)


def test_dead_worker_is_one_clear_error():
    with Processes(2) as engine, pytest.raises(EngineError, match="run the same command again"):
        list(engine.run(_die, iter([(0, b"")]), ()))


def test_no_workers_is_refused():
    with pytest.raises(EngineError, match="expected 1 or more"):
        Processes(0)
