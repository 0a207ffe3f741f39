"""Every DICOM transfer syntax that can be decoded gives the same grey picture within its loss.

The files in `codestreams/` hold that picture, written by imagecodecs 2026.3.6 (libjpeg-turbo,
CharLS, OpenJPH), since nothing that Kerley depends on can write these kinds.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder

from tests.vision.examples import make_dicom
from vision.images import ImageError, read_image

ROW, COLUMN = np.mgrid[0:40, 0:48]
PICTURE = (30 * ROW + 50 * COLUMN + 7 * (ROW * COLUMN % 5)).astype(np.uint16)
"""12 bits; the 8-bit syntax holds its upper eight."""
STREAMS = Path(__file__).parent / "codestreams"
EIGHT_BITS = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}

NATIVE = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)
COMPRESSED_HERE = {uid.RLELossless: 0, uid.JPEG2000Lossless: 0, uid.JPEG2000: 8}
STORED = {
    uid.JPEGExtended12Bit: ("extended_12.jpg", 4),
    uid.JPEGLossless: ("lossless_12_predictor_4.jpg", 0),
    uid.JPEGLosslessSV1: ("lossless_12_predictor_1.jpg", 0),
    uid.JPEGLSLossless: ("jpeg_ls_16.jls", 0),
    uid.JPEGLSNearLossless: ("jpeg_ls_near_3.jls", 3),
    uid.HTJ2KLossless: ("htj2k_reversible.j2c", 0),
    uid.HTJ2KLosslessRPCL: ("htj2k_reversible.j2c", 0),
    uid.HTJ2K: ("htj2k_lossy.j2c", 12),
}
"""Syntax, file, and the greatest difference in stored values that its loss allows."""


def write(path: Path, syntax: str, stream: bytes, **elements: object) -> Path:
    dataset = make_dicom(PICTURE, **elements)
    dataset.file_meta.TransferSyntaxUID = uid.UID(syntax)
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path, enforce_file_format=True)
    return path


def largest_difference(path: Path) -> float:
    """In stored values of 12 bits."""
    return float(np.abs(read_image(path).pixels * 4095 - PICTURE).max())


@pytest.mark.parametrize("syntax", NATIVE, ids=lambda syntax: syntax.name)
def test_uncompressed_and_deflated(tmp_path: Path, syntax: str) -> None:
    dataset = make_dicom(PICTURE, **WINDOW)
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == uid.ExplicitVRBigEndian:
        dataset.PixelData = PICTURE.byteswap().tobytes()
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert largest_difference(tmp_path / "a.dcm") < 0.01


@pytest.mark.parametrize("syntax", COMPRESSED_HERE, ids=lambda syntax: syntax.name)
def test_compressed_by_pydicom(tmp_path: Path, syntax: str) -> None:
    dataset = make_dicom(PICTURE, **WINDOW)
    options = {"j2k_psnr": [80]} if syntax == uid.JPEG2000 else {}
    dataset.compress(syntax, generate_instance_uid=False, **options)
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert largest_difference(tmp_path / "a.dcm") < COMPRESSED_HERE[syntax] + 0.01


@pytest.mark.parametrize("syntax", STORED, ids=lambda syntax: syntax.name)
def test_codestreams_of_other_writers(tmp_path: Path, syntax: str) -> None:
    if not get_decoder(uid.UID(syntax)).is_available:
        pytest.skip("the extra `dicom-jpeg` is not installed")
    file, loss = STORED[syntax]
    path = write(tmp_path / "a.dcm", syntax, (STREAMS / file).read_bytes(), **WINDOW)
    assert largest_difference(path) < loss + 0.01


def test_jpeg_baseline(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray((PICTURE // 16).astype(np.uint8)).save(stream, "JPEG", quality=95)
    window = {"WindowCenter": 128, "WindowWidth": 256, **EIGHT_BITS}
    path = write(tmp_path / "a.dcm", uid.JPEGBaseline8Bit, stream.getvalue(), **window)
    assert np.abs(read_image(path).pixels * 255 - PICTURE / 16).max() < 6


def test_no_syntax_that_pydicom_decodes_is_left_out() -> None:
    from pydicom.pixels.decoders.base import _PIXEL_DATA_DECODERS

    tested = {*NATIVE, *COMPRESSED_HERE, *STORED, uid.JPEGBaseline8Bit}
    assert set(_PIXEL_DATA_DECODERS) == tested


@pytest.mark.parametrize(
    ("syntax", "package"),
    [
        (uid.JPEGLosslessSV1, "pylibjpeg-libjpeg"),
        (uid.JPEGLSLossless, "pylibjpeg-libjpeg"),
        (uid.JPEG2000, "pylibjpeg-openjpeg"),
        (uid.HTJ2K, "pylibjpeg-openjpeg"),
    ],
)
def test_a_missing_decoder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, syntax: str, package: str
) -> None:
    monkeypatch.setattr(get_decoder(uid.UID(syntax)), "_available", {})
    path = write(tmp_path / "a.dcm", syntax, b"\0" * 100)
    reason = f"no decoder is installed for {uid.UID(syntax).name}; it needs the package {package}"
    with pytest.raises(ImageError, match=re.escape(reason)):
        read_image(path)


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        (uid.MPEG2MPML, "MPEG2 Main Profile"),
        (uid.UID("1.2.840.10008.1.2.4.55"), "JPEG Full Progression"),
        (uid.UID("1.2.3.4"), "an unknown transfer syntax"),
    ],
)
def test_a_syntax_that_nothing_decodes_is_named(tmp_path: Path, syntax: str, name: str) -> None:
    path = write(tmp_path / "a.dcm", uid.ExplicitVRLittleEndian, b"\0" * 100)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = syntax
    pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=True)
    with pytest.raises(ImageError, match=f"no Python package that we know decodes {name}"):
        read_image(path)
