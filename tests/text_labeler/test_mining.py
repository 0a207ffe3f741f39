"""Mining gives the same table whatever happens on the way."""

from __future__ import annotations

import os

import pytest

from configs.files import hash_file
from data_cards.label_table import read_label_table, read_manifest
from data_cards.study import Skipped, list_studies
from text_labeler import mining
from text_labeler.labeler import LABELED_CHARACTERS
from text_labeler.mining import MiningError, mine

REPORTS = [
    "FINDINGS: Mild pulmonary edema. No effusion.",
    "Heart size is normal. Possible pneumonia.",
    None,
    "IMPRESSION: Severe pulmonary edema with cardiomegaly.",
    "No edema. " * (LABELED_CHARACTERS // 10 + 1),
    "1.",
    "Right pneumothorax.",
]


@pytest.fixture
def listing(tmp_path, monkeypatch):
    monkeypatch.setattr(mining, "CHUNK_REPORTS", 2)
    studies = [
        {"corpus": "own", "study_id": f"s{i}", "patient_id": "p", "images": [], "report": report}
        for i, report in enumerate(REPORTS)
    ]
    return list_studies("own", tmp_path, studies, [Skipped("x.xml", "empty file")])


def test_table_and_manifest_hold_what_was_read(listing, tmp_path):
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
    assert [skip["where"] for skip in manifest.skipped] == ["x.xml", "s2", "s4"]
    assert manifest.studies == 7
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


def test_interrupted_mining_goes_on_where_it_was(listing, tmp_path, monkeypatch):
    whole, out = tmp_path / "whole.parquet", tmp_path / "labels.parquet"
    mine(listing, whole, profile="chexpert")
    label_chunk = mining.label_chunk
    done = []

    def stop_at_the_third(chunk, profile):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(chunk)
        return label_chunk(chunk, profile)

    monkeypatch.setattr(mining, "label_chunk", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        mine(listing, out, profile="chexpert")
    assert not out.exists()
    rest = []
    monkeypatch.setattr(
        mining,
        "label_chunk",
        lambda chunk, profile: rest.append(chunk) or label_chunk(chunk, profile),
    )
    mine(listing, out, profile="chexpert")
    assert [chunk[0][0] for chunk in rest] == ["s4", "s6"]
    assert hash_file(out) == hash_file(whole)
    assert not list(tmp_path.glob(".labels*"))


def test_parts_of_another_profile_are_not_taken(listing, tmp_path, monkeypatch):
    out = tmp_path / "labels.parquet"
    label_chunk = mining.label_chunk
    monkeypatch.setattr(mining, "write_label_table", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        mine(listing, out, profile="chexpert")
    monkeypatch.undo()
    monkeypatch.setattr(mining, "CHUNK_REPORTS", 2)
    labelled = []
    monkeypatch.setattr(
        mining,
        "label_chunk",
        lambda chunk, profile: labelled.append(chunk) or label_chunk(chunk, profile),
    )
    mine(listing, out, profile="severity")
    assert len(labelled) == 4


def _die(_chunk, _profile):
    os._exit(1)


def test_dead_worker_is_one_clear_error():
    chunks = iter([(0, [("s0", "Edema.")])])
    with pytest.raises(MiningError, match="run the same command again"):
        list(mining._label_in_workers(chunks, "chexpert", 1, _die))


def test_no_workers_is_refused(listing, tmp_path):
    with pytest.raises(MiningError, match="expected 1 or more"):
        mine(listing, tmp_path / "labels.parquet", profile="chexpert", workers=0)
