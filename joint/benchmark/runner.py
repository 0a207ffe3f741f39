"""Runs a benchmark's units in processes; what is finished stands, and what was cut off goes on."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from configs.files import write_atomically, write_json
from joint.benchmark.arms import ARMS
from joint.benchmark.corpus import BenchmarkCorpus, draw_corpus, open_corpus, write_reader
from joint.benchmark.labels import teach_studies
from joint.benchmark.plan import identify
from joint.benchmark.score import score_unit
from joint.benchmark.settings import BenchmarkSettings
from joint.benchmark.unit import Unit, train_unit
from joint.resuming.stop_request import StopRequest

THREADS_VARIABLE = "OMP_NUM_THREADS"
PROBABILITIES = ("raw", "calibrated")


@dataclass(frozen=True)
class UnitResult:
    """What one unit came to.

    facts: label_accuracy, seconds, and where there were such: label_model, retrieval.
    raw, calibrated: [test images, 4], in the order of the corpus's test rows.
    """

    unit: Unit
    facts: dict[str, Any]
    raw: NDArray[np.float64]
    calibrated: NDArray[np.float64]


def run_units(
    units: Sequence[Unit], settings: BenchmarkSettings, out: Path, *, workers: int
) -> bool:
    """Run what does not stand yet; False when a stop was asked for before all was done.

    Each worker is a process with one thread. A stop (Ctrl-C, SIGTERM) ends every unit after its
    step with a checkpoint, from which the same command goes on.
    """
    prepare_corpus(units, settings, out, workers=workers)
    waiting = [unit for unit in units if not has_result(unit, settings, out)]
    done = len(units) - len(waiting)
    with tqdm(total=len(units), initial=done, desc="benchmark", unit="run") as bar:
        run = _run_in_processes if workers > 1 else _run_here
        for is_finished in run(waiting, settings, out, workers):
            bar.update(is_finished)
    return all(has_result(unit, settings, out) for unit in waiting)


def _run_here(
    units: Sequence[Unit], settings: BenchmarkSettings, out: Path, workers: int
) -> Iterator[bool]:
    for unit in units:
        is_finished = run_unit(unit, settings, out, identify(unit, settings))
        yield is_finished
        if not is_finished:
            return


def _run_in_processes(
    units: Sequence[Unit], settings: BenchmarkSettings, out: Path, workers: int
) -> Iterator[bool]:
    context = multiprocessing.get_context("spawn")
    with StopRequest() as stop, _one_thread_each():
        pool = ProcessPoolExecutor(workers, mp_context=context)
        futures = [
            pool.submit(run_unit, unit, settings, out, identify(unit, settings)) for unit in units
        ]
        try:
            for future in as_completed(futures):
                if stop.requested:
                    for other in futures:
                        other.cancel()
                if not future.cancelled():
                    yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def prepare_corpus(
    units: Sequence[Unit], settings: BenchmarkSettings, out: Path, *, workers: int
) -> None:
    """Draw the phantom, cache its images, and write the reports of every reader in the units."""
    draw_corpus(out / "work", settings, workers=workers)
    readers = {(u.scenario.perception_bias, u.scenario.perception_sigma) for u in units}
    for bias, sigma in sorted(readers):
        write_reader(out / "work", settings, bias=bias, sigma=sigma)


def open_unit_corpus(unit: Unit, settings: BenchmarkSettings, out: Path) -> BenchmarkCorpus:
    """Open the corpus with the reports of a unit's reader."""
    scenario = unit.scenario
    return open_corpus(
        out / "work", settings, bias=scenario.perception_bias, sigma=scenario.perception_sigma
    )


def run_unit(unit: Unit, settings: BenchmarkSettings, out: Path, identity: str) -> bool:
    """Train, calibrate and write one unit on one thread; False when it was interrupted."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _run_unit(unit, settings, out, identity)
    finally:
        torch.set_num_threads(threads)


def _run_unit(unit: Unit, settings: BenchmarkSettings, out: Path, identity: str) -> bool:
    start = time.monotonic()
    corpus = open_unit_corpus(unit, settings, out)
    taught = teach_studies(corpus, ARMS[unit.arm], unit.scenario, seed=unit.seed)
    folder = unit_folder(unit, out)
    checkpoints = folder / identity[:12]
    # The units have a bar of their own; one more per training run would overwrite it.
    with redirect_stderr(io.StringIO()):
        trained = train_unit(unit, settings, (corpus, taught), checkpoints)
    if trained is None:
        return False
    scored = score_unit(unit, trained, corpus, taught)
    with write_atomically(folder / "predictions.npz") as temporary, temporary.open("wb") as file:
        np.savez(file, raw=scored.raw, calibrated=scored.calibrated)
    result = {
        "identity": identity,
        "arm": unit.arm,
        "seed": unit.seed,
        "scenario": unit.scenario.model_dump(mode="json"),
        "facts": {**scored.facts, "seconds": round(time.monotonic() - start, 1)},
    }
    write_json(folder / "result.json", result)
    shutil.rmtree(checkpoints)
    return True


def unit_folder(unit: Unit, out: Path) -> Path:
    """Name the folder of a unit's result."""
    return out / "units" / unit.name


def has_result(unit: Unit, settings: BenchmarkSettings, out: Path) -> bool:
    """Say whether a unit stands, made from just these settings."""
    file = unit_folder(unit, out) / "result.json"
    if not file.is_file():
        return False
    found = json.loads(file.read_text(encoding="utf-8")).get("identity")
    return bool(found == identify(unit, settings))


def read_result(unit: Unit, out: Path) -> UnitResult:
    """Read what a finished unit came to."""
    folder = unit_folder(unit, out)
    facts = json.loads((folder / "result.json").read_text(encoding="utf-8"))["facts"]
    with np.load(folder / "predictions.npz", allow_pickle=False) as stored:
        raw, calibrated = (stored[name] for name in PROBABILITIES)
    return UnitResult(unit, facts, raw, calibrated)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes started meanwhile compute on one thread: several each would stand in line."""
    before = os.environ.get(THREADS_VARIABLE)
    os.environ[THREADS_VARIABLE] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[THREADS_VARIABLE]
        else:
            os.environ[THREADS_VARIABLE] = before
