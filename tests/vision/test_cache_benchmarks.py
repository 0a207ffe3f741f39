"""The benchmarks of the image cache run and say what they promise; no test asks how fast it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.vision.examples import save_xrays

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def run(program: str, *arguments: str) -> list[str]:
    command = [sys.executable, str(BENCHMARKS / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_planted_damage_is_always_found_and_never_read_as_pixels(count: int) -> None:
    heading, *kinds, total = run("cache_damage.py", "--count", str(count), "--seed", "1")
    columns = ("planted", "found by verify", "unseen, no harm", "wrong pixels read")
    assert all(column in heading for column in columns)
    assert len(kinds) == 10
    planted, verified, opening, reading, harmless, wrong = (
        int(number.replace(",", "")) for number in total.split()[1:]
    )
    assert (planted, verified, wrong) == (count, count, 0)
    assert opening + reading + harmless == count
    assert harmless < count / 20
    assert [line.split()[-6] for line in kinds] == [str(count // 10)] * 10


def test_the_ratios_to_the_usual_way_are_printed_in_one_run(tmp_path: Path) -> None:
    save_xrays(tmp_path, 3)
    options = ("--size", "32", "--rounds", "1", "--read", "2")
    lines = run("images.py", "--files", str(tmp_path), *options)
    assert lines[0].startswith("3 files, 120×90")
    assert [line.split("  ")[0] for line in lines[3:]] == [
        "usual: Pillow RGB, resize, float32",
        "read and frame",
        "build the cache, raw",
        "build the cache, JPEG",
        "raw cache: uint8 batches of 32",
        "raw cache: uint8 through the training loader",
        "raw cache: float32 crops of 28",
        "jpeg cache: uint8 batches of 32",
        "jpeg cache: uint8 through the training loader",
        "jpeg cache: float32 crops of 28",
    ]
    assert "≥ 10,000/s, ≥ 50 ×" in lines[8]
