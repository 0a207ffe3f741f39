"""Votes of many labelers as one matrix: what each kind of file says, and how studies are joined."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from data_cards.label_table import write_label_table
from text_labeler.gold import read_gold
from text_labeler.label_matrix import (
    LabelerVotes,
    LabelMatrixError,
    align_reads,
    join_votes,
)
from text_labeler.labeler_files import parse_labeler, read_labelers
from text_labeler.scoring import ScoringError
from text_labeler.snorkel_matrix import read_snorkel, write_snorkel


def make_votes(name, ids, **votes):
    columns = {
        column.replace("_", " "): np.array(given, np.int8) for column, given in votes.items()
    }
    if "edema severity" in columns:
        columns["edema_severity"] = columns.pop("edema severity")
    return LabelerVotes(name, f"{name}.csv", tuple(ids), columns)


def write(folder, name, text):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(folder / name)


def read_one(path, column):
    votes = read_labelers([path])[0]
    return dict(zip(votes.study_ids, votes.votes[column].tolist(), strict=True))


def test_a_label_table_votes_by_its_codes(tmp_path):
    rows = [
        {"study_id": "a", "Edema": 1, "Edema_p": 0.9, "edema_severity": 3, "Kyphosis_p": 0.9},
        {"study_id": "b", "Edema": -1, "Kyphosis": 1},
        {"study_id": "c"},
    ]
    write_label_table(tmp_path / "t.parquet", rows)
    path = str(tmp_path / "t.parquet")
    assert read_one(path, "Edema") == {"a": 1, "b": -2, "c": -1}
    assert read_one(path, "edema_severity") == {"a": 3, "b": -1, "c": -1}
    assert read_one(path, "Kyphosis") == {"a": -1, "b": 1, "c": -1}
    assert set(read_labelers([path])[0].votes) == {"Edema", "Kyphosis", "edema_severity"}


def test_a_grade_of_an_uncertain_edema_is_no_vote(tmp_path):
    path = write(tmp_path, "a.csv", "study_id,Edema,edema_severity\na,-1,2\nb,1,2\nc,,2\nd,-1,0\n")
    assert read_one(path, "edema_severity") == {"a": -1, "b": 2, "c": 2, "d": -1}


def test_an_own_finding_of_one_file_is_read_in_all(tmp_path):
    own = write(tmp_path, "own.csv", "study_id,Kyphosis,Kyphosis_p\na,1,0.9\n")
    other = write(tmp_path, "other.csv", "study_id,Kyphosis,Age\na,0,50\n")
    assert [list(one.votes) for one in read_labelers([own, other])] == [["Kyphosis"]] * 2


@pytest.mark.parametrize(
    ("name", "text", "column", "expected"),
    [
        (
            "mimic.csv",
            "subject_id,study_id,Edema\n1,07,1.0\n1,8,0.0\n2,9,-1.0\n3,10,\n",
            "Edema",
            {"07": 1, "8": 0, "9": -2, "10": -1},
        ),
        ("commas.csv", "study_id,Edema\nx,1,\ny,0,\n", "Edema", {"x": 1, "y": 0}),
        ("openi.csv", "uid,Effusion,normal\n7,1,0\n8,0,1\n", "Pleural Effusion", {"7": 1, "8": 0}),
        ("openi.csv", "uid,Effusion,normal\n7,1,0\n8,0,1\n", "No Finding", {"7": 0, "8": 1}),
        (
            "mesh.csv",
            "uid,mesh,edema_level_from_mesh,edema_coded_without_level\n7,x,2,0\n8,y,,1\n",
            "edema_severity",
            {"7": 2, "8": -1},
        ),
        (
            "llm.jsonl",
            '{"study_id": 7, "Edema": -1, "edema_severity": 3}\n\n{"study_id": "8", "Edema": 0}\n',
            "Edema",
            {"7": -2, "8": 0},
        ),
        (
            "one.jsonl",
            '{"study_id": 7, "said": "a\u2028b"}\n{"study_id": 8, "severity": 3}\n',
            "edema_severity",
            {"7": -1, "8": 3},
        ),
    ],
)
def test_each_kind_of_file(tmp_path, name, text, column, expected):
    assert read_one(write(tmp_path, name, text), column) == expected


CUT_ARCHIVE = gzip.compress(b"study_id,Edema\nx,1", mtime=0)[:-9]
"""Always the same bytes: parametrised tests are named by them."""


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "study_id,Edema\nx,1\ny,2\n", r"a.csv, row 2, Edema: 2 is not one of -1, 0, 1"),
        ("a.csv", "study_id,edema_severity\nx,4\n", r"a.csv, row 1, edema_severity: 4 is not one"),
        ("a.csv", "study_id,Edema\nx,1\nx,0\n", r"a.csv, row 2, study_id"),
        ("a.csv", "study,Edema\nx,1\n", r"a.csv: expected a column `study_id`"),
        ("a.csv", "study_id,Edema\nx,\n", r"a.csv: no vote in it"),
        ("a.jsonl", '{"study_id": 1}\n{"study_id"\n', r"a.jsonl, line 2: not a JSON object$"),
        ("a.jsonl", '{"study_id": 1}\n\n[1]\n', r"a.jsonl, line 3: not a JSON object$"),
        ("a.jsonl", '{"study_id": 1, "Edema": "yes"}\n', r"row 1, Edema: a text is not one of"),
        ("a.csv", "study_id,Edema\nx,1,5\ny,0,6\n", r"a.csv: rows have more cells than the header"),
        ("a.csv.gz", CUT_ARCHIVE, "not a readable table: EOFError"),
        ("a.csv.zip", "PK", r"not a readable table: BadZipFile"),
        ("a.npz", "PK", r"a.npz: not a readable .npz"),
        ("a.csv", "uid,study_id,Edema\n1,2,1\n", r"a.csv: columns uid and study_id both hold ids"),
        ("a.csv", "study_id,subject_id,patient_id,Edema\n1,2,3,1\n", "patient_id and subject_id"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, text, message):
    with pytest.raises((LabelMatrixError, ScoringError), match=message):
        read_labelers([write(tmp_path, name, text)])


def test_a_missing_file_is_named(tmp_path):
    for name in ("no.csv", "no.npz", "no.parquet"):
        with pytest.raises((LabelMatrixError, ScoringError), match=f"{name}: no such file"):
            read_labelers([str(tmp_path / name)])


def test_names_are_stems_or_given(tmp_path):
    odd = write(tmp_path, "a=b.csv", "")
    assert parse_labeler("x/rules.csv")[0] == "rules"
    assert parse_labeler("llm=x/out.csv")[0] == "llm"
    assert parse_labeler(odd)[0] == "a=b"
    with pytest.raises(LabelMatrixError, match="name=path"):
        parse_labeler("=x.csv")


def test_studies_are_joined_by_an_outer_union():
    joined = join_votes(
        [
            make_votes("one", "ab", Edema=[1, 0], edema_severity=[3, 0]),
            make_votes("two", "cb", Edema=[-2, 1], Pleural_Effusion=[0, 1]),
            make_votes("three", "d", Edema=[0]),
        ]
    )
    matrix = joined.matrix
    assert matrix.study_ids == ("a", "b", "c", "d")
    assert matrix.columns == ("Edema", "Pleural Effusion", "edema_severity")
    assert matrix.column("Edema").tolist() == [[1, -1, -1], [0, 1, -1], [-1, -2, -1], [-1, -1, 0]]
    assert matrix.column("edema_severity")[:, 0].tolist() == [3, 0, -1, -1]
    assert [matrix.classes(column) for column in matrix.columns] == [2, 2, 4]
    assert joined.missing == {"one": 2, "two": 2, "three": 3}
    assert joined.apart == (("one", "three"), ("two", "three"))


@pytest.mark.parametrize(
    ("labelers", "message"),
    [
        ([("a", "x", {"Edema": [1]}), ("a", "x", {"Edema": [0]})], "'a' comes twice"),
        ([("a", "x", {"Edema": [1]}), ("a", "x", {"Fracture": [0]})], "'a' comes twice"),
        ([("a", "xx", {"Edema": [1, 1]})], "a.csv: a study occurs more than once"),
        ([("a", "xy", {"Edema": [1, 2]})], "a.csv, row 2, Edema, a: 2 is not a vote in -2..1"),
        ([("a", "x", {"edema_severity": [-2]})], "-2 is not a vote in -1..3"),
        ([("a", "", {})], "no labeler has a vote"),
        ([("a\x1b[31m", "x", {"Edema": [1]})], "a name that can be printed"),
        ([("a", "x", {"b\n": [1]})], "a name that can be printed"),
    ],
)
def test_refuses_what_is_no_matrix(labelers, message):
    with pytest.raises(LabelMatrixError, match=message):
        join_votes([make_votes(name, ids, **votes) for name, ids, votes in labelers])


def test_reads_are_put_in_the_matrix_order():
    matrix = join_votes([make_votes("one", "abc", Edema=[1, 0, 1], Fracture=[1, 0, 1])]).matrix
    reads = make_votes("reads", "xcba", Edema=[1, 0, -2, 1], Pneumonia=[1, 1, 1, 1])
    assert align_reads(matrix, reads).tolist() == [[1, -1, 0], [-1, -1, -1]]


def test_snorkel_out_and_in_again(tmp_path):
    given = [
        make_votes("one", "abc", Pleural_Effusion=[1, 0, -1], edema_severity=[3, 0, -1]),
        make_votes("two", "abc", Pleural_Effusion=[-2, 1, 1], edema_severity=[-1, 2, 1]),
    ]
    matrix = join_votes(given).matrix
    files = write_snorkel(matrix, tmp_path)
    assert [file.name for file in files] == ["Pleural_Effusion.npz", "edema_severity.npz"]
    with np.load(files[0]) as stored:
        assert stored["L"].tolist() == [[1, -1], [0, 1], [-1, 1]]
    again = join_votes(read_labelers(list(map(str, files)))).matrix
    assert (again.study_ids, again.labelers) == (matrix.study_ids, matrix.labelers)
    assert (again.column("edema_severity") == matrix.column("edema_severity")).all()
    with pytest.raises(LabelMatrixError, match="'one' comes twice"):
        join_votes([*read_snorkel(files[0]), *read_snorkel(files[0])])


def test_columns_whose_names_are_alike_have_matrices_of_their_own(tmp_path):
    columns = {"é": [1], "ü": [0], "ö": [1]}
    matrix = join_votes([make_votes("one", "a", **columns)]).matrix
    files = write_snorkel(matrix, tmp_path)
    assert [file.name for file in files] == ["_.npz", "__2.npz", "__3.npz"]
    again = join_votes(read_labelers(list(map(str, files)))).matrix
    assert (again.votes == matrix.votes).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"L": np.zeros((2, 3), int)}, r"L is int64 \(2, 3\)"),
        ({"L": np.zeros((2, 1))}, "float64"),
        ({"L": np.full((2, 1), -2)}, "−1 is to abstain"),
        ({"L": None}, "no L"),
        ({"names": np.array([{}])}, "not a readable .npz"),
        ({"study_ids": 1}, "names and study_ids are lists"),
    ],
)
def test_refuses_another_npz(tmp_path, changed, message):
    good = {"L": np.zeros((2, 1), int), "names": ["a"], "study_ids": [1, 2], "column": "Edema"}
    arrays = {key: value for key, value in (good | changed).items() if value is not None}
    np.savez(tmp_path / "m.npz", **arrays)
    with pytest.raises(LabelMatrixError, match=message):
        read_snorkel(tmp_path / "m.npz")


def test_open_i_gold_agrees_with_scoring(shared_data):
    path = shared_data / "openi" / "gold_findings.csv"
    votes = read_labelers([str(path)])[0]
    gold = read_gold(path).findings
    assert (votes.votes["Edema"] == gold["Edema"].to_numpy(np.int8)).all()
    assert set(votes.study_ids) == set(gold["study_id"])
