"""Fill one shard of an image cache: what a worker process does."""

from __future__ import annotations

import errno
import hashlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from configs.files import write_atomically, write_json
from vision.cache_shards import CacheError, encode_row
from vision.framing import CacheSettings, frame_image, read_for_framing
from vision.xray_image import ImageError, XrayImage

MASK_VALUES = 8
"""An image of no more grey values than this is a mask: JPEG would change them."""
MASK_SAMPLE_SIDE = 128


class Source(NamedTuple):
    """One listed file: absolute path, size and time of last change in nanoseconds."""

    path: str
    bytes: int
    mtime_ns: int


class Former(NamedTuple):
    """What another generation knows of a file: its shard and its line of the index."""

    shard: Path
    record: dict[str, Any]


@dataclass(frozen=True)
class BlockJob:
    """The rows from `first_row` on, one per source; `former` lies parallel to `sources`."""

    settings: CacheSettings
    shard: Path
    record: Path
    first_row: int
    sources: tuple[Source, ...]
    former: tuple[Former | None, ...]


def fill_block(job: BlockJob) -> int:
    """Write a shard, then its record; returns the number of rows."""
    shard = bytearray()
    records = []
    for place, (source, former) in enumerate(zip(job.sources, job.former, strict=True)):
        record: dict[str, Any] = {"row": job.first_row + place, **source._asdict(), "reason": None}
        try:
            stored, more = _take_over(source, former) or _decode(source, job.settings)
        except ImageError as error:
            record["reason"] = error.reason
        else:
            lies = {"offset": len(shard), "length": len(stored), "crc32": zlib.crc32(stored)}
            record |= lies | more
            shard += stored
        records.append(record)
    _write(job, shard, records)
    return len(records)


def _decode(source: Source, settings: CacheSettings) -> tuple[bytes, dict[str, Any]]:
    image = read_for_framing(Path(source.path), settings)
    if settings.storage == "jpeg":
        _refuse_mask(Path(source.path), image)
    framed = frame_image(image, settings)
    return encode_row(framed.pixels, settings), {
        "sha256": framed.provenance.sha256,
        **framed.placement._asdict(),
        "provenance": framed.provenance.model_dump_json(),
    }


def _refuse_mask(path: Path, image: XrayImage) -> None:
    step = max(1, min(image.pixels.shape) // MASK_SAMPLE_SIDE)
    values = len(np.unique(image.pixels[::step, ::step]))
    if values <= MASK_VALUES:
        raise ImageError(
            path, f"only {values} grey values, like a mask: JPEG would change them; store it raw"
        )


def _take_over(source: Source, former: Former | None) -> tuple[bytes, dict[str, Any]] | None:
    """Copy the row of a file that hasn't changed; None when it has, or the row is damaged."""
    if former is None or source.bytes != former.record["bytes"]:
        return None
    if source.mtime_ns != former.record["mtime_ns"]:
        try:
            sha256 = hashlib.sha256(Path(source.path).read_bytes()).hexdigest()
        except OSError:
            return None
        if sha256 != former.record["sha256"]:
            return None
    try:
        with former.shard.open("rb") as file:
            file.seek(former.record["offset"])
            stored = file.read(former.record["length"])
    except OSError:
        return None
    if zlib.crc32(stored) != former.record["crc32"]:
        return None
    kept = ("sha256", "top", "left", "height", "width", "provenance")
    return stored, {name: former.record[name] for name in kept}


def _write(job: BlockJob, shard: bytearray, records: list[dict[str, Any]]) -> None:
    try:
        with write_atomically(job.shard) as temporary:
            temporary.write_bytes(shard)
        write_json(job.record, records)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise CacheError(
            f"{job.shard}: the disk is full; free some and run again, finished shards are kept"
        ) from error


def follow_parent() -> None:
    """Leave Ctrl-C to the parent, which stops handing out blocks, and end when it is killed.

    A worker that outlived it would write into a folder that the next build has already finished.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
