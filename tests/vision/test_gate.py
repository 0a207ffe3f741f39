"""Chest X-rays pass the gate; what is none, lateral, a child's or inverted is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from data_cards.phantom.generator import make_phantom
from data_cards.phantom.settings import PhantomSettings
from data_cards.phantom.truth import read_image_truth
from tests.vision.examples import save_dicom, save_xrays
from vision.dicom_patient import is_child
from vision.gate import GateSettings, find_refusals, look_at
from vision.images import read_image
from vision.xray_image import Provenance, XrayImage


def as_xray(pixels, **provenance):
    height, width = pixels.shape
    described = Provenance(
        sha256="0" * 64,
        file_format="PNG",
        height=height,
        width=width,
        window=(0.0, 255.0),
        window_source="full range",
        **provenance,
    )
    return XrayImage(np.asarray(pixels, np.float32), described)


def invert(image):
    return XrayImage(1 - image.pixels, image.provenance)


def share_refused(images, word=""):
    said = [find_refusals(image) for image in images]
    return np.mean([any(word in reason for reason in reasons) for reasons in said])


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    root = tmp_path_factory.mktemp("phantom") / "corpus"
    make_phantom(root, PhantomSettings(studies=60, size=96, seed=5))
    views = read_image_truth(root).set_index("image_id")["view"]
    read = {"frontal": [], "lateral": []}
    for path in sorted((root / "images").iterdir()):
        kind = "lateral" if views[path.stem] == "LATERAL" else "frontal"
        read[kind].append(read_image(path))
    return read


def draw_noise(generator):
    return generator.random((200, 200))


def draw_gradient(generator):
    y, x = np.mgrid[0:120, 0:120] / 120
    return generator.random() * x + generator.random() * y


def draw_page(generator):
    page = Image.new("L", (600, 800), 255)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(18)
    for line in range(30, 760, 26):
        words = (10 * int(generator.integers(1, 5)) * "x" + " ") * 2
        pen.text((40, line), words, fill=20, font=font)
    return np.asarray(page) / 255


def draw_bright_objects(generator):
    """A few bright ellipses on black, as a hand or a foot would be."""
    picture = Image.new("L", (256, 256), 5)
    for _ in range(4):
        x, y = generator.uniform(40, 160, 2)
        size = generator.uniform(20, 60)
        box = [x, y, x + size, y + 2 * size]
        ImageDraw.Draw(picture).ellipse(box, fill=int(generator.uniform(90, 250)))
    return np.asarray(picture) / 255


def test_frontal_phantoms_pass_and_laterals_and_negatives_are_named(phantom):
    frontal, lateral = phantom["frontal"], phantom["lateral"]
    assert len(frontal) > 50
    assert len(lateral) > 5
    assert share_refused(frontal) < 0.02
    assert share_refused(lateral, "lateral view") > 0.9
    assert share_refused([invert(image) for image in frontal], "inverted") > 0.97


@pytest.mark.parametrize(
    ("draw", "reason"),
    [
        (draw_noise, "fine grain or print"),
        (draw_page, "fine grain or print"),
        (draw_gradient, "no detail"),
        (draw_bright_objects, "pure black or white"),
    ],
)
def test_what_is_no_x_ray_is_refused(draw, reason):
    images = [as_xray(draw(np.random.default_rng(seed))) for seed in range(12)]
    assert share_refused(images) == 1
    assert share_refused(images, reason) > 0.8


def test_a_lateral_turned_the_other_way_is_still_one(phantom):
    mirrored = [
        XrayImage(np.ascontiguousarray(image.pixels[:, ::-1]), image.provenance)
        for image in phantom["lateral"]
    ]
    assert share_refused(mirrored, "lateral view") > 0.9


def test_the_size_of_an_image_hardly_matters(phantom):
    image = phantom["frontal"][0]
    large = Image.fromarray(image.pixels).resize((960, 960), Image.Resampling.BICUBIC)
    looks = [look_at(image), look_at(as_xray(np.asarray(large)))]
    assert looks[0].frontal == pytest.approx(looks[1].frontal, abs=0.02)
    assert find_refusals(as_xray(np.asarray(large))) == ()


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"ViewPosition": "LL"}, "lateral view (LL)"),
        ({"PatientAge": "017Y"}, "under 18"),
        ({"PatientAge": "006M"}, "under 18"),
        ({"PatientBirthDate": "20100615", "StudyDate": "20200101"}, "under 18"),
        ({"BodyPartExamined": "HAND"}, "another part of the body"),
        ({"Modality": "OT"}, "not a radiograph"),
        ({"PatientAge": "018Y", "BodyPartExamined": "CHEST", "ViewPosition": "PA"}, None),
        ({"PatientBirthDate": "19500615", "StudyDate": "20200101"}, None),
        ({"PatientAge": "", "PatientBirthDate": "", "StudyDate": "20200101"}, None),
    ],
)
def test_the_header_is_believed_unless_told_not_to(phantom, tmp_path, elements, reason):
    stored = (phantom["frontal"][0].pixels * 4095).astype(np.uint16)
    image = read_image(save_dicom(tmp_path / "one.dcm", stored, **elements))
    reasons = find_refusals(image)
    assert len(reasons) == (reason is not None)
    assert reason is None or reason in reasons[0]
    assert find_refusals(image, GateSettings(refuse_header=False)) == ()
    # An age is personal: neither the reason nor the provenance holds it.
    assert "PatientAge" not in image.provenance.model_dump_json()
    assert "17" not in str(reasons)


@pytest.mark.parametrize(
    ("header", "child"),
    [
        ({"PatientAge": "900D"}, True),
        ({"PatientAge": "040X"}, None),
        ({"PatientBirthDate": "20209999", "StudyDate": "20210101"}, None),
        ({"PatientBirthDate": "20210101", "StudyDate": "20200101"}, None),
        ({}, None),
    ],
)
def test_an_age_that_cannot_be_read_is_unknown(header, child):
    assert is_child(header) is child


def test_a_colour_picture_is_refused_for_its_colours(phantom, tmp_path):
    grey = (phantom["frontal"][0].pixels * 255).astype(np.uint8)
    coloured = np.stack([grey, grey // 2, grey // 3], axis=2)
    Image.fromarray(coloured).save(tmp_path / "photo.png")
    assert "colours" in " ".join(find_refusals(read_image(tmp_path / "photo.png")))


def test_settings_survive_json_and_move_the_limits(phantom):
    strict = GateSettings(least_layout=1.9)
    assert GateSettings.model_validate_json(strict.model_dump_json()) == strict
    assert "no two dark lungs" in find_refusals(phantom["frontal"][0], strict)[0]


def list_real(root: Path) -> list[Path]:
    """Every 20th X-ray of each real set."""
    folders = ("covid_chestxray", "kermany", "covid_qu_ex", "lung_masks/images")
    files = [sorted((root / name).rglob("*.[jp][pn]*g")) for name in folders]
    return [path for folder in files for path in folder[::20]]


def test_real_x_rays_pass_and_turned_ones_are_called_inverted(shared_data):
    images = [read_image(path, at_least=256) for path in list_real(shared_data)]
    if not images:
        pytest.skip("no real X-rays in ../shared/data")
    assert len(images) > 60
    assert share_refused(images) < 0.03
    assert share_refused([invert(image) for image in images], "inverted") > 0.95


def test_the_benchmark_prints_a_row_per_set(tmp_path):
    save_xrays(tmp_path / "mine", 2)
    program = Path(__file__).parents[2] / "benchmarks" / "gate.py"
    command = [sys.executable, str(program), "--phantoms", "8", "--drawn", "2"]
    command += ["--xrays", str(tmp_path / "mine")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = {row[1].strip(): row for row in (line.split("|") for line in done.stdout.splitlines())}
    assert rows["mine"][2].strip() == "2"
    assert rows["drawn: noise"][3].strip() == "100.0%"
    assert "phantom PA" in rows
