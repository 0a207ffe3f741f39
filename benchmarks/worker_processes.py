"""Times `kerley mine` with one and with several worker processes on the same corpus."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_cards.label_table import read_manifest

ROUNDS = 3
KERLEY = Path(__file__).parents[1] / "kerley.py"


def time_workers(reports: list[str], workers: Sequence[int], folder: Path) -> list[dict[str, Any]]:
    """Return seconds by number of workers: of the whole command, and of the labelling in it."""
    corpus = folder / "corpus.parquet"
    ids = [f"s{index:07d}" for index in range(len(reports))]
    pq.write_table(pa.table({"study_id": ids, "report": reports}), corpus)
    command: dict[int, list[float]] = {count: [] for count in workers}
    mining: dict[int, list[float]] = {count: [] for count in workers}
    hashes = set()
    for turn in range(ROUNDS):
        for count in workers:
            out = folder / f"labels-{turn}-{count}.parquet"
            command[count].append(_mine(corpus, out, count))
            manifest = read_manifest(out)
            mining[count].append(manifest.seconds)
            hashes.add(manifest.table_hash)
            out.unlink()
    one = statistics.median(mining[workers[0]])
    return [
        {
            "workers": count,
            "command_seconds": statistics.median(command[count]),
            "mining_seconds": statistics.median(mining[count]),
            "reports_per_second": len(reports) / statistics.median(mining[count]),
            "times_first": one / statistics.median(mining[count]),
            "same_bytes": len(hashes) == 1,
        }
        for count in workers
    ]


def _mine(corpus: Path, out: Path, workers: int) -> float:
    command = [sys.executable, str(KERLEY), "mine", str(corpus), "--out", str(out)]
    start = time.perf_counter()
    subprocess.run(
        [*command, "--workers", str(workers)],
        check=True,
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return time.perf_counter() - start
