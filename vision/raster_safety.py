"""Refuse hostile PNG, JPEG, WebP and BMP files by their structure, before Pillow walks it."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from PIL import Image

from vision.xray_image import ImageError, refuse_large

JPEG_START = b"\xff\xd8"
JPEG_FRAME_MARKERS = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
JPEG_MARKER = re.compile(rb"[^\xff]{0,64}\xff{1,64}([^\x00\xff])")
"""Fill bytes may come before a marker; some writers leave stray bytes there, too."""
JPEG_SCAN = b"\xff\xda"
MAX_JPEG_SCANS = 100
"""Progressive files have about ten. Each costs a walk over all pixels, though it has few bytes."""
MAX_JPEG_SEGMENTS = 2000
MAX_PNG_CHUNKS = 20_000
PNG_START = b"\x89PNG\r\n\x1a\n"
BMP_RUN_LENGTHS = frozenset({1, 2})
MIN_PIXELS_OF_BOMB = 4_000_000
MIN_BYTES_PER_PIXEL = 0.01
"""JPEG 2000 at 100 : 1 of 8 bits has this many; a flat area is packed into far less."""


def refuse_structure(path: Path, data: bytes) -> None:
    """Raise ImageError for a header or a list of parts that costs more to walk than to decode."""
    if data.startswith(PNG_START):
        _refuse_chunks(path, data)
    elif data.startswith(JPEG_START):
        size = jpeg_size(data)
        if size is None:
            raise ImageError(path, "its header is broken (a JPEG without a frame header)")
        refuse_large(path, *size)


def refuse_cost(path: Path, image: Image.Image, data: bytes) -> None:
    """Raise ImageError when opened pixels cannot lie in the file's bytes, or decode only slowly."""
    # Grey that is not progressive is decoded in one scan; the others that follow are not read.
    if image.format == "JPEG" and (image.mode != "L" or "progressive" in image.info):
        refuse_scans(path, data)
    # JPEG holds grey stored as colour in hardly more bytes; the others take some for each band.
    bands = 1 if image.format == "JPEG" else len(image.getbands())
    refuse_emptiness(path, image.width, image.height, len(data) // bands)
    if image.format == "BMP" and image.info.get("compression") in BMP_RUN_LENGTHS:
        raise ImageError(path, "a BMP in run lengths; no X-ray device writes them")


def refuse_emptiness(path: Path, width: int, height: int, size: int) -> None:
    """Raise ImageError when `size` bytes are far too few to hold an X-ray of so many pixels."""
    pixels = width * height
    if pixels > MIN_PIXELS_OF_BOMB and size < pixels * MIN_BYTES_PER_PIXEL:
        raise ImageError(path, f"truncated, or a bomb: {size} bytes for {width}×{height} pixels")


def refuse_scans(path: Path, codes: bytes) -> None:
    """Raise ImageError for a JPEG of very many scans; in entropy-coded data no marker occurs."""
    scans = codes.count(JPEG_SCAN)
    if scans > MAX_JPEG_SCANS:
        raise ImageError(path, f"a JPEG of {scans} scans; the limit is {MAX_JPEG_SCANS}")


def jpeg_size(codes: bytes) -> tuple[int, int] | None:
    """Width and height in the frame header of JPEG codes (ISO 10918-1 B.2.2); None without one."""
    size, position = None, 2
    for _ in range(MAX_JPEG_SEGMENTS):
        marker = JPEG_MARKER.match(codes, position)
        if marker is None or marker[1] == JPEG_SCAN[1:]:
            return size
        start = marker.end()
        if marker[1][0] in JPEG_FRAME_MARKERS and start + 7 <= len(codes):
            height, width = struct.unpack(">HH", codes[start + 3 : start + 7])
            size = width, height
        position = start + int.from_bytes(codes[start : start + 2], "big")
    return None


def webp_canvas(head: bytes) -> tuple[int, int] | None:
    """Width and height of a WebP from its first 30 bytes; Pillow allocates them when it opens."""
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or len(head) < 30:
        return None
    if head[12:16] == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if head[12:16] == b"VP8L":
        packed = int.from_bytes(head[21:25], "little")
        return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", head[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _refuse_chunks(path: Path, data: bytes) -> None:
    position = len(PNG_START)
    for _ in range(MAX_PNG_CHUNKS):
        if position + 8 > len(data):
            return
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    raise ImageError(path, f"a PNG of more than {MAX_PNG_CHUNKS} chunks")
