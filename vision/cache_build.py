"""Build one generation of an image cache: in parallel, resumable, the same bytes every time.

Each shard of rows is one job. It is written whole and flushed before its record in `blocks/`
appears, so that after `kill -9` every shard is either recorded and whole, or done again.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from configs.files import hash_json, write_atomically, write_json
from vision.cache_block import BlockJob, Former, Source, fill_block, follow_parent
from vision.cache_shards import CacheError, name_shard
from vision.framing import CacheSettings

logger = logging.getLogger(__name__)

BLOCK_ROWS = 64
INDEX_BYTES_PER_ROW = 600
JPEG_SHARE = 0.4
"""Of the raw size, for the announcement: X-rays take about a quarter, noisy ones more."""
INDEX_TYPES = pa.schema(
    [
        ("row", pa.int64()),
        ("path", pa.string()),
        ("bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("reason", pa.string()),
        ("sha256", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("crc32", pa.uint32()),
        ("top", pa.int32()),
        ("left", pa.int32()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("provenance", pa.string()),
    ]
)
"""One line per listed source, in order; `reason` is null where the image could be read."""


@dataclass(frozen=True)
class Generation:
    """The files of one build inside a cache folder, named by what was listed."""

    folder: Path
    settings: CacheSettings
    sources: tuple[Source, ...]

    @property
    def rows_per_shard(self) -> int:
        """Rows in every shard but the last."""
        return BLOCK_ROWS

    @property
    def index(self) -> Path:
        """The Parquet table of INDEX_TYPES; it exists once every block is done."""
        return self.folder / "index.parquet"

    @property
    def pixel_bytes(self) -> int:
        """Size of all shards; an estimate where they hold JPEG."""
        share = 1.0 if self.settings.storage == "raw" else JPEG_SHARE
        return round(len(self.sources) * self.settings.size**2 * share)

    @property
    def shards(self) -> Path:
        """The folder of shards, BLOCK_ROWS rows each."""
        return self.folder / "shards"

    def record_of(self, block: int) -> Path:
        """Where a finished block is recorded."""
        return self.folder / "blocks" / f"{block:06d}.json"


def list_sources(paths: Sequence[Path]) -> tuple[Source, ...]:
    """Name each file once, absolute, in the order given, with its size and time (−1: missing)."""
    return tuple(_look_at(path) for path in dict.fromkeys(map(absolute, paths)))


def absolute(path: Path | str) -> str:
    """Absolute form of a path, as caches store it; links are not followed."""
    return os.path.abspath(path)  # noqa: PTH100 (Path.resolve would follow links)


def name_generation(sources: tuple[Source, ...], settings: CacheSettings) -> str:
    """Name of the generation that holds exactly these files under these settings."""
    return hash_json([settings.preprocessing_hash, [list(source) for source in sources]])[:16]


def build_generation(
    generation: Generation, *, workers: int, announce: Callable[[str], object]
) -> pd.DataFrame:
    """Do what is missing and return the index; see `vision.cache.build_cache`."""
    _clear_temporary(generation.folder.parent)
    if not generation.index.is_file():
        _check_disk(generation, announce)
        generation.record_of(0).parent.mkdir(parents=True, exist_ok=True)
        write_json(generation.folder / "build.json", generation.settings.preprocessing_hash)
        _fill(generation, workers)
        _write_index(generation)
    shutil.rmtree(generation.record_of(0).parent, ignore_errors=True)
    return pd.read_parquet(generation.index)


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Let one build at a time work in a cache folder; others wait."""
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove_others(folder: Path, kept: str) -> None:
    """Delete the generations that the manifest no longer points to."""
    for record in folder.glob("*/build.json"):
        if record.parent.name != kept:
            shutil.rmtree(record.parent)


def _look_at(path: str) -> Source:
    try:
        stat = Path(path).stat()
    except OSError:
        return Source(path, -1, -1)
    return Source(path, stat.st_size, stat.st_mtime_ns)


