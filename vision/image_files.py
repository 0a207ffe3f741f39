"""Read the bytes of a file that may be anything: without waiting, and no more than an X-ray has."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from vision.dicom_images import is_dicom, read_header
from vision.raster_images import open_raster
from vision.xray_image import MAX_FILE_BYTES, ImageError

LARGE_FILE_BYTES = 16 << 20
"""Larger files are read only when their header speaks of enough pixels."""
BYTES_PER_PIXEL = 4
"""16-bit grey with alpha, or 8-bit colour with alpha; nothing else that we read takes more."""
HEAD_BYTES = 4096
KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_bytes(path: Path) -> bytes:
    """Read a whole regular file; raises ImageError for anything else and for what is too large."""
    try:
        # A pipe would be waited for until somebody writes to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            size = _size_of(path, os.fstat(descriptor))
            if size > LARGE_FILE_BYTES:
                _refuse_padding(path, file, size)
                file.seek(0)
            data = file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise ImageError(path, error.strerror or type(error).__name__) from error
    except ValueError as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(path, "its name holds a zero byte") from error
    if not data:
        raise ImageError(path, "the file is empty")
    return data


def _size_of(path: Path, status: os.stat_result) -> int:
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for is_kind, name in KINDS if is_kind(status.st_mode)), "no file")
        raise ImageError(path, f"{kind}, not an image file")
    if status.st_size > MAX_FILE_BYTES:
        size, limit = status.st_size >> 20, MAX_FILE_BYTES >> 20
        raise ImageError(path, f"{size} MiB; the limit is {limit} MiB")
    return status.st_size


def _refuse_padding(path: Path, file: BinaryIO, size: int) -> None:
    """Raise ImageError when the header of a large file has too few pixels to need its bytes."""
    head = file.read(HEAD_BYTES)
    file.seek(0)
    if is_dicom(head):
        header = read_header(path, file)
        width, height = int(header.get("Columns") or 0), int(header.get("Rows") or 0)
    else:
        with open_raster(path, head, file) as image:
            width, height = image.size
    if size > LARGE_FILE_BYTES + BYTES_PER_PIXEL * width * height:
        raise ImageError(
            path, f"{size >> 20} MiB for {width}×{height} pixels: more than an X-ray takes"
        )
