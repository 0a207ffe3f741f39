"""MIMIC-CXR-JPG's histogram equalisation: against a slow reference, OpenCV's figures, and files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.vision.examples import draw_xray, save_dicom
from vision.cache import CacheSettings
from vision.equalization import equalization_table, equalize_like_mimic
from vision.framing import read_framed
from vision.images import read_image
from vision.stored_places import StoredPlaces


def equalize_pixels(stored: NDArray[np.uint16], *, inverted: bool) -> NDArray[np.float32]:
    places = StoredPlaces(stored)
    return places.look_up(equalize_like_mimic(places.count(), inverted=inverted) / 255)


def equalize_slowly(stored: NDArray[np.uint16], *, inverted: bool) -> NDArray[np.float64]:
    """The method of Johnson et al. 2019 and OpenCV's equalizeHist, one pixel at a time."""
    low, high = int(stored.min()), int(stored.max())
    eight = [[int((int(value) - low) * 255 / (high - low)) for value in row] for row in stored]
    if inverted:
        eight = [[255 - value for value in row] for row in eight]
    flat = sorted(value for row in eight for value in row)
    darkest = flat.count(flat[0])
    table = {}
    for value in set(flat):
        reached = sum(other <= value for other in flat) - darkest
        table[value] = round(reached * 255 / (len(flat) - darkest))
    return np.array([[table[value] for value in row] for row in eight], float)


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("scale", [1, 16])
def test_equalised_pixels_are_those_of_the_slow_reference(scale: int, inverted: bool) -> None:
    stored = draw_xray(3, height=30, width=40).astype(np.uint16) * scale + 7
    expected = equalize_slowly(stored, inverted=inverted)
    # OpenCV computes in float32: an exact half may fall to the other side.
    assert np.abs(equalize_pixels(stored, inverted=inverted) * 255 - expected).max() < 1.001
    agreeing = np.isclose(equalize_pixels(stored, inverted=inverted) * 255, expected, atol=1e-3)
    assert agreeing.mean() > 0.99


def test_the_table_is_that_of_opencv() -> None:
    # cv2.equalizeHist (5.0.0) of a row that holds level 10 four times, 20 three, 200 once.
    histogram = np.zeros(256, np.int64)
    histogram[[10, 20, 200]] = 4, 3, 1
    table = equalization_table(histogram)
    assert table[[10, 20, 200]].tolist() == [0, 191, 255]
    histogram = np.bincount([77] * 9, minlength=256)
    assert equalization_table(histogram)[77] == 77


def test_a_dicom_is_read_without_its_window_and_turned_first(tmp_path: Path) -> None:
    stored = draw_xray(1).astype(np.uint16) * 16
    plain = save_dicom(tmp_path / "2.dcm", stored, WindowCenter=5, WindowWidth=4)
    turned = save_dicom(tmp_path / "1.dcm", 4095 - stored, PhotometricInterpretation="MONOCHROME1")
    image = read_image(plain, equalization="mimic_jpg")
    assert np.array_equal(image.pixels, equalize_pixels(stored, inverted=False))
    assert image.provenance.equalization == "mimic_jpg"
    assert image.provenance.window == (stored.min(), stored.max())
    assert image.provenance.window_source == "minimum to maximum"
    other = read_image(turned, equalization="mimic_jpg")
    assert other.provenance.inverted
    assert np.abs(other.pixels - image.pixels).mean() < 0.02


def test_a_jpeg_of_mimic_stays_as_it_is_and_a_dicom_becomes_like_it(tmp_path: Path) -> None:
    stored = draw_xray(2, height=300, width=400).astype(np.uint16) * 16
    dicom = save_dicom(tmp_path / "a.dcm", stored, WindowCenter=2000, WindowWidth=4000)
    eight = np.rint(equalize_pixels(stored, inverted=False) * 255).astype(np.uint8)
    Image.fromarray(eight).save(tmp_path / "a.jpg", quality=95)
    as_stored = read_image(tmp_path / "a.jpg").pixels
    again = read_image(tmp_path / "a.jpg", equalization="mimic_jpg").pixels
    from_dicom = read_image(dicom, equalization="mimic_jpg").pixels
    assert np.abs(again - as_stored).max() * 255 < 8
    assert np.abs(from_dicom - again).mean() * 255 < 4
    assert np.abs(read_image(dicom).pixels - again).mean() * 255 > 20, "else there is no need"


def test_the_setting_reaches_the_framed_pixels_and_the_preprocessing_hash(tmp_path: Path) -> None:
    path = save_dicom(tmp_path / "a.dcm", draw_xray(1).astype(np.uint16) * 16)
    plain = CacheSettings(size=64)
    mimic = CacheSettings(size=64, apply_histogram_equalization="mimic_jpg")
    assert plain.preprocessing_hash != mimic.preprocessing_hash
    framed = read_framed(path, mimic)
    assert framed.provenance.equalization == "mimic_jpg"
    assert not np.array_equal(framed.pixels, read_framed(path, plain).pixels)
