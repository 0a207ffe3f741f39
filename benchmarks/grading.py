"""Print what grading one image takes: the bare network by engine, then from a file to its grade.

    taskset -c 2 python benchmarks/grading.py [--networks resnet18] [--rounds 9] [--busy 3]

Networks have random weights. All ways run in turns in one process; figures are medians. Time is
the processor's, but for `wall`. With `--busy`, so many other processes keep a core busy each.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from vision.abstention import fit_abstention
from vision.calibration import FindingCalibration, SeverityCalibration
from vision.encoder_settings import TorchvisionEncoderSettings
from vision.framing import CacheSettings, read_framed
from vision.grader import Grader
from vision.onnx_export import export_grader
from vision.threads import choose_threads
from vision.torch_engine import TorchEngine, prepare_for
from vision.tower import ImageTower, TowerSettings

FINDINGS = ("Cardiomegaly", "Pleural Effusion")
LARGE, SMALL = (2500, 3000), (420, 512)
GOALS_MS = {LARGE: 30.0, SMALL: 5.0}
WARMING = 2


class Seconds(NamedTuple):
    cpu: float
    wall: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["resnet18", "densenet121"])
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--busy", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        graders = {n: make_grader(n, Path(folder) / n, options.size) for n in options.networks}
        images = {shape: write_jpeg(Path(folder), shape) for shape in GOALS_MS}
        with keep_busy(options.busy):
            print(
                f"{options.size} px, {options.rounds} rounds, {options.busy} busy processes beside;"
                f" threads: torch's own {torch.get_num_threads()}, chosen {choose_threads()}"
            )
            for name, grader in graders.items():
                compare_engines(name, grader, images[SMALL], options.rounds)
            for name, grader in graders.items():
                for shape, path in images.items():
                    measure_path(name, grader, path, shape=shape, rounds=options.rounds)


def make_grader(name: str, folder: Path, size: int) -> Path:
    torch.manual_seed(0)
    encoder = TorchvisionEncoderSettings(name=name)
    tower = ImageTower(TowerSettings(encoder=encoder, findings=FINDINGS))
    rng = np.random.default_rng(0)
    Grader(
        engine=TorchEngine(tower),
        input=CacheSettings(size=size),
        severity_calibration=SeverityCalibration(slope=3.0, cuts=(1.0, 1.4, 2.0)),
        finding_calibrations=dict.fromkeys(FINDINGS, FindingCalibration(slope=2, intercept=0)),
        abstention=fit_abstention(rng.normal(size=(40, tower.width)), np.full((40, 4), 0.25)),
    ).save(folder)
    export_grader(folder, folder)
    return folder


def write_jpeg(folder: Path, shape: tuple[int, int]) -> Path:
    """A grey film with lungs and the grain of a real one: about 1.5 MB at 3000 × 2500."""
    height, width = shape
    y, x = np.mgrid[0:height, 0:width] / max(shape)
    grey = 190.0 - 40 * y
    for centre in (0.28, 0.58):
        grey -= 110 * np.exp(-(((x - centre) / 0.13) ** 2 + ((y - 0.4) / 0.25) ** 2))
    grey += np.random.default_rng(0).normal(0, 3.5, shape)
    path = folder / f"{height}x{width}.jpg"
    Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8)).save(path, quality=90)
    return path


def compare_engines(name: str, folder: Path, image: Path, rounds: int) -> None:
    threads = choose_threads()
    plain = Grader.load(folder, engine="torch").tower
    by_torch = Grader.load(folder, engine="torch", threads=threads)
    by_onnx = Grader.load(folder, engine="onnx", threads=threads)
    pixels = read_framed(image, by_onnx.input).pixels[np.newaxis]
    prepared = prepare_for(plain, pixels)

    def run_plain() -> None:
        with torch.no_grad():
            plain.grade_features(plain.encoder.trunk(prepared))

    def run_tower() -> None:
        with torch.no_grad():
            plain(prepared)

    ways: dict[str, Callable[[], object]] = {
        "torch eager": run_plain,
        "torch eager, channels last": run_tower,
        f"torch, {threads} threads": lambda: by_torch.engine.score(pixels),
        f"ONNX Runtime, {threads} threads": lambda: by_onnx.engine.score(pixels),
    }
    taken = time_in_turns(ways, rounds)
    bare = taken["torch eager"]
    print(f"\n{name:28} {'cpu ms':>8} {'wall ms':>8} {'× cpu':>7} {'× wall':>7}")
    for way, seconds in taken.items():
        print(
            f"{way:28} {seconds.cpu * 1e3:8.1f} {seconds.wall * 1e3:8.1f}"
            f" {bare.cpu / seconds.cpu:7.2f} {bare.wall / seconds.wall:7.2f}"
        )


def measure_path(
    name: str, folder: Path, path: Path, *, shape: tuple[int, int], rounds: int
) -> None:
    grader = Grader.load(folder, engine="onnx", threads=1)
    pixels = read_framed(path, grader.input).pixels[np.newaxis]
    ways = {
        "file to grade": lambda: grader(path),
        "bare network": lambda: grader.engine.score(pixels),
        "reading and framing": lambda: read_framed(path, grader.input),
    }
    taken = time_in_turns(ways, rounds)
    on_top = taken["file to grade"].cpu - taken["bare network"].cpu
    height, width = shape
    megabytes = path.stat().st_size / 1e6
    print(f"\n{name}, {width} × {height} JPEG of {megabytes:.2f} MB, ONNX, one thread, cpu ms")
    for way, seconds in taken.items():
        print(f"{way:28} {seconds.cpu * 1e3:8.1f}")
    print(f"{'on top of the network':28} {on_top * 1e3:8.1f}   goal: at most {GOALS_MS[shape]:.0f}")


def time_in_turns(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, Seconds]:
    taken: dict[str, list[Seconds]] = {way: [] for way in ways}
    for turn in range(WARMING + rounds):
        for way, run in ways.items():
            cpu, wall = time.process_time(), time.perf_counter()
            run()
            if turn >= WARMING:
                done = Seconds(time.process_time() - cpu, time.perf_counter() - wall)
                taken[way].append(done)
    return {way: Seconds(*map(statistics.median, zip(*t, strict=True))) for way, t in taken.items()}


@contextmanager
def keep_busy(count: int) -> Iterator[None]:
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=burn, daemon=True) for _ in range(count)]
    for other in others:
        other.start()
    try:
        if count:
            # The load that threads are chosen by is an average over a minute.
            time.sleep(60)
        yield
    finally:
        for other in others:
            other.kill()


def burn() -> None:
    while True:
        sum(range(100_000))


if __name__ == "__main__":
    main()
