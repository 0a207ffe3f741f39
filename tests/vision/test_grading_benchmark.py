"""The benchmark of grading runs and prints what it promises; no test asks how fast it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "grading.py"


def test_engines_and_the_whole_path_are_timed() -> None:
    arguments = ["--networks", "squeezenet1_1", "--size", "64", "--rounds", "1"]
    command = [sys.executable, str(PROGRAM), *arguments]
    # PyTorch with a thread per core takes minutes where other tests keep the cores busy.
    one = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=one)
    assert done.returncode == 0, done.stderr
    for expected in (
        *("torch eager", "channels last", "ONNX Runtime", "3000 × 2500 JPEG", "512 × 420 JPEG"),
        *("file to grade", "bare network", "on top of the network"),
    ):
        assert expected in done.stdout
