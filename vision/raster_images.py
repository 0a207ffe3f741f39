"""Decode PNG, JPEG, TIFF, BMP and WebP to grey, with what ordinary image files do to X-rays."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from vision.equalization import equalize_like_mimic
from vision.raster_safety import refuse_cost, refuse_structure, webp_canvas
from vision.stored_places import StoredPlaces
from vision.xray_image import (
    COLOUR_NOTE,
    Equalization,
    ImageError,
    Provenance,
    WindowSource,
    XrayImage,
    refuse_large,
)

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
GREY_MODES = frozenset({"1", "L"})
SIXTEEN_BIT_MODES = frozenset({"I;16", "I;16B", "I;16L", "I;16N", "I"})
COLOUR_TOLERANCE = 24
"""Chroma subsampling moves grey by a few levels; a pixel further off than this is coloured."""
COLOURED_SHARE = 0.01
COLOUR_SAMPLE_SIDE = 512
TIFF_BITS_PER_SAMPLE = 258
PNG_BIT_DEPTH_OFFSET = 24
EXIF_ORIENTATION = 0x0112
LEAST_REDUCED_SIDE = 1500
"""Smaller JPEGs are decoded whole: it takes little time, and they are sharp to the pixel, so that a
reduced decode of some loses 10 dB more than one of a film at the detector's own resolution."""
UPRIGHT_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ON_THEIR_SIDE = frozenset({5, 6, 7, 8})
# What Pillow's decoders raise on broken files (fuzzed); MemoryError is not among them.
DECODE_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    AttributeError,
    OverflowError,
    RuntimeError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


class RasterOptions(NamedTuple):
    """What `vision.images.read_image` was asked for, as far as it concerns ordinary files."""

    at_least: int | None
    white_level: int | None
    equalization: Equalization


class GreyFile(NamedTuple):
    """An image file's stored grey, upright. size: whole width and height, before any reduction."""

    grey: NDArray[np.integer]
    bits: int
    file_format: str
    size: tuple[int, int]
    notes: list[str]


def open_grey(path: Path, data: bytes, *, at_least: int | None = None) -> GreyFile:
    """Decode the bytes of one image file to its stored grey; see `vision.images.read_image`."""
    refuse_structure(path, data)
    with open_raster(path, data, io.BytesIO(data)) as image:
        refuse_cost(path, image, data)
        width, height = image.size
        file_format = str(image.format)
        bits = _stored_bits(image, data)
        _refuse_samples(path, image.mode, bits)
        _reduce(image, at_least)
        _load(path, image)
        orientation = _read_orientation(image)
        upright = image if orientation == 1 else image.transpose(UPRIGHT_BY[orientation])
        grey, notes = _to_grey(upright)
    if orientation != 1:
        notes.append("turned upright by its EXIF orientation")
    if orientation in ON_THEIR_SIDE:
        width, height = height, width
    return GreyFile(grey, bits, file_format, (width, height), notes)


def decode_raster(path: Path, data: bytes, sha256: str, options: RasterOptions) -> XrayImage:
    """Decode the bytes of one image file; see `vision.images.read_image` for the rules."""
    grey, bits, file_format, size, notes = open_grey(path, data, at_least=options.at_least)
    white = _white_of(path, grey, bits, options.white_level)
    window = (0.0, float(white))
    source: WindowSource = "full range" if bits == 8 else "white level"
    if options.equalization == "mimic_jpg":
        places = StoredPlaces(grey)
        pixels = places.look_up(equalize_like_mimic(places.count(), inverted=False) / 255)
        window, source = (float(grey.min()), float(grey.max())), "minimum to maximum"
    else:
        pixels = grey.astype(np.float32)
        pixels /= white
    provenance = Provenance(
        sha256=sha256,
        file_format=file_format,
        height=size[1],
        width=size[0],
        window=window,
        window_source=source,
        equalization=options.equalization,
        warnings=tuple(notes),
    )
    return XrayImage(pixels, provenance)


@contextmanager
def open_raster(path: Path, head: bytes, stream: BinaryIO) -> Iterator[Image.Image]:
    """Open an image of a known kind without its pixels; `head` holds its first 30 bytes."""
    canvas = webp_canvas(head)
    if canvas is not None:
        refuse_large(path, *canvas)
    with warnings.catch_warnings():
        # Pillow's own warnings speak about metadata we do not use; a bomb is refused.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(stream, formats=FORMATS)
        except UnidentifiedImageError:
            known = ", ".join((*FORMATS, "DICOM"))
            raise ImageError(path, f"not an image of a known kind ({known})") from None
        except DECODE_ERRORS as error:
            raise ImageError(path, f"its header is broken ({error})") from error
        with image:
            refuse_large(path, *image.size)
            _refuse_frames(path, image)
            yield image


