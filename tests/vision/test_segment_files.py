"""`kerley segment`: masks at the image's own size, lung areas, and DICOM Segmentations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pandas as pd
import pydicom
import pytest
from PIL import Image
from pydicom.uid import generate_uid
from typer.testing import CliRunner

from kerley import app
from tests.vision.examples import draw_xray, save_dicom
from tests.vision.segmenters import dark_segmenter, draw_lungs, small_segmenter
from vision.grade_table import find_images
from vision.images import read_image
from vision.segmentation.gallery import Case, choose_cases, draw_difference, gallery
from vision.segmentation.lung_areas import keep_largest, measure_lungs
from vision.segmentation.network import SegmentationError
from vision.segmentation.segment_files import COLUMNS, SegmentOptions, check_out, segment_files

STUDY = {
    "StudyInstanceUID": generate_uid(entropy_srcs=["study"]),
    "SeriesInstanceUID": generate_uid(entropy_srcs=["series"]),
    "PatientID": "PLANTED-ID",
    "PatientBirthDate": "",
    "PatientSex": "O",
    "StudyDate": "20200101",
    "StudyTime": "120000",
    "StudyID": "1",
    "AccessionNumber": "",
    "ReferringPhysicianName": "",
    "SeriesNumber": 1,
    "InstanceNumber": 1,
    "WindowCenter": 2048,
    "WindowWidth": 4096,
    "ImagerPixelSpacing": [2.0, 2.0],
}


@pytest.fixture
def films(tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    (folder / "b").mkdir(parents=True)
    Image.fromarray(draw_xray(0, height=181, width=240)).save(folder / "wide.png")
    dark = draw_xray(1, height=120, width=100).astype(np.uint16) * 16
    save_dicom(
        folder / "b" / "film.dcm", 4095 - dark, PhotometricInterpretation="MONOCHROME1", **STUDY
    )
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    return folder


def segment(films: Path, out: Path, **options: object) -> pd.DataFrame:
    found = find_images([films])
    done = segment_files(dark_segmenter(128), found.files, out, SegmentOptions(**options))  # type: ignore[arg-type]
    assert list(done.table.columns) == list(COLUMNS)
    table = pd.read_csv(out / "lungs.csv")
    return table.set_index(table["path"].map(lambda path: Path(path).name))


def test_a_mask_has_its_images_size_and_lies_on_its_lungs(films: Path, tmp_path: Path) -> None:
    table = segment(films, tmp_path / "out")
    row = table.loc["wide.png"]
    with Image.open(tmp_path / "out" / row["mask"]) as file:
        mask = np.array(file)
    assert mask.shape == (181, 240)
    assert set(np.unique(mask)) == {0, 255}
    truth = draw_lungs(height=181, width=240)
    drawn = mask == 255
    assert 2 * (drawn & truth).sum() / (drawn.sum() + truth.sum()) > 0.97
    assert row["share"] == pytest.approx(truth.mean(), abs=0.02)
    assert row["right_share"] == pytest.approx(row["left_share"], rel=0.05)
    assert row["right_share"] + row["left_share"] == pytest.approx(row["share"], abs=1e-5)
    assert row["pieces"] == 2
    assert pd.isna(row["area_cm2"])


def test_what_cannot_be_read_is_a_row_with_the_reason(films: Path, tmp_path: Path) -> None:
    table = segment(films, tmp_path / "out")
    assert table["reason"].notna().to_dict() == {
        "film.dcm": False, "broken.png": True, "wide.png": False,
    }  # fmt: skip
    assert pd.isna(table.loc["broken.png", "mask"])


def test_a_dicom_gets_a_segmentation_that_refers_to_it(films: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    row = segment(films, out).loc["film.dcm"]
    source = pydicom.dcmread(films / "b" / "film.dcm")
    found = highdicom.seg.segread(out / row["dicom_seg"])
    assert found.StudyInstanceUID == source.StudyInstanceUID
    assert found.PatientID == source.PatientID
    assert found.SeriesInstanceUID != source.SeriesInstanceUID
    assert found.Modality == "SEG"
    (description,) = (found.get_segment_description(number) for number in found.segment_numbers)
    assert description.segment_label == "Lung"
    assert description.segmented_property_type.value == "39607008"
    assert description.algorithm_type == highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC
    pixels = found.get_pixels_by_source_instance(
        [source.SOPInstanceUID], ignore_spatial_locations=True
    )[0, :, :, 0]
    with Image.open(out / row["mask"]) as file:
        np.testing.assert_array_equal(pixels == 1, np.array(file) == 255)
    assert pixels.sum() * 4 / 100 == pytest.approx(row["area_cm2"], abs=0.01)
    # MONOCHROME1 was turned: the dark ellipses are the lungs.
    assert (pixels == draw_lungs(height=120, width=100)).mean() > 0.97


def test_the_same_input_gives_the_same_bytes(films: Path, tmp_path: Path) -> None:
    rows = [segment(films, tmp_path / name).loc["film.dcm"] for name in ("one", "two")]
    written = [
        pydicom.dcmread(tmp_path / name / row["dicom_seg"])
        for name, row in zip(("one", "two"), rows, strict=True)
    ]
    assert written[0].SOPInstanceUID == written[1].SOPInstanceUID
    assert written[0].PixelData == written[1].PixelData


def test_a_dicom_without_a_study_has_a_mask_and_a_warning(tmp_path: Path) -> None:
    save_dicom(tmp_path / "films.dcm", draw_xray(1).astype(np.uint16) * 16)
    done = segment_files(
        dark_segmenter(), [tmp_path / "films.dcm"], tmp_path / "out", SegmentOptions()
    )
    row = done.table.iloc[0]
    assert "no DICOM SEG, it has no StudyInstanceUID, SeriesInstanceUID" in row["warnings"]
    assert (tmp_path / "out" / row["mask"]).is_file()
    assert not (tmp_path / "out" / "dicom_seg").exists()
    assert "PLANTED" not in done.table.to_string()


def test_nothing_that_is_read_is_written(films: Path, tmp_path: Path) -> None:
    with pytest.raises(SegmentationError, match=r"lies in .*films, which is read"):
        check_out(films / "out", [films])
    first = segment(films, tmp_path / "out").loc["wide.png", "mask"]
    stem = Path(first).name
    (tmp_path / "again" / "masks").mkdir(parents=True)
    sha = read_image(films / "wide.png").provenance.sha256
    target = tmp_path / "again" / "masks" / stem
    target.write_bytes((films / "wide.png").read_bytes())
    assert stem == f"wide-{sha[:8]}.png"
    renamed = tmp_path / "again" / "masks" / "wide.png"
    renamed.symlink_to(target)
    with pytest.raises(SegmentationError, match="is one of the images that are read"):
        segment_files(dark_segmenter(), [renamed, target], tmp_path / "again", SegmentOptions())
    assert target.read_bytes() == (films / "wide.png").read_bytes()


def test_an_infection_has_any_number_of_pieces_and_no_sides(films: Path, tmp_path: Path) -> None:
    infected = replace(dark_segmenter(), structure="infection")
    done = segment_files(infected, [films / "wide.png"], tmp_path / "out", SegmentOptions(keep=1))
    row = done.table.iloc[0]
    assert (row["pieces"], row["right_share"], row["warnings"]) == (2, None, "")
    assert done.target.name == "infections.csv"


def test_small_pieces_are_left_out_and_told_of() -> None:
    mask = draw_lungs()
    mask[0:3, 0:3] = True
    assert measure_lungs(mask).pieces == 3
    np.testing.assert_array_equal(keep_largest(mask, 2), draw_lungs())


@pytest.mark.parametrize(
    ("mask", "usual", "warning"),
    [
        (np.zeros((90, 120), bool), None, "no lung found"),
        (draw_lungs() & (np.arange(120) < 60), None, "one lung: the two were not told apart"),
        (draw_lungs(), (0.5, 0.6), "most training masks have 50% to 60%"),
        (draw_lungs(), (0.1, 0.6), ""),
    ],
)
def test_what_is_unusual_is_said(mask: np.ndarray, usual, warning: str) -> None:
    assert warning in "; ".join(measure_lungs(mask, usual=usual).warnings)
    assert bool(measure_lungs(mask, usual=usual).warnings) == bool(warning)


def test_right_is_the_patients_right() -> None:
    mask = draw_lungs()
    mask[:, :60] &= (np.arange(90) < 45)[:, None]
    found = measure_lungs(mask, spacing_mm=(1.0, 2.0))
    assert found.right is not None
    assert found.left is not None
    assert found.right < found.left
    assert found.area_cm2 == pytest.approx(mask.sum() * 2 / 100)


def test_the_command_writes_masks_overlays_and_the_table(films: Path, tmp_path: Path) -> None:
    small_segmenter().save(tmp_path / "model")
    arguments = ["segment", str(tmp_path / "model"), str(films), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, "--overlays", "--keep", "0", "--threads", "1"])
    assert result.exit_code == 0, result.output
    assert "2 of 3 images segmented" in result.output
    assert "Research use only" in result.output
    table = pd.read_csv(tmp_path / "out" / "lungs.csv")
    for overlay in table["overlay"].dropna():
        with Image.open(tmp_path / "out" / overlay) as image:
            assert image.mode == "RGB"
    assert table["overlay"].notna().sum() == 2


def test_the_gallery_shows_the_worst_the_ordinary_and_the_best() -> None:
    dice = np.array([0.9, 0.1, 0.5, 0.7, 0.8, 0.3, 0.95])
    assert choose_cases(dice, each=1) == {"worst": [1], "median": [3], "best": [6]}
    assert choose_cases(np.array([0.4]), each=2) == {"worst": [0], "median": [], "best": []}
    truth = draw_lungs().astype(np.uint8)
    case = Case(draw_xray(0), truth, np.roll(truth == 1, 4, axis=0), 0.9, "worst")
    colours = draw_difference(case)
    assert tuple(colours[(truth == 1) & ~case.predicted][0]) == (213, 94, 0)
    assert tuple(colours[(truth == 0) & case.predicted][0]) == (0, 114, 178)
    texts = [
        text.get_text() for axes in gallery([case]).axes for text in (axes.title, axes.yaxis.label)
    ]
    assert "worst\nDice 0.900" in texts
