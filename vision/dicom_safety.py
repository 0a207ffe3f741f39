"""Refuse hostile DICOM files before a decoder allocates for them: bombs, floods, lying headers."""

from __future__ import annotations

import io
import zlib
from itertools import pairwise
from pathlib import Path

import pydicom
from pydicom import filereader
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import get_frame
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

from vision.raster_safety import JPEG_START, jpeg_size, refuse_emptiness, refuse_scans
from vision.xray_image import MAX_FILE_BYTES, ImageError, refuse_large

FILE_META_GROUP = 2
MAX_READS = 25_000
"""A radiograph is parsed in some hundred reads; this many take a tenth of a second."""
INFLATE_INPUT_BYTES = 1 << 16
INFLATE_BLOCK_BYTES = 1 << 20
MAX_INFLATION = 100
"""Deflated radiographs shrink to a half or a third; zeros shrink to a thousandth."""
FREE_INFLATION_BYTES = 16 << 20
J2K_SIZ_MARKER = b"\xff\x4f\xff\x51"
J2K_SCAN_BYTES = 4096
RLE_HEADER_BYTES = 64


class CountedReads(io.BytesIO):
    """A file in memory that refuses to be read in very many small pieces.

    pydicom takes some microseconds for each element, however deep it lies, and has no limit.
    """

    def __init__(self, path: Path, data: bytes) -> None:
        super().__init__(data)
        self._path = path
        self._reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as BytesIO does; raises ImageError the MAX_READS-th time."""
        self._reads += 1
        if self._reads > MAX_READS:
            raise ImageError(self._path, "the DICOM has too many elements or fragments")
        return super().read(size)


def read_dataset(path: Path, data: bytes) -> pydicom.Dataset:
    """Parse a DICOM file, inflated where it is deflated; raises ImageError for bombs and floods."""
    stream = CountedReads(path, data)
    filereader.read_preamble(stream, False)
    meta = FileMetaDataset(
        filereader.read_dataset(
            stream, False, True, stop_when=lambda tag, vr, length: tag.group != FILE_META_GROUP
        )
    )
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        stream.seek(0)
        return pydicom.dcmread(stream)
    inflated = CountedReads(path, _inflate(path, data[stream.tell() :]))
    dataset = filereader.read_dataset(inflated, False, True)
    dataset.file_meta = meta
    return dataset


def refuse_hostile_codestream(path: Path, dataset: pydicom.Dataset) -> None:
    """Raise ImageError when a compressed frame is a bomb or of another size than the header's."""
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    width, height = int(dataset.Columns), int(dataset.Rows)
    refuse_emptiness(path, width, height, len(frame))
    if dataset.file_meta.TransferSyntaxUID == RLELossless:
        _refuse_runs(path, frame, width * height)
        return
    size = _codestream_size(path, frame, int(dataset.get("SamplesPerPixel") or 1))
    if size is None:
        return
    refuse_large(path, *size)
    if size != (width, height):
        raise ImageError(path, "the DICOM header and its compressed pixels disagree about the size")


def _inflate(path: Path, packed: bytes) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    blocks, total = [], 0
    for start in range(0, len(packed), INFLATE_INPUT_BYTES):
        pending = packed[start : start + INFLATE_INPUT_BYTES]
        limit = min(MAX_FILE_BYTES, FREE_INFLATION_BYTES + MAX_INFLATION * (start + len(pending)))
        while pending and not inflater.eof:
            blocks.append(inflater.decompress(pending, INFLATE_BLOCK_BYTES))
            pending = inflater.unconsumed_tail
            total += len(blocks[-1])
            if total > limit:
                raise ImageError(path, f"{len(packed)} bytes that unpack to over {limit >> 20} MiB")
    blocks.append(inflater.flush())
    if not inflater.eof:
        raise ImageError(path, "truncated: its deflated part has no end")
    return b"".join(blocks)


def _refuse_runs(path: Path, frame: bytes, pixels: int) -> None:
    """Raise ImageError when a segment of RLE (PS3.5 annex G) holds more than one byte per pixel."""
    starts = [int.from_bytes(frame[at : at + 4], "little") for at in range(0, RLE_HEADER_BYTES, 4)]
    bounds = [*starts[1 : 1 + starts[0]], len(frame)]
    for start, end in pairwise(bounds):
        unpacked, position = 0, start
        while position < end - 1 and unpacked <= pixels:
            code = frame[position]
            unpacked += 257 - code if code > 128 else 0 if code == 128 else code + 1
            position += 2 if code > 128 else 1 if code == 128 else code + 2
        # A segment is padded to even length, and a last run may reach over the end of a row.
        if unpacked > pixels + 1:
            raise ImageError(path, "a bomb: its runs unpack to more than the header's pixels")


def _codestream_size(path: Path, frame: bytes, samples: int) -> tuple[int, int] | None:
    """Width and height in a JPEG 2000 or JPEG codestream; None where neither is found."""
    siz = frame.find(J2K_SIZ_MARKER, 0, J2K_SCAN_BYTES)
    if siz >= 0:
        right, bottom, left, top = (
            int.from_bytes(frame[siz + 8 + 4 * i : siz + 12 + 4 * i], "big") for i in range(4)
        )
        if int.from_bytes(frame[siz + 40 : siz + 42], "big") != samples:
            raise ImageError(path, "the DICOM header and its codestream disagree about samples")
        return right - left, bottom - top
    if frame[:2] == JPEG_START:
        refuse_scans(path, frame)
        return jpeg_size(frame)
    return None