def _refuse_frames(path: Path, image: Image.Image) -> None:
    try:
        image.seek(1)
    except EOFError:
        return
    except DECODE_ERRORS as error:
        raise ImageError(path, f"its list of frames is broken ({error})") from error
    raise ImageError(path, "it holds several frames; expected one X-ray per file")


def _load(path: Path, image: Image.Image) -> None:
    try:
        image.load()
    except DECODE_ERRORS as error:
        raise ImageError(path, f"truncated or corrupt ({error})") from error


def _reduce(image: Image.Image, at_least: int | None) -> None:
    if at_least is None or image.format != "JPEG" or image.mode not in {"L", "RGB"}:
        return
    if max(image.size) < LEAST_REDUCED_SIDE:
        return
    scale = min(1.0, at_least / max(image.size))
    width, height = image.size
    # Rounded up: Pillow keeps both sides at or above what is asked for.
    image.draft(image.mode, (-int(-width * scale // 1), -int(-height * scale // 1)))


def _read_orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(EXIF_ORIENTATION, 1)
    except DECODE_ERRORS:
        return 1
    return int(orientation) if orientation in UPRIGHT_BY else 1


def _stored_bits(image: Image.Image, data: bytes) -> int:
    """Bits per sample in the file; Pillow drops the low byte of 16-bit colour silently."""
    if image.format == "PNG":
        depth = data[PNG_BIT_DEPTH_OFFSET]
    elif image.format == "TIFF":
        stored = getattr(image, "tag_v2", {}).get(TIFF_BITS_PER_SAMPLE, (1,))
        depth = max(stored) if isinstance(stored, tuple) else int(stored)
    else:
        depth = 8
    return max(8, depth)


def _refuse_samples(path: Path, mode: str, bits: int) -> None:
    if bits > 16 or (bits > 8 and mode not in SIXTEEN_BIT_MODES):
        raise ImageError(path, f"{bits}-bit {mode} samples; expected grey of 8 or 16 bits")


def _to_grey(image: Image.Image) -> tuple[NDArray[np.integer], list[str]]:
    notes: list[str] = []
    if image.mode in SIXTEEN_BIT_MODES or image.mode in GREY_MODES:
        if image.mode == "1":
            notes.append("only black and white: one bit per pixel")
            image = image.convert("L")
        return np.asarray(image), notes
    if image.mode in {"LA", "La", "PA", "RGBA", "RGBa"} or "transparency" in image.info:
        image = _drop_alpha(image.convert("RGBA"), notes)
    colour = image if image.mode == "RGB" else image.convert("RGB")
    step = max(1, min(colour.size) // COLOUR_SAMPLE_SIDE)
    sample = colour.resize((colour.width // step, colour.height // step), Image.Resampling.NEAREST)
    note_colour(np.asarray(sample), notes)
    return np.asarray(colour.convert("L")), notes


def _drop_alpha(image: Image.Image, notes: list[str]) -> Image.Image:
    lowest = image.getchannel("A").getextrema()[0]
    if lowest == 255:
        return image.convert("RGB")
    notes.append("transparent pixels were set on black")
    return Image.alpha_composite(Image.new("RGBA", image.size, "black"), image).convert("RGB")


def note_colour(colour: NDArray[np.uint8], notes: list[str]) -> None:
    """Add a note when pixels [height, width, 3] hold more than grey stored as RGB."""
    spread = colour.max(axis=2).astype(np.int16) - colour.min(axis=2)
    if (spread > COLOUR_TOLERANCE).mean() > COLOURED_SHARE:
        notes.append(COLOUR_NOTE)


def _white_of(path: Path, grey: NDArray[np.integer], bits: int, white_level: int | None) -> int:
    if bits == 8:
        return 255
    if white_level is None:
        raise ImageError(
            path,
            f"{bits}-bit grey without a known scale; say which value is white "
            "(white_level, for example 65535)",
        )
    brightest = int(grey.max())
    if brightest > white_level:
        raise ImageError(path, f"its value {brightest} lies above the white level {white_level}")
    return white_level
