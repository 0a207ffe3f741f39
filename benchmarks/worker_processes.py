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

KERLEY = Path(__file__).parents[1] / "kerley.py"


def time_workers(
    reports: list[str], workers: Sequence[int], rounds: int, folder: Path
) -> list[dict[str, Any]]:
    """Return seconds by number of workers: of the whole command, and of the labelling in it.

    `table_hashes`: how many different tables all runs together wrote.
    """
    corpus = folder / f"corpus-{len(reports)}.parquet"
    ids = [f"s{index:07d}" for index in range(len(reports))]
    pq.write_table(pa.table({"study_id": ids, "report": reports}), corpus)
    command: dict[int, list[float]] = {count: [] for count in workers}
    mining: dict[int, list[float]] = {count: [] for count in workers}
    hashes = set()
    for _ in range(rounds):
        for count in workers:
            out = folder / "labels.parquet"
            command[count].append(_mine(corpus, out, count))
            manifest = read_manifest(out)
            mining[count].append(manifest.seconds)
            hashes.add(manifest.table_hash)
    first = mining[workers[0]]
    return [
        {
            "reports": len(reports),
            "workers": count,
            "command_seconds": statistics.median(command[count]),
            "mining_seconds": statistics.median(mining[count]),
            "reports_per_second": len(reports) / statistics.median(mining[count]),
            "times_first": statistics.median(
                before / after for before, after in zip(first, mining[count], strict=True)
            ),
            "table_hashes": len(hashes),
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
