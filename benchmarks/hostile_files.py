"""Write a corpus of hostile image files: bombs, lies, loops, and things that are no images."""

from __future__ import annotations

import io
import os
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
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

ZEROS = b"\0" * (1 << 20)


def write_corpus(folder: Path) -> list[Path]:
    """Write every hostile file into `folder`; returns their paths, named kind-what."""
    paths = []
    for name, content in contents().items():
        path = folder / name
        path.write_bytes(content)
        paths.append(path)
    return paths + write_strange_nodes(folder)


def write_good(folder: Path) -> list[Path]:
    """Write one readable file of each decoder, to have all of them loaded before measuring."""
    rows, columns = np.mgrid[0:64, 0:80]
    grey = Image.fromarray((3 * rows + 2 * columns % 90).astype(np.uint8) % 255)
    paths = [folder / f"good.{ending}" for ending in ("png", "jpg", "tif", "bmp", "webp")]
    for path in paths:
        grey.save(path)
    for name, syntax in (
        ("plain", ExplicitVRLittleEndian),
        ("j2k", JPEG2000),
        ("rle", RLELossless),
    ):
        dataset = radiograph()
        if syntax != ExplicitVRLittleEndian:
            options = {"j2k_psnr": [60]} if syntax == JPEG2000 else {}
            dataset.compress(syntax, generate_instance_uid=False, **options)
        paths.append(folder / f"good-{name}.dcm")
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


def contents() -> dict[str, bytes]:
    return {
        name: content
        for make in (
            pngs,
            jpegs,
            tiffs,
            bmps,
            webps,
            strangers,
            dicoms,
            compressed_dicoms,
            cut_short,
        )
        for name, content in make().items()
    }


def pngs() -> dict[str, bytes]:
    return {
        "png-30000x30000.png": png(30000, 30000, ZEROS),
        "png-50000x50000-1bit.png": png(50000, 50000, ZEROS, depth=1),
        "png-20000x1.png": png(20000, 1, ZEROS),
        "png-12000x12000-whole.png": png(12000, 12000, ZEROS, repeat=138),
        "png-7000x7000-flat.png": png(7000, 7000, ZEROS, repeat=47),
        "png-7000x7000-rgba-flat.png": png(7000, 7000, ZEROS, repeat=188, colour=6),
        "png-5000x5000-rgba16.png": png(5000, 5000, ZEROS, repeat=191, depth=16, colour=6),
        "png-text-bomb.png": png(50, 50, ZEROS, extra=text_bomb()),
        "png-profile-bomb.png": png(50, 50, ZEROS, extra=profile_bomb()),
        "png-1000000-chunks.png": png(50, 50, ZEROS, extra=chunk(b"tEXt", b"") * 1_000_000),
        "png-no-pixels.png": png(3000, 3000, b""),
        "png-animated.png": animated("PNG"),
    }


def jpegs() -> dict[str, bytes]:
    good = small_jpeg()
    start = good.index(b"\xff\xda")
    scans = jpeg_sized(6000, 6000, progressive=True)
    scan = scans[scans.rindex(b"\xff\xda") : -2]
    return {
        "jpeg-65000x65000.jpg": jpeg_sized(65000, 65000)[:380],
        "jpeg-16001x9.jpg": jpeg_sized(16001, 9),
        "jpeg-7000x7000-colour.jpg": jpeg_sized(7000, 7000, mode="RGB"),
        "jpeg-5000-scans.jpg": scans[:-2] + scan * 5000 + b"\xff\xd9",
        "jpeg-no-scan.jpg": good[:start] + b"\xff\xd9",
        "jpeg-12-mb-between-markers.jpg": good[:2] + ZEROS * 12 + good[2:],
        "jpeg-2000000-markers.jpg": good[:2] + b"\xff\xfe\0\2" * 2_000_000 + good[2:],
        "jpeg-12-mb-of-fill.jpg": good[:2] + b"\xff" * (12 << 20) + good[2:],
        "jpeg-two-pictures.jpg": animated("MPO"),
    }


