"""Hostile and broken files: each is refused with one error that names the file and the reason."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.vision.examples import draw_xray, save_dicom
from tests.vision.mutated_files import DICOM_MUTANTS, OTHER_MUTANTS
from vision.images import ImageError, read_image

ROOT = Path(__file__).parents[2]
FEWEST_FILES = 90
MOST_MEGABYTES = 100


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the benchmark of hostile files says: each is read in a limited process of its own."""
    out = tmp_path_factory.mktemp("hostile") / "figures.json"
    command = [sys.executable, "benchmarks/hostile_images.py", "--json", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert out.is_file(), done.stderr
    return {each["name"]: each for each in json.loads(out.read_text())}


def test_every_hostile_file_is_refused_in_little_memory(refusals: dict[str, Any]) -> None:
    assert len(refusals) > FEWEST_FILES
    wrong = [each for each in refusals.values() if not each["refused"]]
    assert wrong == []
    assert max(each["megabytes"] for each in refusals.values()) < MOST_MEGABYTES


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("jpeg-65000x65000.jpg", "65000×65000 pixels"),
        ("png-7000x7000-flat.png", "a bomb"),
        ("jpeg-5000-scans.jpg", "scans"),
        ("bmp-run-lengths-6000x6000.bmp", "run lengths"),
        ("tiff-two-pages.tif", "several frames"),
        ("webp-animated.webp", "several frames"),
        ("text-named.png", "not an image of a known kind"),
        ("empty.dcm", "the file is empty"),
        ("magic-and-200-mb.png", "more than an X-ray takes"),
        ("dicom-private-200-mb.dcm", "more than an X-ray takes"),
        ("dicom-deflated-300-mb.dcm", "unpack"),
        ("dicom-150000-elements-in-a-sequence.dcm", "too many elements"),
        ("dicom-jpeg-of-another-size.dcm", "disagree about the size"),
        ("dicom-j2k-16384-components.dcm", "disagree about samples"),
        ("dicom-rle-bomb.dcm", "runs unpack"),
        ("folder.png", "directory"),
        ("pipe.png", "a pipe"),
        ("device.png", "a device"),
        ("link-to-itself.png", "symbolic links"),
        ("locked.png", "Permission denied"),
    ],
)
def test_the_reason_says_what_is_wrong(refusals: dict[str, Any], name: str, reason: str) -> None:
    assert reason in refusals[name]["reason"]


def test_mutated_files_give_image_errors_or_finite_pixels_and_never_hang(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.vision.mutated_files", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, f"ended at {done.stdout[-200:]}\n{done.stderr[-500:]}"
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["problems"] == []
    assert sum(answer["counts"].values()) == DICOM_MUTANTS + OTHER_MUTANTS
    assert min(answer["counts"]["read"], answer["counts"]["refused"]) > 100


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


def test_a_large_file_with_as_many_pixels_is_read(tmp_path: Path) -> None:
    grey = np.tile(draw_xray(1, height=42, width=43), (100, 100))
    Image.fromarray(grey).save(tmp_path / "a.bmp")
    assert (tmp_path / "a.bmp").stat().st_size > 16 << 20
    assert read_image(tmp_path / "a.bmp").pixels.shape == grey.shape
    save_dicom(tmp_path / "a.dcm", grey.astype(np.uint16) * 16)
    assert read_image(tmp_path / "a.dcm").pixels.shape == grey.shape


def test_one_grey_value_everywhere_is_refused(tmp_path: Path) -> None:
    Image.new("L", (50, 50), 7).save(tmp_path / "blank.png")
    with pytest.raises(ImageError, match="every pixel has the same value"):
        read_image(tmp_path / "blank.png")


def test_the_error_survives_a_process_boundary() -> None:
    error = pickle.loads(pickle.dumps(ImageError(Path("a.png"), "truncated")))
    assert (error.path, error.reason, str(error)) == (
        Path("a.png"),
        "truncated",
        "a.png: truncated",
    )
