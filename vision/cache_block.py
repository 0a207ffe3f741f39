"""Fill one block of an image cache: what a worker process does."""

from __future__ import annotations

import errno
import hashlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from configs.files import write_json
from vision.framing import CacheSettings, read_framed
from vision.xray_image import ImageError


class CacheError(ValueError):
    """An image cache that can't be built or read; the message names the folder or file."""


class Source(NamedTuple):
    """One listed file: absolute path, size and time of last change in nanoseconds."""

    path: str
    bytes: int
    mtime_ns: int


class Former(NamedTuple):
    """What another generation knows of a file: its pixel file and its line of the index."""

    pixels: Path
    record: dict[str, Any]


@dataclass(frozen=True)
class BlockJob:
    """The rows from `first_row` on, one per source; `former` lies parallel to `sources`."""

    settings: CacheSettings
    pixels: Path
    record: Path
    first_row: int
    sources: tuple[Source, ...]
    former: tuple[Former | None, ...]


def fill_block(job: BlockJob) -> int:
    """Write the pixels of a block, then its record; returns the number of rows."""
    size = job.settings.size
    block = np.zeros((len(job.sources), size, size), dtype=np.uint8)
    records = []
    for place, (source, former) in enumerate(zip(job.sources, job.former, strict=True)):
        record: dict[str, Any] = {
            "row": job.first_row + place,
            "path": source.path,
            "bytes": source.bytes,
            "mtime_ns": source.mtime_ns,
            "reason": None,
        }
        try:
            record |= _take_over(source, former, block[place]) or _decode(
                source, job.settings, block[place]
            )
        except ImageError as error:
            record["reason"] = error.reason
        records.append(record)
    _write_pixels(job, block)
    write_json(job.record, records)
    return len(records)


def _decode(source: Source, settings: CacheSettings, target: NDArray[np.uint8]) -> dict[str, Any]:
    framed = read_framed(Path(source.path), settings)
    target[:] = framed.pixels
    return {
        "sha256": framed.provenance.sha256,
        "crc32": zlib.crc32(framed.pixels.data),
        **framed.placement._asdict(),
        "provenance": framed.provenance.model_dump_json(),
    }


def _take_over(
    source: Source, former: Former | None, target: NDArray[np.uint8]
) -> dict[str, Any] | None:
    """Copy the pixels of a file that hasn't changed; None when it has, or they are damaged."""
    if former is None or source.bytes != former.record["bytes"]:
        return None
    if source.mtime_ns != former.record["mtime_ns"]:
        try:
            sha256 = hashlib.sha256(Path(source.path).read_bytes()).hexdigest()
        except OSError:
            return None
        if sha256 != former.record["sha256"]:
            return None
    stored = np.fromfile(
        former.pixels, np.uint8, target.size, offset=former.record["row"] * target.size
    )
    if stored.size != target.size or zlib.crc32(stored.data) != former.record["crc32"]:
        return None
    target[:] = stored.reshape(target.shape)
    kept = ("sha256", "crc32", "top", "left", "height", "width", "provenance")
    return {name: former.record[name] for name in kept}


def _write_pixels(job: BlockJob, block: NDArray[np.uint8]) -> None:
    try:
        with job.pixels.open("rb+") as file:
            file.seek(job.first_row * job.settings.size**2)
            file.write(block.tobytes())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise CacheError(
            f"{job.pixels}: the disk is full; free some and run again, finished blocks are kept"
        ) from error
