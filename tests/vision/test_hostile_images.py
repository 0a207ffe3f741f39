"""Hostile and broken files: each is refused with one error that names the file and the reason."""

from __future__ import annotations

import io
import pickle
import resource
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000, DeflatedExplicitVRLittleEndian

from tests.vision.examples import draw_xray, make_dicom, save_dicom
from vision.images import ImageError, read_image

MEMORY_LIMIT_KIB = 150 * 1024


def png_header(width: int, height: int, depth: int = 8) -> bytes:
    ihdr = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    parts = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", ihdr), (b"IDAT", zlib.compress(b"\0" * 9999)), (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + parts


def jpeg_header(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_xray(1)).save(buffer, "JPEG")
    data = bytearray(buffer.getvalue())
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def bmp_header(width: int, height: int) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + head + b"\0" * 999


def webp_header(width: int, height: int) -> bytes:
    vp8x = b"VP8X" + struct.pack("<I", 10) + b"\0" * 4
    vp8x += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 4 + len(vp8x)) + b"WEBP" + vp8x


def tiff_header(width: int, height: int) -> bytes:
    fields = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (278, height)]
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields)
    return b"II*\0" + struct.pack("<IH", 8, len(fields)) + body + b"\0" * 4


BOMBS = {
    "jpeg_65000.jpg": jpeg_header(65000, 65000),
    "png_30000.png": png_header(30000, 30000),
    "png_50000_1bit.png": png_header(50000, 50000, 1),
    "png_long.png": png_header(20000, 1),
    "png_8000.png": png_header(8000, 8000),
    "bmp_40000.bmp": bmp_header(40000, 40000),
    "webp_16000.webp": webp_header(16000, 16000),
    "tiff_60000.tif": tiff_header(60000, 60000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_large_headers_are_refused_before_anything_is_decoded(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(BOMBS[name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError) as caught:
        read_image(tmp_path / name)
    assert caught.value.path == tmp_path / name
    assert "megapixels" in caught.value.reason or "header is broken" in caught.value.reason
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY_LIMIT_KIB


@pytest.mark.parametrize("ending", ["png", "jpg", "tif", "bmp", "webp", "dcm"])
@pytest.mark.parametrize("kept", [0.3, 0.7, 0.97])
def test_truncation_is_found(tmp_path: Path, ending: str, kept: float) -> None:
    path = tmp_path / f"xray.{ending}"
    if ending == "dcm":
        save_dicom(path, draw_xray(2).astype(np.uint16) * 16)
    else:
        Image.fromarray(draw_xray(2)).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(ImageError):
        read_image(path)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.png", b"", "the file is empty"),
        ("text.png", b"FINDINGS: no edema. " * 99, "not an image of a known kind"),
        ("fake.dcm", b"\0" * 999, "not an image of a known kind"),
        ("page.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=reason):
        read_image(tmp_path / name)


def test_several_frames_are_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(draw_xray(seed)) for seed in range(3)]
    frames[0].save(tmp_path / "stack.tif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "film.webp", save_all=True, append_images=frames[1:])
    stored = np.stack([draw_xray(1)] * 3).astype(np.uint16)
    dataset = make_dicom(stored[0], NumberOfFrames=3, PixelData=stored.tobytes())
    dataset.save_as(tmp_path / "cine.dcm", enforce_file_format=True)
    for name in ("stack.tif", "film.webp", "cine.dcm"):
        with pytest.raises(ImageError, match="frames"):
            read_image(tmp_path / name)


def test_one_grey_value_everywhere_is_refused(tmp_path: Path) -> None:
    Image.new("L", (50, 50), 7).save(tmp_path / "blank.png")
    with pytest.raises(ImageError, match="every pixel has the same value"):
        read_image(tmp_path / "blank.png")


def test_a_codestream_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    stream = b"\xff\x4f\xff\x51" + struct.pack(">HHIIII", 47, 0, 30000, 30000, 0, 0) + b"\0" * 64
    dataset = make_dicom(draw_xray(1).astype(np.uint16))
    dataset.file_meta.TransferSyntaxUID = JPEG2000
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(tmp_path / "lie.dcm", enforce_file_format=True)
    with pytest.raises(ImageError, match="30000×30000"):
        read_image(tmp_path / "lie.dcm")


def test_a_deflated_bomb_is_not_unpacked(tmp_path: Path) -> None:
    small = make_dicom(draw_xray(1).astype(np.uint16))
    small.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    small.save_as(tmp_path / "good.dcm", enforce_file_format=True)
    assert read_image(tmp_path / "good.dcm").pixels.shape == (90, 120)
    data = (tmp_path / "good.dcm").read_bytes()
    start = 144 + int.from_bytes(data[140:144], "little")
    packer = zlib.compressobj(wbits=-15)
    bomb = b"".join(packer.compress(b"\0" * (1 << 20)) for _ in range(300)) + packer.flush()
    (tmp_path / "bomb.dcm").write_bytes(data[:start] + bomb)
    with pytest.raises(ImageError, match="unpacks to more than"):
        read_image(tmp_path / "bomb.dcm")


def test_mutated_files_raise_only_image_errors(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.fromarray(draw_xray(1)).save(tmp_path / "a.png")
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "PLANTED maker"
    Image.fromarray(draw_xray(1)).save(tmp_path / "a.jpg", exif=exif)
    Image.fromarray(draw_xray(1)).save(tmp_path / "a.webp", exif=exif)
    Image.fromarray(draw_xray(1)).save(tmp_path / "a.tif", compression="tiff_lzw")
    save_dicom(
        tmp_path / "a.dcm", draw_xray(1).astype(np.uint16), WindowCenter=100, WindowWidth=200
    )
    messages = []
    for name in ("a.png", "a.jpg", "a.webp", "a.tif", "a.dcm"):
        original = (tmp_path / name).read_bytes()
        header = min(len(original), 900)
        for _ in range(120):
            data = bytearray(original)
            for position in rng.integers(0, header, rng.integers(1, 8)):
                data[position] = rng.integers(0, 256)
            (tmp_path / name).write_bytes(data)
            try:
                read_image(tmp_path / name)
            except ImageError as error:
                messages.append(str(error))
    assert len(messages) > 100
    assert not any("PLANTED" in message for message in messages)


def test_the_error_survives_a_process_boundary() -> None:
    error = pickle.loads(pickle.dumps(ImageError(Path("a.png"), "truncated")))
    assert (error.path, error.reason, str(error)) == (
        Path("a.png"),
        "truncated",
        "a.png: truncated",
    )
