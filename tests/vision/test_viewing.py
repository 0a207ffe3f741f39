"""Stored values for a viewer: shown by their own window they are what a grader sees."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from tests.vision.examples import draw_xray, save_dicom
from vision.images import ImageError, read_image
from vision.viewing.unwindowed import UnwindowedImage, read_unwindowed

STORED = draw_xray(1).astype(np.uint16) * 16
STORED[:6] = 4095
WINDOW = {"WindowCenter": 2000, "WindowWidth": 900}


def show(image: UnwindowedImage) -> np.ndarray:
    """What viewer.js makes of a picture, in [0, 1]."""
    values = image.slope * image.pixels.astype(float) + image.intercept
    center, width = image.window
    grey = {
        "LINEAR": (values - (center - 0.5)) / (width - 1) + 0.5,
        "LINEAR_EXACT": (values - center) / width + 0.5,
        "SIGMOID": 1 / (1 + np.exp(-4 * (values - center) / width)),
    }[image.curve]
    grey = np.clip(grey, 0, 1)
    grey = 1 - grey if image.inverted else grey
    if image.padding:
        grey[(image.pixels >= image.padding[0]) & (image.pixels <= image.padding[1])] = 0
    return grey


def make_table(entries: int, bits: int) -> Dataset:
    table = Dataset()
    table.LUTDescriptor = [entries, 0, bits]
    table.LUTData = (np.arange(entries) ** 2 // entries).astype("<u2").tobytes()
    return table


@pytest.mark.parametrize(
    "elements",
    [
        WINDOW,
        WINDOW | {"PhotometricInterpretation": "MONOCHROME1"},
        WINDOW | {"VOILUTFunction": "SIGMOID"},
        WINDOW | {"VOILUTFunction": "LINEAR_EXACT", "RescaleSlope": 2, "RescaleIntercept": -900},
        WINDOW | {"RescaleSlope": -1, "RescaleIntercept": 4095},
        WINDOW | {"PixelPaddingValue": 4095},
        WINDOW | {"PixelPaddingValue": 4095, "PhotometricInterpretation": "MONOCHROME1"},
        {},
        {"PixelPaddingValue": 4095},
        {"RescaleSlope": -2, "RescaleIntercept": 9000},
        {"VOILUTSequence": [make_table(4096, 12)]},
        {"VOILUTSequence": [make_table(4096, 12)], "PhotometricInterpretation": "MONOCHROME1"},
        WINDOW | {"ModalityLUTSequence": [make_table(4096, 16)]},
        WINDOW
        | {
            "ModalityLUTSequence": [make_table(4096, 16)],
            "PixelPaddingValue": 4095,
            "PhotometricInterpretation": "MONOCHROME1",
        },
    ],
    ids=" ".join,
)
def test_by_its_own_window_it_is_what_a_grader_sees(tmp_path: Path, elements) -> None:
    path = save_dicom(tmp_path / "a.dcm", STORED, **elements)
    assert np.abs(show(read_unwindowed(path)) - read_image(path).pixels).max() < 0.012


def test_what_lies_outside_the_window_is_still_there(tmp_path: Path) -> None:
    image = read_unwindowed(save_dicom(tmp_path / "a.dcm", STORED, **WINDOW))
    assert np.array_equal(image.pixels + image.intercept, STORED)
    assert image.pixels.dtype == np.uint16
    assert image.window == (2000, 900)


def test_a_16_bit_png_of_unknown_white_shows_at_the_window_of_its_pixels(tmp_path: Path) -> None:
    Image.fromarray(STORED).save(tmp_path / "a.png")
    image = read_unwindowed(tmp_path / "a.png")
    low, high = np.percentile(STORED, [0.5, 99.5])
    assert image.window == pytest.approx(((low + high) / 2, high - low))
    assert np.array_equal(image.pixels, STORED)


def test_8_bits_show_as_they_are(tmp_path: Path) -> None:
    Image.fromarray(draw_xray(1)).save(tmp_path / "a.png")
    assert np.allclose(show(read_unwindowed(tmp_path / "a.png")), draw_xray(1) / 255)


def test_what_is_no_xray_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("report")
    with pytest.raises(ImageError, match="not an image"):
        read_unwindowed(tmp_path / "a.png")
    path = save_dicom(tmp_path / "a.dcm", STORED)
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(ImageError):
        read_unwindowed(path)
