"""Make hostile DICOM files: lying headers, floods of elements, bombs in every kind of code."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from hostile_rasters import ZEROS, jpeg_sized, squeeze
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)


def dicoms() -> dict[str, bytes]:
    deep = b"\x40\0\x75\xa0SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff"
    many = b"".join(struct.pack("<HH2sH", 9, 0x1000 + n % 0xE000, b"LO", 0) for n in range(150_000))
    header = saved(radiograph())
    start = 144 + int.from_bytes(header[140:144], "little")
    return {
        "dicom-65535x65535.dcm": saved(radiograph(Rows=65535, Columns=65535)),
        "dicom-7000x7000-no-pixels.dcm": saved(radiograph(Rows=7000, Columns=7000)),
        "dicom-no-rows.dcm": saved(radiograph(Rows=0)),
        "dicom-100000-frames.dcm": saved(radiograph(NumberOfFrames=100000)),
        "dicom-2-gb-of-frames.dcm": saved(radiograph(NumberOfFrames=2**31 - 1)),
        "dicom-sequences-20000-deep.dcm": header[:start] + deep * 20_000,
        "dicom-150000-elements.dcm": header[:start] + many,
        "dicom-150000-elements-in-a-sequence.dcm": header[:start] + deep + many,
        "dicom-150000-elements-of-meta.dcm": header[:start] + many.replace(b"\x09\0", b"\2\0"),
        "dicom-element-of-4-gb.dcm": header[:start]
        + b"\x09\0\x01\x10UN\0\0\xfe\xff\xff\xff"
        + ZEROS,
        "dicom-deflated-300-mb.dcm": deflated(300),
        "dicom-deflated-250-mb.dcm": deflated(250),
    }


def compressed_dicoms() -> dict[str, bytes]:
    return {
        "dicom-jpeg-65000x65000.dcm": encapsulated(JPEGBaseline8Bit, jpeg_sized(65000, 65000)),
        "dicom-jpeg-of-another-size.dcm": encapsulated(JPEGLosslessSV1, jpeg_sized(9000, 5000)),
        "dicom-j2k-30000x30000.dcm": encapsulated(JPEG2000, j2k(30000, 30000)),
        "dicom-j2k-16384-components.dcm": encapsulated(JPEG2000, j2k(2000, 2000, components=16384)),
        "dicom-j2k-65025-tiles.dcm": encapsulated(JPEG2000, j2k(2040, 2040, tile=8)),
        "dicom-j2k-7000x7000-empty.dcm": encapsulated(JPEG2000, j2k(7000, 7000)),
        "dicom-rle-bomb.dcm": encapsulated(RLELossless, rle_bomb()),
        "dicom-rle-lying-offsets.dcm": encapsulated(
            RLELossless, struct.pack("<16I", 2, *[2**31] * 15)
        ),
        "dicom-100000-fragments.dcm": encapsulated(JPEG2000, *[b"\0\0"] * 100_000),
        "dicom-two-streams.dcm": encapsulated(JPEG2000, j2k(64, 64), j2k(64, 64), NumberOfFrames=2),
    }


def radiograph(**elements: object) -> Dataset:
    rows, columns = np.mgrid[0:64, 0:80]
    stored = (30 * rows + 20 * columns).astype(np.uint16)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = "2.25.1"
    dataset.Modality = "CR"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 64, 80, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = stored.tobytes()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def saved(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def deflated(megabytes: int) -> bytes:
    small = radiograph()
    small.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    whole = saved(small)
    start = 144 + int.from_bytes(whole[140:144], "little")
    return whole[:start] + squeeze(ZEROS, megabytes, -zlib.MAX_WBITS)


def encapsulated(syntax: str, *streams: bytes, **elements: object) -> bytes:
    """A radiograph that holds these frames and claims the size that the first one does."""
    width, height = claimed_size(streams[0], syntax)
    dataset = radiograph(Rows=height, Columns=width, **elements)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.PixelData = encapsulate(list(streams), has_bot=False)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    return saved(dataset)


def claimed_size(stream: bytes, syntax: str) -> tuple[int, int]:
    if syntax == RLELossless:
        return 6000, 6000
    if stream.startswith(b"\xff\x4f\xff\x51"):
        width, height = struct.unpack(">II", stream[8:16])
        return min(width, 9999), min(height, 9999)
    return 64, 80


def j2k(width: int, height: int, *, components: int = 1, tile: int = 0) -> bytes:
    """A JPEG 2000 main header with one tile that holds nothing (ISO 15444-1, annex A)."""
    size = struct.pack(
        ">HIIIIIIIIH", 0, width, height, 0, 0, tile or width, tile or height, 0, 0, components
    )
    size += b"\x0b\1\1" * components
    coding = b"\xff\x52\0\x0c\0\0\0\1\0\5\4\4\0\1"
    quantization = b"\xff\x5c\0\x13\x40" + b"\x50" * 16
    part = b"\xff\x90\0\x0a\0\0\0\0\0\x0e\0\1\xff\x93\xff\xd9"
    marker = b"\xff\x4f\xff\x51" + struct.pack(">H", len(size) + 2)
    return marker + size + coding + quantization + part


def rle_bomb() -> bytes:
    """Two segments of runs, 128 for 2 bytes, that unpack to ten times what the header says."""
    run = b"\x81\0" * 2_900_000
    return struct.pack("<16I", 2, 64, 64 + len(run), *[0] * 13) + run * 2
