"""Refuse hostile DICOM files before a decoder allocates for them: bombs and lying headers."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import pydicom
from pydicom.encaps import get_frame
from pydicom.filereader import read_preamble
from pydicom.uid import DeflatedExplicitVRLittleEndian

from vision.xray_image import MAX_FILE_BYTES, ImageError, refuse_large

META_SCAN_BYTES = 4096
INFLATE_BLOCK_BYTES = 1 << 20
J2K_SIZ_MARKER = b"\xff\x4f\xff\x51"
JPEG_START = b"\xff\xd8"
JPEG_FRAME_MARKERS = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})


def refuse_inflation(path: Path, data: bytes) -> None:
    """Raise ImageError when a deflated data set unpacks to more than MAX_FILE_BYTES."""
    if DeflatedExplicitVRLittleEndian.encode() not in data[:META_SCAN_BYTES]:
        return
    stream = io.BytesIO(data)
    read_preamble(stream, False)
    meta = pydicom.dcmread(io.BytesIO(data[: stream.tell() + 12]), stop_before_pixels=True)
    start = stream.tell() + 12 + int(meta.file_meta.FileMetaInformationGroupLength)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    pending, total = data[start:], 0
    while pending and not inflater.eof:
        total += len(inflater.decompress(pending, INFLATE_BLOCK_BYTES))
        pending = inflater.unconsumed_tail
        if total > MAX_FILE_BYTES:
            raise ImageError(path, f"it unpacks to more than {MAX_FILE_BYTES >> 20} MiB")


def refuse_hostile_codestream(path: Path, dataset: pydicom.Dataset) -> None:
    """Raise ImageError when the compressed frame's own size is not the header's."""
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    size = _codestream_size(frame)
    if size is None:
        return
    refuse_large(path, *size)
    if size != (int(dataset.Columns), int(dataset.Rows)):
        raise ImageError(path, "the DICOM header and its compressed pixels disagree about the size")


def _codestream_size(frame: bytes) -> tuple[int, int] | None:
    """Width and height in a JPEG 2000 or JPEG codestream; None for RLE, which has none."""
    siz = frame.find(J2K_SIZ_MARKER, 0, META_SCAN_BYTES)
    if siz >= 0:
        right, bottom, left, top = (
            int.from_bytes(frame[siz + 8 + 4 * i : siz + 12 + 4 * i], "big") for i in range(4)
        )
        return right - left, bottom - top
    if frame[:2] == JPEG_START:
        return _jpeg_size(frame)
    return None


def _jpeg_size(frame: bytes) -> tuple[int, int] | None:
    position = 2
    while position + 9 < len(frame) and frame[position] == 0xFF:
        marker = frame[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker in JPEG_FRAME_MARKERS:
            height, width = frame[position + 5 : position + 7], frame[position + 7 : position + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        position += 2 + int.from_bytes(frame[position + 2 : position + 4], "big")
    return None
