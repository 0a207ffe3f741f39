"""DICOM radiographs: rescale, window and lookup tables, inversion, and what is recorded."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from tests.vision.examples import draw_xray, make_dicom, save_dicom
from vision.images import ImageError, read_image

STORED = draw_xray(1).astype(np.uint16) * 16
WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}


def test_monochrome1_is_turned_once(tmp_path: Path) -> None:
    plain = read_image(save_dicom(tmp_path / "2.dcm", STORED, **WINDOW))
    turned = read_image(
        save_dicom(
            tmp_path / "1.dcm", 4095 - STORED, PhotometricInterpretation="MONOCHROME1", **WINDOW
        )
    )
    assert np.allclose(plain.pixels, STORED / 4095, atol=1e-6)
    assert np.allclose(plain.pixels, turned.pixels, atol=1e-6)
    assert (plain.provenance.inverted, turned.provenance.inverted) == (False, True)


def test_turning_holds_without_a_window_too(tmp_path: Path) -> None:
    plain = read_image(save_dicom(tmp_path / "2.dcm", STORED))
    turned = read_image(
        save_dicom(tmp_path / "1.dcm", 4095 - STORED, PhotometricInterpretation="MONOCHROME1")
    )
    assert np.abs(plain.pixels - turned.pixels).max() < 0.01


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        # PS3.3 C.11.2.1.2.1, C.11.2.1.3.2 and C.11.2.1.3.1 with center 100, width 50, at 110.
        ("LINEAR", (110 - 99.5) / 49 + 0.5),
        ("LINEAR_EXACT", (110 - 100) / 50 + 0.5),
        ("SIGMOID", 1 / (1 + np.exp(-4 * 10 / 50))),
    ],
)
def test_the_three_window_functions(tmp_path: Path, function: str, expected: float) -> None:
    stored = np.full((8, 8), 110, np.uint16)
    stored[0, 0] = 0
    path = save_dicom(
        tmp_path / "a.dcm", stored, WindowCenter=100, WindowWidth=50, VOILUTFunction=function
    )
    assert read_image(path).pixels[4, 4] == pytest.approx(expected, abs=1e-6)


def test_rescale_comes_before_the_window(tmp_path: Path) -> None:
    path = save_dicom(
        tmp_path / "a.dcm",
        STORED,
        RescaleSlope=2,
        RescaleIntercept=-1000,
        WindowCenter=2 * 2048 - 1000,
        WindowWidth=8192,
        VOILUTFunction="LINEAR_EXACT",
    )
    assert np.allclose(read_image(path).pixels, STORED / 4096, atol=1e-6)


def test_the_first_of_several_windows_is_used(tmp_path: Path) -> None:
    path = save_dicom(tmp_path / "a.dcm", STORED, WindowCenter=[2048, 100], WindowWidth=[4096, 10])
    assert read_image(path).provenance.window == (0.0, 4096.0)


def test_a_missing_window_is_replaced_and_recorded(tmp_path: Path) -> None:
    image = read_image(save_dicom(tmp_path / "a.dcm", STORED))
    low, high = np.percentile(STORED, [0.5, 99.5])
    assert image.provenance.window == pytest.approx((low, high), abs=20)
    assert image.provenance.window_source == "percentile"
    assert "no window in the DICOM" in image.provenance.warnings[0]


def test_lookup_tables_are_applied(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor = [4096, 0, 16]
    table.LUTData = (np.arange(4096, dtype=np.uint16) * 16)[::-1].tobytes()
    path = save_dicom(tmp_path / "a.dcm", STORED, VOILUTSequence=[table], **WINDOW)
    image = read_image(path)
    assert np.allclose(image.pixels, (4095 - STORED) * 16 / 65535, atol=1e-4)
    assert image.provenance.window_source == "DICOM VOI LUT"
    assert image.provenance.window is None


def test_padding_is_black_and_does_not_count(tmp_path: Path) -> None:
    stored = STORED.copy()
    stored[:10] = 4095
    image = read_image(
        save_dicom(
            tmp_path / "a.dcm",
            stored,
            PixelPaddingValue=4095,
            PhotometricInterpretation="MONOCHROME1",
        )
    )
    assert (image.pixels[:10] == 0).all()
    assert image.provenance.window is not None
    assert image.provenance.window[1] < 4095


def test_bits_above_the_stored_ones_are_dropped(tmp_path: Path) -> None:
    image = read_image(save_dicom(tmp_path / "a.dcm", STORED | 0x8000, **WINDOW))
    assert np.allclose(image.pixels, STORED / 4095, atol=1e-6)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
def test_transfer_syntaxes_give_the_same_pixels(tmp_path: Path, syntax: str) -> None:
    dataset = make_dicom(STORED, **WINDOW)
    if syntax == RLELossless:
        dataset.compress(RLELossless)
    else:
        dataset.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = STORED.byteswap().tobytes()
    dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    assert np.allclose(read_image(tmp_path / "a.dcm").pixels, STORED / 4095, atol=1e-6)


def test_colour_captures_become_grey(tmp_path: Path) -> None:
    colour = np.repeat(draw_xray(1)[:, :, None], 3, axis=2)
    path = save_dicom(
        tmp_path / "a.dcm",
        STORED,
        SamplesPerPixel=3,
        PlanarConfiguration=0,
        PhotometricInterpretation="RGB",
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        Modality="OT",
        PixelData=colour.tobytes(),
    )
    image = read_image(path)
    assert np.array_equal(np.rint(image.pixels * 255), colour[:, :, 0])
    assert image.provenance.warnings == ("the DICOM modality is OT, not a radiograph",)


@pytest.mark.parametrize(
    ("elements", "side"),
    [
        ({"ImageLaterality": "U"}, "U"),
        ({"Laterality": "L"}, "L"),
        ({"ImageLaterality": "B", "Laterality": "R"}, "B"),
        ({"Laterality": "SMITH"}, None),
        ({}, None),
    ],
)
def test_the_side_that_was_imaged_is_recorded(
    tmp_path: Path, elements: dict[str, str], side: str | None
) -> None:
    path = save_dicom(tmp_path / "a.dcm", STORED, **elements, **WINDOW)
    assert read_image(path).provenance.laterality == side


def test_view_and_spacing_are_recorded_and_nothing_about_the_patient(tmp_path: Path) -> None:
    path = save_dicom(
        tmp_path / "a.dcm",
        STORED,
        ViewPosition="AP",
        ImagerPixelSpacing=[0.15, 0.15],
        PatientOrientation=["R", "F"],
        **WINDOW,
    )
    provenance = read_image(path).provenance
    assert (provenance.view, provenance.pixel_spacing_mm) == ("AP", (0.15, 0.15))
    assert "mirrored" in provenance.warnings[0]
    assert "PLANTED" not in provenance.model_dump_json()


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"Rows": 20000, "Columns": 20000}, "megapixels"),
        ({"Rows": 0}, "0 pixels"),
        ({"BitsAllocated": 32}, "32-bit samples"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "neither MONOCHROME1"),
    ],
)
def test_headers_are_checked(tmp_path: Path, elements: dict[str, object], reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        read_image(save_dicom(tmp_path / "a.dcm", STORED, **elements))


def test_values_of_a_broken_file_reach_neither_error_nor_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = save_dicom(tmp_path / "a.dcm", STORED, PatientBirthDate="19700101", **WINDOW)
    data = path.read_bytes().replace(b"4096", b"SMIT").replace(b"19700101", b"SMITH^JO")
    path.write_bytes(data)
    with caplog.at_level(logging.DEBUG), pytest.raises(ImageError) as caught:
        read_image(path)
    assert "SMIT" not in str(caught.value)
    assert "SMIT" not in caplog.text


def test_real_files_are_read(shared_data: Path) -> None:
    chest = read_image(shared_data / "dicom" / "RG1_J2KI.dcm")
    assert chest.pixels.shape == (1955, 1841)
    assert chest.provenance.inverted
    assert chest.provenance.window == (0.0, 30000.0)
    assert chest.provenance.view == "PA"
    spine, lung = chest.pixels[1000:1100, 900:1000].mean(), chest.pixels[700:800, 500:600].mean()
    assert spine > lung, "bone is bright"
    # Both test patterns are the same picture, stored through different lookup tables.
    modality = read_image(shared_data / "dicom" / "mlut_18.dcm").pixels
    voi = read_image(shared_data / "dicom" / "vlut_04.dcm").pixels
    assert np.abs(modality - voi).max() < 0.01
