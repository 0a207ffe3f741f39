"""Read any chest X-ray file (DICOM, PNG, JPEG, TIFF, BMP, WebP) as grey pixels with provenance."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from vision.dicom_images import decode_dicom, is_dicom
from vision.image_files import read_bytes
from vision.raster_images import RasterOptions, decode_raster
from vision.xray_image import Equalization, ImageError, Provenance, XrayImage

__all__ = ["IMAGE_SUFFIXES", "ImageError", "Provenance", "XrayImage", "read_image"]

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".dcm", ".dicom"}
)

CONTRAST_SAMPLE_SIDE = 256
CONTRAST_PERCENTILES = (1, 99)
LEAST_CONTRAST = 0.4
"""Chest X-rays in public sets use over 60% of their range; a wrong window leaves a few percent."""


def read_image(
    path: Path,
    *,
    at_least: int | None = None,
    white_level: int | None = None,
    equalization: Equalization = "none",
) -> XrayImage:
    """Read one X-ray: header first, then pixels, turned and windowed once.

    `at_least` allows a reduced decode of a JPEG whose longer side stays at least that many
    pixels (scaled DCT, much faster on full-size files). `white_level` is the stored
    value that means white in a 16-bit PNG or TIFF (65535 for PadChest): such files hold 10 to
    16 bits and do not say so, so that without it they are refused instead of read too dark.
    `equalization` "mimic_jpg" does to any file what MIMIC-CXR-JPG did to its DICOMs, in place
    of the window; a file that is equalised already stays nearly as it is.
    Raises ImageError naming the file and the reason: not an image, truncated, several frames,
    over 50 megapixels or 16,000 pixels a side.
    """
    data = read_bytes(path)
    sha256 = hashlib.sha256(data).hexdigest()
    if is_dicom(data):
        image = decode_dicom(path, data, sha256, equalization=equalization)
    else:
        options = RasterOptions(at_least, white_level, equalization)
        image = decode_raster(path, data, sha256, options)
    return _check_contrast(path, image)


def _check_contrast(path: Path, image: XrayImage) -> XrayImage:
    if np.ptp(image.pixels) == 0:
        raise ImageError(path, "every pixel has the same value")
    step = -(-min(image.pixels.shape) // CONTRAST_SAMPLE_SIDE)
    low, high = np.percentile(image.pixels[::step, ::step], CONTRAST_PERCENTILES)
    if high - low >= LEAST_CONTRAST:
        return image
    note = f"low contrast: {high - low:.0%} of the grey range is used"
    warnings = (*image.provenance.warnings, note)
    return XrayImage(image.pixels, image.provenance.model_copy(update={"warnings": warnings}))