def tiffs() -> dict[str, bytes]:
    far = {273: 0xFFFFFF00, 279: 0xFFFFFFFF}
    return {
        "tiff-60000x60000.tif": tiff(60000, 60000),
        "tiff-strips-beyond-the-end.tif": tiff(3000, 3000, far),
        "tiff-strip-of-4-gb.tif": tiff(3000, 3000, {279: 0xFFFFFFFF}),
        "tiff-tile-65000x65000.tif": tiff(100, 100, {322: 65000, 323: 65000, 324: 8, 325: 9}),
        "tiff-deflated-7000x7000.tif": tiff(
            7000, 7000, {259: 8}, strip=squeeze(ZEROS, 47, zlib.MAX_WBITS)
        ),
        "tiff-65535-entries.tif": b"II*\0\x08\0\0\0\xff\xff"
        + b"\x01\x01\x04\0\1\0\0\0\0\0\0\0" * 999,
        "tiff-big.tif": b"II+\0\x08\0\0\0" + struct.pack("<QQHHQQ", 16, 1, 256, 16, 1 << 40, 8),
        "tiff-two-pages.tif": animated("TIFF"),
    }


def bmps() -> dict[str, bytes]:
    return {
        "bmp-40000x40000.bmp": bmp(40000, 40000),
        "bmp-upside-down-2-gb.bmp": bmp(46000, -46000),
        "bmp-run-lengths-6000x6000.bmp": bmp(6000, 6000, compression=1, body=b"\1\7" * 400_000),
        "bmp-4-billion-colours.bmp": bmp(64, 64, colours=0xFFFFFFFF),
    }


def webps() -> dict[str, bytes]:
    huge = struct.pack("<I", (16383 << 14) | 16383)
    lossless = b"WEBPVP8L" + struct.pack("<I", 99) + b"\x2f" + huge + b"\0" * 99
    return {
        "webp-16000x16000.webp": webp_canvas(16000, 16000),
        "webp-lossless-16384.webp": b"RIFF" + struct.pack("<I", len(lossless)) + lossless,
        "webp-flat-7000x7000.webp": flat_webp(7000),
        "webp-animated.webp": animated("WEBP"),
    }


def strangers() -> dict[str, bytes]:
    gif = b"GIF89a" + struct.pack("<HH", 65000, 65000) + b"\x80\0\0" + b"\0" * 6
    gif += b"," + struct.pack("<HHHH", 0, 0, 65000, 65000) + b"\0\2\2D\1\0;"
    return {
        "gif-65000x65000.gif": gif,
        "gif-named.png": gif,
        "empty.png": b"",
        "empty.dcm": b"",
        "text-named.png": b"FINDINGS: no edema. " * 99,
        "vector.svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='1e9' height='1e9'/>",
        "postscript.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n/x{x}def x\n",
        "archive-named.jpg": b"PK\3\4" + ZEROS,
        "zeros-of-200-mb.png": b"",
        "magic-and-200-mb.png": b"",
    }


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