def _clear_temporary(folder: Path) -> None:
    """Delete what a killed build was writing."""
    for file in folder.rglob(".*.tmp"):
        file.unlink(missing_ok=True)


def _check_disk(generation: Generation, announce: Callable[[str], object]) -> None:
    """Announce the disk that the build needs; raise CacheError when it isn't there."""
    folder, count = generation.folder.parent, len(generation.sources)
    need = generation.pixel_bytes + INDEX_BYTES_PER_ROW * count
    done = sum(file.stat().st_size for file in generation.shards.glob("[0-9]*"))
    need = max(0, need - done)
    free = shutil.disk_usage(folder).free
    announce(
        f"image cache: {count:,} files need {'about ' * (generation.settings.storage == 'jpeg')}"
        f"{_say_bytes(need)} of disk, {_say_bytes(free)} are free"
    )
    if need > free:
        raise CacheError(
            f"{folder}: the image cache needs {_say_bytes(need)}, "
            f"{_say_bytes(free)} are free; choose another folder or a smaller size"
        )


def _say_bytes(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def _fill(generation: Generation, workers: int) -> None:
    blocks = range(-(-len(generation.sources) // BLOCK_ROWS))
    missing = [block for block in blocks if not generation.record_of(block).is_file()]
    former = _find_former(generation) if missing else {}
    jobs = [_job(generation, block, former) for block in missing]
    todo = sum(len(job.sources) for job in jobs)
    total = len(generation.sources)
    with tqdm(total=total, initial=total - todo, unit="image", desc="image cache") as bar:
        if workers <= 1 or len(jobs) <= 1:
            for job in jobs:
                bar.update(fill_block(job))
        else:
            _fill_in_parallel(jobs, min(workers, len(jobs)), bar.update)


def _fill_in_parallel(jobs: list[BlockJob], workers: int, update: Callable[[int], object]) -> None:
    # Spawned, not forked: the caller may hold threads of torch.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=follow_parent) as pool:
        running = [pool.submit(fill_block, job) for job in jobs]
        try:
            for done in as_completed(running):
                update(done.result())
        except BrokenProcessPool as error:
            raise CacheError(
                "a worker of the image cache died (out of memory?); "
                "run again with fewer workers, finished blocks are kept"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _job(generation: Generation, block: int, former: dict[str, Former]) -> BlockJob:
    first = block * BLOCK_ROWS
    sources = generation.sources[first : first + BLOCK_ROWS]
    return BlockJob(
        settings=generation.settings,
        shard=generation.shards / name_shard(block, generation.settings),
        record=generation.record_of(block),
        first_row=first,
        sources=sources,
        former=tuple(former.get(source.path) for source in sources),
    )


def _find_former(generation: Generation) -> dict[str, Former]:
    """What other generations hold under the same decode settings, by source path."""
    found: dict[str, Former] = {}
    for build in sorted(generation.folder.parent.glob("*/build.json")):
        folder = build.parent
        if json.loads(build.read_text()) != generation.settings.preprocessing_hash:
            continue
        other = Generation(folder, generation.settings, ())
        for record in _read_records(other):
            if record["reason"] is None:
                shard = name_shard(record["row"] // BLOCK_ROWS, generation.settings)
                found[record["path"]] = Former(other.shards / shard, record)
    return found


def _read_records(generation: Generation) -> list[dict[str, Any]]:
    if generation.index.is_file():
        table = pq.read_table(generation.index)
        records: list[dict[str, Any]] = table.to_pylist()
        return records
    blocks = sorted(generation.record_of(0).parent.glob("*.json"))
    return [record for block in blocks for record in json.loads(block.read_text())]


def _write_index(generation: Generation) -> None:
    table = pa.Table.from_pylist(_read_records(generation), schema=INDEX_TYPES)
    with write_atomically(generation.index) as temporary:
        pq.write_table(table, temporary, compression="zstd")
