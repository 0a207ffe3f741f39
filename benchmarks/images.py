"""Print how much faster the image cache is built and read than decoding images the usual way.

    python benchmarks/images.py [--images 12] [--size 512]

The usual way is what tutorials do per item: Pillow decodes to RGB, resizes, and gives float32.
Both ways run in turns in one process on one thread; figures are medians of processor time.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vision.cache import CacheSettings, build_cache
from vision.framing import read_framed

HEIGHT, WIDTH = 3056, 2544
BATCH = 32
ROUNDS = 5
CACHED = 600
"""Rows of the cache that is read: far more than a processor's own cache holds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=12)
    parser.add_argument("--size", type=int, default=512)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_jpegs(Path(folder) / "originals", options.images)
        compare(paths, Path(folder), CacheSettings(size=options.size))


def compare(paths: list[Path], folder: Path, settings: CacheSettings) -> None:
    count, size = len(paths), settings.size
    usual, framed, built = [], [], []
    for turn in range(ROUNDS):
        usual.append(seconds(lambda: [load_usually(path, size) for path in paths]) / count)
        framed.append(seconds(lambda: [read_framed(path, settings) for path in paths]) / count)
        target = folder / f"cache{turn}"
        built.append(seconds(lambda at=target: build_cache(paths, at, settings)) / count)
    many = write_pngs(folder / "small", CACHED)
    cache = build_cache(many, folder / "many", settings)
    rng = np.random.default_rng(0)
    batches = [rng.integers(0, CACHED, BATCH) for _ in range(200)]
    cache.verify()
    read = seconds(lambda: drain(cache.read(rows) for rows in batches)) / (200 * BATCH)
    crops = seconds(lambda: drain(crop(cache.read(rows)) for rows in batches)) / (200 * BATCH)
    base = statistics.median(usual)
    megabytes = statistics.mean(path.stat().st_size for path in paths) / 1e6
    print(
        f"{count} JPEGs of {WIDTH}×{HEIGHT}, {megabytes:.1f} MB each, to {size}×{size}; one thread"
    )
    print(f"{'':44}{'ms/image':>10}{'images/s':>11}{'× usual':>9}")
    for name, each in [
        ("usual: Pillow RGB, resize, float32", base),
        ("read and frame (grey, scaled decode)", statistics.median(framed)),
        ("build the cache (with hashes and writing)", statistics.median(built)),
        (f"read the cache, uint8 batches of {BATCH}", read),
        (f"read the cache, float32 crops of {size * 7 // 8}", crops),
    ]:
        print(f"{name:44}{1000 * each:10.3f}{1 / each:11,.0f}{base / each:9.1f}")


def load_usually(path: Path, size: int) -> NDArray[np.float32]:
    with Image.open(path) as image:
        resized = image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(resized, np.float32).transpose(2, 0, 1) / 255


def crop(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    side = images.shape[1] * 7 // 8
    return images[:, :side, :side].astype(np.float32)


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


def write_pngs(folder: Path, count: int) -> list[Path]:
    """Small noise, quick to write: reading a cache costs the same whatever is in it."""
    folder.mkdir()
    paths = [folder / f"{seed:04d}.png" for seed in range(count)]
    for seed, path in enumerate(paths):
        noise = np.random.default_rng(seed).integers(0, 256, (32, 32)).astype(np.uint8)
        Image.fromarray(noise).save(path)
    return paths


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