def cut_short() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    noisy = Image.fromarray(rng.integers(0, 256, (300, 400), dtype=np.uint8))
    wholes = {}
    for ending in ("png", "jpg", "tif", "bmp", "webp"):
        buffer = io.BytesIO()
        noisy.save(buffer, {"jpg": "JPEG", "tif": "TIFF"}.get(ending, ending.upper()))
        wholes[ending] = buffer.getvalue()
    wholes["dcm"] = saved(radiograph())
    packed = radiograph()
    packed.compress(RLELossless, generate_instance_uid=False)
    wholes["rle.dcm"] = saved(packed)
    return {
        f"cut-at-{percent:02d}-percent.{ending}": whole[: len(whole) * percent // 100]
        for ending, whole in wholes.items()
        for percent in (3, 40, 98)
    }


def write_strange_nodes(folder: Path) -> list[Path]:
    """Make what is no regular file, and sparse files that no one wants to write whole."""
    paths = {
        name: folder / name
        for name in (
            "folder.png",
            "pipe.png",
            "socket.png",
            "device.png",
            "link-to-itself.png",
            "link-to-nothing.png",
            "locked.png",
            "missing.png",
            "name-of-300-letters" + "g" * 281,
        )
    }
    paths["folder.png"].mkdir()
    os.mkfifo(paths["pipe.png"])
    with socket.socket(socket.AF_UNIX) as made, Here(folder):
        made.bind("socket.png")
    paths["device.png"].symlink_to("/dev/zero")
    paths["link-to-itself.png"].symlink_to("link-to-itself.png")
    paths["link-to-nothing.png"].symlink_to("nothing.png")
    paths["locked.png"].write_bytes(small_jpeg())
    paths["locked.png"].chmod(0)
    for name, start in (
        ("zeros-of-200-mb.png", b""),
        ("magic-and-200-mb.png", png(600, 600, ZEROS)),
        ("dicom-private-200-mb.dcm", saved(radiograph())),
        ("file-of-9-gb.dcm", b""),
    ):
        with (folder / name).open("wb") as file:
            file.write(start)
            file.truncate((9 << 30) if "9-gb" in name else (200 << 20))
    return [*paths.values(), folder / "dicom-private-200-mb.dcm", folder / "file-of-9-gb.dcm"]


class Here:
    """Stand in a folder for a while: the address of a socket must be short."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        self.before = Path.cwd()
        os.chdir(self.folder)

    def __exit__(self, *error: object) -> None:
        os.chdir(self.before)


def png(  # noqa: PLR0913
    width: int,
    height: int,
    row: bytes,
    *,
    repeat: int = 1,
    depth: int = 8,
    colour: int = 0,
    extra: bytes = b"",
) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = squeeze(row, repeat, zlib.MAX_WBITS) if row else b""
    return b"\x89PNG\r\n\x1a\n" + (
        chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def chunk(kind: bytes, body: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + checksum


def text_bomb() -> bytes:
    return chunk(b"zTXt", b"Comment\0\0" + squeeze(ZEROS, 200, zlib.MAX_WBITS))


def profile_bomb() -> bytes:
    return chunk(b"iCCP", b"icc\0\0" + squeeze(ZEROS, 200, zlib.MAX_WBITS))


def squeeze(block: bytes, repeat: int, window_bits: int) -> bytes:
    packer = zlib.compressobj(1, wbits=window_bits)
    return b"".join(packer.compress(block) for _ in range(repeat)) + packer.flush()


def small_jpeg(**options: object) -> bytes:
    rows, columns = np.mgrid[0:64, 0:80]
    buffer = io.BytesIO()
    grey = Image.fromarray((3 * rows + columns).astype(np.uint8) % 250)
    mode = str(options.pop("mode", "L"))
    grey.convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def jpeg_sized(width: int, height: int, **options: object) -> bytes:
    """A small JPEG whose frame header says another size."""
    data = bytearray(small_jpeg(**options))
    start = data.index(b"\xff\xc2" if options.get("progressive") else b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def animated(kind: str) -> bytes:
    frames = [Image.new("L", (80, 64), shade) for shade in (20, 200, 90)]
    frames = [frame.convert("RGB") if kind == "MPO" else frame for frame in frames]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def tiff(
    width: int,
    height: int,
    changes: dict[int, int] | None = None,
    *,
    strip: bytes = b"\0" * 99,
) -> bytes:
    fields = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 0, 277: 1, 278: height}
    fields |= {279: len(strip)} | (changes or {})
    end = 8 + 2 + 12 * len(fields) + 4
    fields[273] = fields[273] or end
    body = b"".join(struct.pack("<HHII", tag, 4, 1, fields[tag]) for tag in sorted(fields))
    head = b"II*\0" + struct.pack("<IH", 8, len(fields))
    return head + body + b"\0" * 4 + strip


def bmp(
    width: int, height: int, *, compression: int = 0, colours: int = 0, body: bytes = b"\0" * 999
) -> bytes:
    size = len(body)
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, compression, size, 0, 0, colours, 0)
    return b"BM" + struct.pack("<IHHI", size + 1078, 0, 0, 1078) + head + b"\0" * 1024 + body


def webp_canvas(width: int, height: int) -> bytes:
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\0" * 4
    canvas += (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 4 + len(canvas)) + b"WEBP" + canvas


def flat_webp(side: int) -> bytes:
    """A whole lossless WebP of one grey: its pixels need not a single bit."""
    size = struct.pack("<I", (side - 1) | (side - 1) << 14)
    # No transform, no colour cache, no meta code; five prefix codes of one symbol each.
    codes = b"\x88\x88\x08\x00\x00\x00\x00\x00"
    body = b"\x2f" + size + codes
    body += b"\0" * (len(body) % 2)
    lossless = b"WEBPVP8L" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(lossless)) + lossless


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
