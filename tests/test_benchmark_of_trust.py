"""The benchmark of the trust report runs on a small phantom and says what it promises."""

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "trust_report.py"


def test_a_planted_marker_is_counted_and_a_clean_corpus_is_not():
    arguments = "--seeds 1 --studies 90 --resamples 50 --markers clean square"
    command = [sys.executable, str(BENCHMARK), *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    table = {row[0]: row for row in lines if row}
    column = table["corpus"].index("Lungs blacked out, learned anew")
    assert table["square"][column] == "1 of 1"
    assert table["clean"][column] == "0 of 1"
