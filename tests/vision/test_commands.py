"""`kerley grade` on folders and files, good and bad."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from kerley import app
from tests.vision.examples import draw_xray, save_dicom, save_xrays, small_tower
from vision.cache import CacheSettings
from vision.grade_table import GradeTableError
from vision.grader import Grader
from vision.torch_engine import TorchEngine


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a grader and a folder of good, bad and other files."""
    Grader(engine=TorchEngine(small_tower()), input=CacheSettings(size=32)).save(
        tmp_path / "grader"
    )
    save_xrays(tmp_path / "films", 2)
    nested = tmp_path / "films" / "nested"
    nested.mkdir()
    save_dicom(nested / "without_ending", draw_xray(1).astype(np.uint16) * 16)
    (nested / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    (nested / "notes.txt").write_text("no image")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def kerley(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["grade", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_folder_is_graded_and_what_is_broken_is_a_row_with_the_reason(scene: Path) -> None:
    output = kerley("grader", "films", "--out", "out/grades.csv")
    table = pd.read_csv(scene / "out" / "grades.csv")
    assert list(table.columns) == [
        *("path", "sha256", "severity", "p0", "p1", "p2", "p3"),
        *("Cardiomegaly", "Cardiomegaly_p", "Pleural Effusion", "Pleural Effusion_p"),
        *("abstain", "reason", "warnings"),
    ]
    assert [Path(path).name for path in table["path"]] == [
        *("broken.jpg", "without_ending", "xray000.png", "xray001.png")
    ]
    assert table["abstain"].tolist() == [True, False, False, False]
    assert table["reason"][0].startswith("unreadable: ")
    assert table["severity"].isna().tolist() == [True, False, False, False]
    assert table.loc[1:, ["p0", "p1", "p2", "p3"]].sum(axis=1).tolist() == pytest.approx([1] * 3)
    assert "no window" in table["warnings"][1]
    assert "4 images, 3 graded" in output
    assert "abstained, unreadable: 1" in output
    assert "1 files that are no images left out" in output


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_the_formats_hold_the_same(scene: Path, ending: str) -> None:
    kerley("grader", "films", "--out", f"grades.{ending}")
    file = scene / f"grades.{ending}"
    readers = {"csv": pd.read_csv, "parquet": pd.read_parquet}
    if ending == "json":
        table = pd.DataFrame(json.loads(file.read_text()))
    else:
        table = readers[ending](file)
    grader = Grader.load(scene / "grader")
    expected = grader(scene / "films" / "xray000.png").probabilities
    assert expected is not None
    assert table.loc[2, ["p0", "p1", "p2", "p3"]].tolist() == pytest.approx(expected)
    assert table["sha256"].notna().all()


def test_heatmaps_are_drawn_for_what_is_readable(scene: Path) -> None:
    kerley("grader", "films", "--out", "grades.csv", "--heatmaps", "maps")
    maps = sorted((scene / "maps").iterdir())
    assert len(maps) == 3
    with Image.open(maps[-1]) as image:
        assert (image.mode, image.size) == ("RGB", (120, 90))


def test_the_gate_refuses_what_is_no_chest(scene: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300)).astype(np.uint8)
    Image.fromarray(noise).save(scene / "noise.png")
    assert "1 images, 1 graded" in kerley("grader", "noise.png", "--out", "grades.csv")
    assert "abstained, refused: 1" in kerley("grader", "noise.png", "--out", "a.csv", "--gate")


def test_a_file_name_cannot_become_a_formula(scene: Path) -> None:
    (first, _) = save_xrays(scene / "=cmd|calc", 2)
    kerley("grader", str(first.relative_to(scene)), "--out", "grades.csv")
    with (scene / "grades.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["path"] == "'=cmd|calc/xray000.png"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grader", "films", "--out", "grades.xlsx"], "grades.xlsx: expected a file ending in"),
        (["grader", "missing", "--out", "a.csv"], "missing: no such file or folder"),
        (["grader", "empty", "--out", "a.csv"], "empty: no image to grade"),
    ],
)
def test_what_cannot_be_done_is_said_first(scene: Path, arguments: list[str], message: str) -> None:
    (scene / "empty").mkdir()
    with pytest.raises(GradeTableError, match=message):
        CliRunner().invoke(app, ["grade", *arguments], catch_exceptions=False)


def test_real_files_are_graded(scene: Path, shared_data: Path) -> None:
    kerley("grader", str(shared_data / "dicom"), "--out", "grades.json")
    rows = json.loads((scene / "grades.json").read_text())
    assert len(rows) == 3
    assert not any(row["abstain"] for row in rows)
    chest = next(row for row in rows if "RG1" in row["path"])
    assert "stored as MONOCHROME1, turned" in chest["warnings"]
