"""Decode a DICOM radiograph to grey: rescale, VOI LUT or window, MONOCHROME1 turned once."""

from __future__ import annotations

import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast, get_args

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.pixels import get_decoder, pixel_array
from pydicom.uid import JPEG2000TransferSyntaxes

from vision.dicom_patient import is_child, shows_other_part
from vision.dicom_safety import read_dataset, refuse_hostile_codestream
from vision.dicom_window import Toning, keep_stored_bits, tone, tone_like_mimic
from vision.raster_images import note_colour
from vision.xray_image import (
    NOT_A_RADIOGRAPH_NOTE,
    Equalization,
    ImageError,
    Laterality,
    Provenance,
    XrayImage,
    refuse_large,
)

DICOM_MAGIC = slice(128, 132)
RADIOGRAPH_MODALITIES = frozenset({"CR", "DX", "RG", "RF", "XA", "PX"})
MAX_HEADER_VALUE = 1 << 16
OPENJPEG = "the package pylibjpeg-openjpeg"
LIBJPEG = "the package pylibjpeg-libjpeg (Kerley's extra `dicom-jpeg`)"
VIEW_POSITIONS = frozenset(
    {"PA", "AP", "LL", "RL", "LLD", "RLD", "RLO", "LLO", "LATERAL", "LAT", "RAO", "LAO"}
)
# What pydicom and its decoders raise on malformed files (1,800 mutants); nothing they say is
# repeated, since their messages may quote values of the file.
DICOM_ERRORS = (
    ArithmeticError,
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def is_dicom(data: bytes) -> bool:
    """Say whether the bytes carry the DICM mark of a DICOM file (PS3.10)."""
    return data[DICOM_MAGIC] == b"DICM"


def read_header(path: Path, file: BinaryIO) -> pydicom.Dataset:
    """Read a DICOM file up to its pixels, without values over 64 KiB."""
    with quiet_pydicom():
        try:
            return pydicom.dcmread(file, stop_before_pixels=True, defer_size=MAX_HEADER_VALUE)
        except DICOM_ERRORS as error:
            raise ImageError(path, _broken(error)) from error


def decode_dicom(path: Path, data: bytes, sha256: str, *, equalization: Equalization) -> XrayImage:
    """Decode the bytes of one DICOM file; see `vision.images.read_image` for the rules."""
    with quiet_pydicom():
        try:
            dataset, stored, notes = open_stored(path, data)
            toning = _tone(path, dataset, stored, notes, equalization)
            provenance = _describe(dataset, sha256, toning, notes)
            provenance = provenance.model_copy(update={"equalization": equalization})
            return XrayImage(toning.pixels, provenance)
        except ImageError:
            raise
        except DICOM_ERRORS as error:
            raise ImageError(path, _broken(error)) from error


def open_stored(path: Path, data: bytes) -> tuple[pydicom.Dataset, NDArray[Any], list[str]]:
    """Return a file's header, its pixels as they are stored, and notes; see `decode_dicom`.

    Raises ImageError, or one of DICOM_ERRORS, whose words may quote the file.
    """
    dataset = read_dataset(path, data)
    notes = _check_header(path, dataset)
    return dataset, _read_pixels(path, dataset), notes


def _broken(error: Exception) -> str:
    return f"truncated or malformed DICOM ({type(error).__name__})"


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Keep pydicom's warnings, which may quote the file, out of logs and terminals."""
    logger = logging.getLogger("pydicom")
    was_disabled, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = was_disabled


def _check_header(path: Path, dataset: pydicom.Dataset) -> list[str]:
    for keyword in ("Rows", "Columns", "BitsAllocated", "BitsStored", "PhotometricInterpretation"):
        if keyword not in dataset:
            raise ImageError(path, f"the DICOM has no {keyword}")
    if "PixelData" not in dataset:
        raise ImageError(path, "the DICOM has no PixelData")
    refuse_large(path, int(dataset.Columns), int(dataset.Rows))
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames != 1:
        raise ImageError(path, f"the DICOM has {frames} frames; expected one X-ray per file")
    if int(dataset.BitsAllocated) not in (8, 16):
        raise ImageError(path, f"{dataset.BitsAllocated}-bit samples; expected 8 or 16 bits")
    modality = str(dataset.get("Modality", ""))
    if modality in RADIOGRAPH_MODALITIES:
        return []
    known = modality if modality.isalpha() and len(modality) <= 4 else "unknown"
    return [f"{NOT_A_RADIOGRAPH_NOTE}{known}, not a radiograph"]


def _read_pixels(path: Path, dataset: pydicom.Dataset) -> NDArray[Any]:
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        # The name of a UID that the standard doesn't know is the UID, a value of the file.
        name = "an unknown transfer syntax" if syntax.name == syntax else syntax.name
        raise ImageError(path, f"no Python package that we know decodes {name}") from None
    if not decoder.is_available:
        package = OPENJPEG if syntax in JPEG2000TransferSyntaxes else LIBJPEG
        raise ImageError(path, f"no decoder is installed for {syntax.name}; it needs {package}")
    if syntax.is_encapsulated:
        refuse_hostile_codestream(path, dataset)
    pixels: NDArray[Any] = pixel_array(dataset)
    if pixels.shape[:2] != (dataset.Rows, dataset.Columns):
        raise ImageError(path, "the DICOM header and its pixels disagree about the size")
    return pixels


def _tone(
    path: Path,
    dataset: pydicom.Dataset,
    stored: NDArray[Any],
    notes: list[str],
    equalization: Equalization,
) -> Toning:
    photometric = str(dataset.PhotometricInterpretation)
    if stored.ndim == 3 and stored.shape[2] == 3 and stored.dtype == np.uint8:
        note_colour(stored, notes)
        luminance = np.asarray(Image.fromarray(stored).convert("L"))
        if equalization == "mimic_jpg":
            return tone_like_mimic(luminance, inverted=False)
        grey = luminance.astype(np.float32) / np.float32(255)
        return Toning(grey, (0.0, 255.0), "full range", False)
    if stored.ndim != 2 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise ImageError(
            path, "the DICOM pixels are neither MONOCHROME1, MONOCHROME2 nor 8-bit colour"
        )
    if equalization == "mimic_jpg":
        stored = keep_stored_bits(dataset, stored)
        return tone_like_mimic(stored, inverted=photometric == "MONOCHROME1")
    return tone(dataset, stored, notes)


def _describe(
    dataset: pydicom.Dataset, sha256: str, toning: Toning, notes: list[str]
) -> Provenance:
    view = str(dataset.get("ViewPosition") or "").upper()
    orientation = [str(part) for part in dataset.get("PatientOrientation") or ()]
    if view in ("PA", "AP") and orientation and orientation != ["L", "F"]:
        notes.append("its patient orientation is not L\\F: it may be mirrored or turned")
    return Provenance(
        sha256=sha256,
        file_format="DICOM",
        height=int(dataset.Rows),
        width=int(dataset.Columns),
        window=toning.window,
        window_source=toning.window_source,
        inverted=toning.inverted,
        pixel_spacing_mm=_spacing(dataset),
        view=view if view in VIEW_POSITIONS else None,
        laterality=_laterality(dataset),
        child=is_child(dataset),
        other_body_part=shows_other_part(dataset),
        warnings=tuple(notes),
    )


def _laterality(dataset: pydicom.Dataset) -> Laterality | None:
    """Image Laterality (0020,0062), else Laterality (0020,0060) of the whole series."""
    for keyword in ("ImageLaterality", "Laterality"):
        for side in get_args(Laterality):
            if dataset.get(keyword) == side:
                return cast(Laterality, side)
    return None


def _spacing(dataset: pydicom.Dataset) -> tuple[float, float] | None:
    for keyword in ("ImagerPixelSpacing", "PixelSpacing"):
        values = dataset.get(keyword)
        if values is not None and len(values) == 2:
            row, column = float(values[0]), float(values[1])
            if 0 < row < 100 and 0 < column < 100:
                return row, column
    return None
