"""Print how much faster the image cache is built and read than decoding images the usual way.

    python benchmarks/images.py [--files FOLDER] [--images 24] [--size 512] [--rounds 5]

The usual way is what tutorials do per item: Pillow decodes to RGB, resizes, and gives float32. All
ways run in turns in one process on one thread. Times are of the processor, medians over rounds; a
ratio is the median over rounds of the usual way's time by the other's in the same round. Without
--files, JPEGs of 3056×2544 are drawn; with it, the JPEG and PNG files below FOLDER are measured as
they are; the goal of building is one for full-size films, so that it isn't shown then.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from accelerate import Accelerator
from numpy.typing import NDArray
from PIL import Image

from joint.batch_stream import stream_batches
from joint.resuming.checkpoints import Progress
from vision.batches import BatchSettings
from vision.cache import CacheSettings, ImageCache, build_cache
from vision.encoders import TorchvisionEncoderSettings
from vision.framing import frame_image, read_framed
from vision.grading_task import GradingData, GradingTask, GradingTaskSettings
from vision.images import read_image
from vision.tower import TowerSettings

HEIGHT, WIDTH = 3056, 2544
BATCH = 32
CACHED = 600
"""Rows of the cache that is read: far more than a processor's own cache holds."""
CROP_SHARE = 7 / 8


class Way(NamedTuple):
    """One way to the images of a round: how many it gives, and the goals that are set for it."""

    work: Callable[[], object]
    images: int
    least_rate: float | None = None
    least_ratio: float | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=Path)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--read", type=int, default=100, help="batches that are read in a round")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.files is None:
            paths = write_jpegs(folder / "originals", options.images)
        else:
            paths = find_files(options.files, options.images)
        describe(paths, options.size)
        ways = list_ways(paths, folder, options)
        for way in ways.values():
            way.work()  # once for warmth: first reads also test checksums
        turns = range(options.rounds)
        print_table(
            ways,
            [{name: seconds(way.work) / way.images for name, way in ways.items()} for _ in turns],
        )


