"""Plant damage of ten kinds in an image cache and print who finds it: verify, opening or reading.

    python benchmarks/cache_damage.py [--count 1000] [--seed 0]

Each time one thing is damaged in a fresh copy of a small cache, in turns raw and JPEG. Exit code 1
when `kerley cache verify` misses one, or when reading ever gives pixels that were not written.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vision import cache_build
from vision.cache import CacheError, CacheSettings, ImageCache, build_cache
from vision.cache_manifest import MANIFEST_NAME
from vision.cache_verify import verify_cache

IMAGES, SIDE, ROWS_PER_SHARD, PAGE = 30, 64, 8, 4096


@dataclass(frozen=True)
class Scene:
    """A sound cache, the build before it, a cache of other images, and what must be read."""

    sound: Path
    former: Path
    other: Path
    images: NDArray[np.uint8]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cache_build.BLOCK_ROWS = ROWS_PER_SHARD
    draw = random.Random(options.seed)
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        scenes = [make_scene(Path(folder) / storage, storage) for storage in ("raw", "jpeg")]
        for number in range(options.count):
            kind = list(KINDS)[number % len(KINDS)]
            scene = scenes[number // len(KINDS) % 2]
            counts[kind].update(damage_once(scene, Path(folder) / "damaged", KINDS[kind], draw))
    total: Counter[str] = sum(counts.values(), Counter())
    width = max(map(len, KINDS))
    print(f"{'':{width}}" + "".join(f"{name:>20}" for name in OUTCOMES.values()))
    for kind, found in [*counts.items(), ("all", total)]:
        print(f"{kind:{width}}" + "".join(f"{found[outcome]:20,}" for outcome in OUTCOMES))
    if total["verify"] < total["planted"] or total["wrong"]:
        sys.exit(1)


OUTCOMES = {
    "planted": "planted",
    "verify": "found by verify",
    "opening": "found on opening",
    "reading": "found on reading",
    "harmless": "unseen, no harm",
    "wrong": "wrong pixels read",
}
"""What a plain read, without verify, says of damage stands in the last four columns."""


def make_scene(folder: Path, storage: str) -> Scene:
    settings = CacheSettings.model_validate({"size": SIDE, "storage": storage})
    (folder / "in").mkdir(parents=True)
    paths = [folder / "in" / f"{number:03d}.png" for number in range(IMAGES)]
    for number, path in enumerate(paths):
        draw_image(number).save(path)
    paths[5].write_bytes(b"no image")
    build_cache(paths, folder / "sound", settings)
    shutil.copytree(folder / "sound", folder / "former")
    for number in range(0, IMAGES, 10):
        draw_image(number + 1000).save(paths[number])
    build_cache(paths, folder / "sound", settings)
    for number, path in enumerate(paths):
        draw_image(number + 2000).save(path)
    build_cache(paths, folder / "other", settings)
    return Scene(folder / "sound", folder / "former", folder / "other", read_all(folder / "sound"))


def draw_image(seed: int) -> Image.Image:
    y, x = np.mgrid[0:80, 0:80] / 80
    grain = np.random.default_rng(seed).normal(0, 8, x.shape)
    return Image.fromarray((128 + 90 * np.sin(5 * x + seed) * y + grain).clip(0, 255).astype("u1"))


def read_all(folder: Path) -> NDArray[np.uint8]:
    cache = ImageCache.open(folder)
    return cache.read(np.array([row for row in range(IMAGES) if cache.has_row(row)]))


def damage_once(
    scene: Scene,
    folder: Path,
    damage: Callable[[Scene, Path, random.Random], None],
    draw: random.Random,
) -> list[str]:
    """Say "planted" and who noticed what `damage` did to a copy of the sound cache."""
    before = stored_bytes(scene.sound)
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(scene.sound, folder)
        damage(scene, folder, draw)
        if stored_bytes(folder) != before:
            break
    outcomes = ["planted"]
    try:
        outcomes += ["verify"] if verify_cache(folder).problems else []
    except CacheError:
        outcomes.append("verify")
    return [*outcomes, read_plainly(scene, folder)]


def read_plainly(scene: Scene, folder: Path) -> str:
    try:
        ImageCache.open(folder)
    except CacheError:
        return "opening"
    try:
        images = read_all(folder)
    except CacheError:
        return "reading"
    return "harmless" if np.array_equal(images, scene.images) else "wrong"


def stored_bytes(folder: Path) -> dict[str, bytes]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def shards_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/shards/*"))


def any_file(folder: Path, draw: random.Random) -> Path:
    return draw.choice([*shards_of(folder), index_of(folder), folder / MANIFEST_NAME])


def index_of(folder: Path) -> Path:
    return next(folder.glob("*/index.parquet"))


def flip_bit(file: Path, draw: random.Random) -> None:
    data = bytearray(file.read_bytes())
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    file.write_bytes(data)


def flip_pixel(scene: Scene, folder: Path, draw: random.Random) -> None:
    flip_bit(draw.choice(shards_of(folder)), draw)


def flip_index(scene: Scene, folder: Path, draw: random.Random) -> None:
    flip_bit(index_of(folder), draw)


def flip_manifest(scene: Scene, folder: Path, draw: random.Random) -> None:
    flip_bit(folder / MANIFEST_NAME, draw)


def truncate(scene: Scene, folder: Path, draw: random.Random) -> None:
    file = any_file(folder, draw)
    data = file.read_bytes()
    file.write_bytes(data[: draw.randrange(len(data))])


def swap_shards(scene: Scene, folder: Path, draw: random.Random) -> None:
    one, two = draw.sample(shards_of(folder), 2)
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def zero_page(scene: Scene, folder: Path, draw: random.Random) -> None:
    file = any_file(folder, draw)
    data = bytearray(file.read_bytes())
    start = draw.randrange(-(-len(data) // PAGE)) * PAGE
    end = min(start + PAGE, len(data))
    data[start:end] = bytes(end - start)
    file.write_bytes(data)


def change_size(scene: Scene, folder: Path, draw: random.Random) -> None:
    """Let a file grow, or change a number of the manifest."""
    name = draw.choice(["file", "rows", "rows_per_shard", "size"])
    if name == "file":
        file = any_file(folder, draw)
        file.write_bytes(file.read_bytes() + draw.randbytes(draw.randint(1, 2 * PAGE)))
        return
    manifest = json.loads((folder / MANIFEST_NAME).read_text())
    (manifest["settings"] if name == "size" else manifest)[name] += draw.choice([-8, -1, 1, 8])
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest, indent=2) + "\n")


def put_former(scene: Scene, folder: Path, draw: random.Random) -> None:
    """Put back the manifest, the index, a shard or a whole generation of the build before."""
    target = index_of(folder).parent
    source = index_of(scene.former).parent
    what = draw.choice(["manifest", "index", "shard", "generation"])
    if what == "manifest":
        shutil.copy(scene.former / MANIFEST_NAME, folder / MANIFEST_NAME)
    elif what == "index":
        shutil.copy(source / "index.parquet", target / "index.parquet")
    elif what == "shard":
        shard = draw.choice(shards_of(scene.former))
        shutil.copy(shard, target / "shards" / shard.name)
    else:
        shutil.rmtree(target)
        shutil.copytree(source, target)


def repeat_row(scene: Scene, folder: Path, draw: random.Random) -> None:
    """Write the bytes of one row over those of another."""
    cache = ImageCache.open(folder)
    rows = [row for row in range(IMAGES) if cache.has_row(row)]
    one, two = (cache.index.iloc[row] for row in draw.sample(rows, 2))
    source, target = (
        cache.shards.file_of(int(line["row"]) // ROWS_PER_SHARD) for line in (one, two)
    )
    start, length = int(one["offset"]), int(one["length"])
    stored = source.read_bytes()[start : start + length]
    data = bytearray(target.read_bytes())
    kept = min(length, int(two["length"]))
    data[int(two["offset"]) : int(two["offset"]) + kept] = stored[:kept]
    target.write_bytes(data)


def put_foreign(scene: Scene, folder: Path, draw: random.Random) -> None:
    """Put in a shard or index of another cache, or a file that is no part of any."""
    target = index_of(folder).parent
    what = draw.choice(["shard", "index", "more"])
    if what == "shard":
        shard = draw.choice(shards_of(scene.other))
        shutil.copy(shard, target / "shards" / shard.name)
    elif what == "index":
        shutil.copy(index_of(scene.other), target / "index.parquet")
    else:
        place = draw.choice([folder, target, target / "shards"])
        (place / f"{draw.randrange(100, 1000):06d}.u8").write_bytes(draw.randbytes(SIDE * SIDE))


KINDS: dict[str, Callable[[Scene, Path, random.Random], None]] = {
    "bit flip in pixels": flip_pixel,
    "bit flip in the index": flip_index,
    "bit flip in the manifest": flip_manifest,
    "truncated file": truncate,
    "swapped shards": swap_shards,
    "zeroed page": zero_page,
    "wrong size": change_size,
    "stale generation": put_former,
    "duplicated row": repeat_row,
    "foreign file": put_foreign,
}

if __name__ == "__main__":
    main()
