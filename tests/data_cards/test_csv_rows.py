from __future__ import annotations

from pathlib import Path

import pytest

from data_cards import csv_rows
from data_cards.csv_rows import read_csv_rows
from data_cards.study import CorpusError


def write(tmp_path: Path, content: bytes) -> Path:
    file = tmp_path / "t.csv"
    file.write_bytes(content)
    return file


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (b"id,x\n007,a\n", [{"id": "007", "x": "a"}]),
        (b"id,x\r\n1,a\r\n\r\n2,\r\n", [{"id": "1", "x": "a"}, {"id": "2", "x": ""}]),
        (b"\xef\xbb\xbfid,x\n1,NA\n", [{"id": "1", "x": "NA"}]),
        ("id,x\n1,38 ℃\n".encode(), [{"id": "1", "x": "38 ℃"}]),
        (b"id,x\n1,38\xb0C\n", [{"id": "1", "x": "38°C"}]),
        (b'id,x\n1,"two\nlines, ""quoted"""\n', [{"id": "1", "x": 'two\nlines, "quoted"'}]),
        (b"id,x\n", []),
    ],
)
def test_values_are_the_text_in_the_file(tmp_path, content, values):
    assert [row.values for row in read_csv_rows(write(tmp_path, content), ["id"])] == values


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "t.csv: empty; expected a header with id, x"),
        (b"id,y\n1,2\n", r"t.csv: columns missing: x \(expected id, x; found id, y\)"),
        (b"id,x,x\n1,2,3\n", "t.csv: columns named more than once: x"),
        (b"id,x\n1,2\n3\n", r"t.csv, row 2 \(line 3\): 1 values; expected 2"),
        (b'id,x\n1,"a\nb"\n3,4,5\n', r"t.csv, row 2 \(line 4\): 3 values; expected 2"),
        (b"id,x\n1,2\n3,a\0b\n", "t.csv, line 3: holds a NUL byte"),
        (b'id,x\n1,"never closed\n', "t.csv, line 2: not readable as CSV"),
        (b'id,x\n1,"a"b\n', "t.csv, line 2: not readable as CSV"),
        (b"id,x\n1,2\n3,\x81\n", "t.csv, line 3: the bytes are neither UTF-8 nor Windows-1252"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, content, expected):
    with pytest.raises(CorpusError, match=expected):
        list(read_csv_rows(write(tmp_path, content), ["id", "x"]))


def test_a_file_without_a_header_does_not_show_its_text(tmp_path):
    file = write(tmp_path, b"17,Mild pulmonary edema. No effusion; the heart is large.\n")
    with pytest.raises(CorpusError) as caught:
        list(read_csv_rows(file, ["study_id", "report"]))
    assert "edema" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CorpusError, match=r"t\.csv: cannot be read: No such file"):
        list(read_csv_rows(tmp_path / "t.csv", ["id"]))


def test_a_report_of_ten_million_characters_is_one_value(tmp_path):
    (row,) = read_csv_rows(write(tmp_path, b"id,x\n1," + b"a" * 10_000_000 + b"\n"), ["id"])
    assert len(row.values["x"]) == 10_000_000


def test_rows_are_read_as_they_are_asked_for(tmp_path):
    rows = read_csv_rows(write(tmp_path, b"id,x\n1,2\n3\n"), ["id"])
    assert next(rows).values == {"id": "1", "x": "2"}


@pytest.mark.parametrize("character", ["é", "€", "\U0001f600"])
@pytest.mark.parametrize("shift", range(5))
def test_a_character_may_lie_over_two_blocks(tmp_path, monkeypatch, character, shift):
    monkeypatch.setattr(csv_rows, "BLOCK_BYTES", 8)
    content = f"id,x\n{'a' * shift}{character},2\n"
    (row,) = read_csv_rows(write(tmp_path, content.encode()), ["id"])
    assert row.values["id"] == "a" * shift + character
    with pytest.raises(CorpusError, match="line 3: the bytes are neither"):
        list(read_csv_rows(write(tmp_path, content.encode() + b"\x81\n"), ["id"]))