def list_ways(paths: list[Path], folder: Path, options: argparse.Namespace) -> dict[str, Way]:
    """The usual way first; then building, and reading so many batches of each cache."""
    size, least = options.size, 3 if options.files is None else None
    raw, jpeg = CacheSettings(size=size), CacheSettings(size=size, storage="jpeg")
    many, numbers = write_framed(paths, folder / "framed", raw), itertools.count()

    def build(settings: CacheSettings) -> ImageCache:
        return build_quietly(paths, folder / f"cache{next(numbers)}", settings)

    ways = {
        "usual: Pillow RGB, resize, float32": Way(lambda: load_usually(paths, size), len(paths)),
        "read and frame": Way(lambda: drain(read_framed(path, raw) for path in paths), len(paths)),
        "build the cache, raw": Way(lambda: build(raw), len(paths), least_ratio=least),
        "build the cache, JPEG": Way(lambda: build(jpeg), len(paths)),
    }
    for settings, count, goals in ((raw, options.read, (50,)), (jpeg, -(-options.read // 10), ())):
        cache = build_quietly(many, folder / settings.storage, settings)
        ways |= list_readings(cache, count, *goals)
    return ways


def list_readings(
    cache: ImageCache, count: int, least_ratio: float | None = None
) -> dict[str, Way]:
    name, task, images = cache.settings.storage, make_task(cache), count * BATCH
    side = round(cache.settings.size * CROP_SHARE)
    rates = (10_000, 4_000) if least_ratio else (None, None)
    return {
        f"{name} cache: uint8 batches of {BATCH}": Way(
            lambda: drain(batches(cache, count)), images
        ),
        f"{name} cache: uint8 through the training loader": Way(
            lambda: drain(load_for_training(task, count)), images, rates[0], least_ratio
        ),
        f"{name} cache: float32 crops of {side}": Way(
            lambda: drain(crop_all(batches(cache, count), side)), images, rates[1], least_ratio
        ),
    }


def print_table(ways: dict[str, Way], times: list[dict[str, float]]) -> None:
    print(f"{'one thread':46}{'ms/image':>10}{'images/s':>11}{'× usual':>10}  goal")
    usual = next(iter(ways))
    for name, way in ways.items():
        each = statistics.median(turn[name] for turn in times)
        ratio = statistics.median(turn[usual] / turn[name] for turn in times)
        goals = [f"≥ {way.least_rate:,.0f}/s"] if way.least_rate else []
        goals += [f"≥ {way.least_ratio:g} ×"] if way.least_ratio else []
        met = 1 / each >= (way.least_rate or 0) and ratio >= (way.least_ratio or 0)
        words = f"{', '.join(goals)}: {'met' if met else 'MISSED'}" if goals else ""
        print(f"{name:46}{1000 * each:10.3f}{1 / each:11,.0f}{ratio:10,.1f}  {words}")


def describe(paths: list[Path], size: int) -> None:
    """Say what is read, and how far a framed image lies from a full decode, resized alike."""
    settings = CacheSettings(size=size)
    sides, decibels, reduced = [], [], 0
    for path in paths:
        full = read_image(path)
        sides.append(full.pixels.shape)
        framed = read_framed(path, settings).pixels.astype(float)
        error = np.mean((framed - frame_image(full, settings).pixels) ** 2)
        if error:
            reduced += 1
            decibels.append(10 * np.log10(255**2 / error))
    megabytes = statistics.mean(path.stat().st_size for path in paths) / 1e6
    height, width = (int(statistics.median(side)) for side in zip(*sides, strict=True))
    print(
        f"{len(paths)} files, {width}×{height}, {megabytes:.2f} MB each (medians), to {size}×{size}"
    )
    print(
        f"decoded at reduced scale: {reduced}"
        + (f"; {min(decibels):.1f} dB at least to a full decode (goal: ≥ 50)" if decibels else "")
    )


def load_usually(paths: list[Path], size: int) -> None:
    for path in paths:
        with Image.open(path) as image:
            resized = image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
        np.asarray(resized, np.float32).transpose(2, 0, 1) / 255


def build_quietly(paths: list[Path], folder: Path, settings: CacheSettings) -> ImageCache:
    with contextlib.redirect_stderr(io.StringIO()):
        return build_cache(paths, folder, settings)


def batches(cache: ImageCache, count: int) -> Iterator[NDArray[np.uint8]]:
    draw = np.random.default_rng(0)
    return (cache.read(draw.integers(0, CACHED, BATCH)) for _ in range(count))


def crop_all(images: Iterable[NDArray[np.uint8]], side: int) -> Iterator[NDArray[np.float32]]:
    """Cut a random square of each image, flip every other one, and scale to [0, 1]."""
    draw = np.random.default_rng(0)
    for batch in images:
        crops = np.empty((len(batch), side, side), np.float32)
        tops = draw.integers(0, batch.shape[1] - side, (len(batch), 2))
        for place, (top, left) in enumerate(tops):
            cut = batch[place, top : top + side, left : left + side]
            crops[place] = cut[:, ::-1] if place % 2 else cut
        crops *= np.float32(1 / 255)
        yield crops


def make_task(cache: ImageCache) -> GradingTask:
    """A training task on rows of a cache; its network is small, since it is not run."""
    encoder = TorchvisionEncoderSettings(
        name="DenseNet", arguments={"growth_rate": 4, "block_config": [1], "num_init_features": 4}
    )
    settings = GradingTaskSettings(
        kind="grading",
        tower=TowerSettings(encoder=encoder, findings=("Pleural Effusion",)),
        batches=BatchSettings(size=BATCH),
    )
    rows = np.arange(CACHED)
    data = GradingData(
        cache=cache,
        cache_rows=rows,
        severity_targets=np.full((CACHED, 4), 0.25, np.float32),
        has_severity=np.ones(CACHED, bool),
        finding_targets=np.zeros((CACHED, 1), np.float32),
        has_finding=np.ones((CACHED, 1), bool),
        train=rows,
        validate=rows[:0],
        study_hashes=("",) * CACHED,
    )
    return GradingTask(settings, data, seed=0)


def load_for_training(task: GradingTask, steps: int) -> Iterator[object]:
    """Give the batches of the training loop itself: uint8 images, targets and seeds."""
    return iter(stream_batches(task, Accelerator(cpu=True), Progress(), steps))


def find_files(folder: Path, count: int) -> list[Path]:
    """Up to `count` JPEG and PNG files below a folder, the largest first."""
    endings = {".jpg", ".jpeg", ".png"}
    files = [path for path in folder.rglob("*") if path.suffix.lower() in endings]
    if not files:
        raise SystemExit(f"{folder}: no JPEG or PNG files below it")
    return sorted(files, key=lambda path: (-path.stat().st_size, path))[:count]


def write_jpegs(folder: Path, count: int) -> list[Path]:
    """Smooth bodies with grain: about the file size of a radiograph at quality 95."""
    folder.mkdir()
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    paths = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        grey = 120 + 80 * np.sin(x / 300 + seed) * np.cos(y / 400)
        grain = rng.normal(0, 2.2, grey.shape).astype(np.float32)
        path = folder / f"{seed:03d}.jpg"
        Image.fromarray(np.clip(grey + grain, 0, 255).astype(np.uint8)).save(path, quality=95)
        paths.append(path)
    return paths


def write_framed(paths: list[Path], folder: Path, settings: CacheSettings) -> list[Path]:
    """The same images, framed, under CACHED names: a cache large enough to read from."""
    folder.mkdir()
    files = [folder / f"{number:04d}.png" for number in range(CACHED)]
    for number, file in enumerate(files):
        if number < len(paths):
            Image.fromarray(read_framed(paths[number], settings).pixels).save(
                file, compress_level=1
            )
        else:
            os.link(files[number % len(paths)], file)
    return files


def drain(items: Iterable[object]) -> None:
    """Take items one after another and keep none, as a training loop does."""
    for _ in items:
        pass


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
