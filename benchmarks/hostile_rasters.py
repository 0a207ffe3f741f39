"""Make hostile PNG, JPEG, TIFF, BMP and WebP files, and files that only say they are images."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

ZEROS = b"\0" * (1 << 20)


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
