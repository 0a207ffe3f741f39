"""A combination as a label table: what is written of it, and of what it was made."""

from __future__ import annotations

import time

import numpy as np
import pytest

from data_cards.label_table import read_label_table, read_manifest, write_label_table
from tests.text_labeler.planted_matrix import NOBODY, plant
from text_labeler.combined_table import CombinedFiles, unite_evidence, write_combined
from text_labeler.combining import NO_MODEL, CombineSettings, combine_votes


def test_implications_hold_in_the_table_and_can_be_left_out(tmp_path):
    columns = ("No Finding", "Edema", "Vascular Congestion", "edema_severity")
    _, matrix = plant(6, 400, columns=columns)
    held = write(tmp_path / "held.parquet", combine_votes(matrix))
    assert (held["Edema_p"] >= held["Vascular Congestion_p"] - 1e-6).all()
    assert (held["Edema_p"] >= 1 - held["edema_p0"] - 1e-6).all()
    assert (held["No Finding_p"] <= 1 - held["Edema_p"] + 1e-6).all()
    assert (held.loc[(held["edema_severity"] > 0).fillna(False), "Edema"] == 1).all()
    assert not ((held["No Finding"] == 1) & (held["Edema"] == 1)).any()
    free = write(
        tmp_path / "free.parquet", combine_votes(matrix, CombineSettings(implications=False))
    )
    assert (free["Edema_p"] < 1 - free["edema_p0"] - 0.1).any()


def write(out, combination, labels=(), audited=None):
    files = CombinedFiles(tuple(labels), audited, {})
    write_combined(out, combination, files, began=time.monotonic())
    return read_label_table(out)


def test_a_table_holds_codes_and_probabilities(tmp_path):
    truth, matrix = plant(7, 300, columns=("Edema", "Kyphosis", "edema_severity"))
    matrix.votes[:, 0] = NOBODY
    matrix.votes[0, 1] = -2
    table = write(
        tmp_path / "t.parquet", combine_votes(matrix, CombineSettings(implications=False))
    )
    assert table.loc[1, "Edema"] == -1
    assert table["study_id"].tolist() == list(matrix.study_ids)
    assert table.loc[0, ["Edema", "Edema_p", "edema_severity", "edema_p0"]].isna().all()
    assert table["Fracture_p"].isna().all()
    assert (table["Kyphosis"][1:] == truth[1, 1:]).mean() > 0.8
    assert table[[f"edema_p{level}" for level in range(4)]][1:].sum(axis=1).to_numpy() == (
        pytest.approx(1, abs=1e-5)
    )


def mention(finding, start):
    numbers = {"start": start, "end": start + 4, "cue_start": None, "cue_end": None}
    words = dict.fromkeys(("section", "rule", "change", "grade", "laterality", "anatomy"), "")
    return {"finding": finding, "assertion": "positive", **numbers, **words}


def test_evidence_is_that_of_all_label_tables(tmp_path):
    first, second, other = tmp_path / "a.parquet", tmp_path / "b.parquet", tmp_path / "c.csv"
    edema, mass = mention("Edema", 3), mention("Mass", 9)
    write_label_table(
        first, [{"study_id": "x", "evidence": [edema, mass]}, {"study_id": "y", "evidence": []}]
    )
    write_label_table(
        second, [{"study_id": "y", "evidence": [mass]}, {"study_id": "x", "evidence": [edema]}]
    )
    write_label_table(tmp_path / "d.parquet", [{"study_id": "x"}])
    files = [first, second, other, tmp_path / "d.parquet"]
    evidence = unite_evidence(["x", "z", "y"], files).to_pylist()
    assert evidence == [[edema, mass, edema], [], [mass]]


def test_a_manifest_names_parents_parameters_and_reads(tmp_path):
    truth, matrix = plant(8, 300, columns=("Edema", "Fracture"))
    matrix.votes[1, :, 1:] = NOBODY
    matrix.votes[0, 100:160, 0] = -2
    reads = np.full(truth.shape, NOBODY, np.int8)
    reads[0, :50] = truth[0, :50]
    labels, audited = tmp_path / "labels.csv", tmp_path / "reads.csv"
    labels.write_text("study_id,Edema\ns0,1\n")
    audited.write_text("study_id,Edema\ns0,1\n")
    out = tmp_path / "sub" / "t.parquet"
    write(out, combine_votes(matrix, audited=reads), [labels], audited)
    manifest = read_manifest(out)
    assert [(one.kind, one.name) for one in manifest.parents] == [
        ("label file", "labels.csv"),
        ("audited reads", "reads.csv"),
    ]
    assert manifest.parents[0].path == "../labels.csv"
    assert manifest.parameters["audited"] == {"Edema": 50}
    edema = manifest.parameters["columns"]["Edema"]
    assert edema["confusion"].keys() == set(matrix.labelers)
    assert edema["confusion"]["labeler 0"][1] == pytest.approx([0.05, 0.75, 0.2], abs=0.08)
    assert edema["confusion"]["labeler 1"][0][2] == pytest.approx(0, abs=1e-5)
    assert sum(edema["prior"]) == pytest.approx(1, abs=1e-5)
    assert manifest.parameters["columns"]["Fracture"] == {"model": "share of votes"}
    assert {"column": "Fracture", "says": NO_MODEL} in manifest.parameters["warnings"]
    assert manifest.counts["Edema"]["positive"] > 0


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    _, matrix = plant(9, 300)
    for name in ("a", "b"):
        write(tmp_path / f"{name}.parquet", combine_votes(matrix, CombineSettings(seed=3)))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
