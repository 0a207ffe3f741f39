"""The lungs of a trust report are a corpus's own masks first, then a segmenter's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from accelerate.state import AcceleratorState
from PIL import Image

from joint.image_runs.mask_sources import draw_own_lungs
from joint.image_runs.prepare import prepare_images
from joint.image_runs.run import run_image_training
from joint.image_runs.settings import CorpusSource, ImageDataSettings
from tests.joint.class_corpora import QU_EX, write_qu_ex
from tests.joint.test_image_runs import load
from tests.vision.segmenters import save_pairs

LUNGS = (slice(10, 40), slice(6, 42))


@pytest.fixture
def corpus(tmp_path):
    """COVID-QU-Ex with lung masks; of the normal test images one is missing, one is broken."""
    root = write_qu_ex_with_masks(tmp_path / "covid_qu_ex")
    masks = root / QU_EX / "Test" / "Normal" / "lung masks"
    (masks / "normal_Test_0.png").unlink()
    (masks / "normal_Test_1.png").write_bytes(b"no mask")
    return root


def write_qu_ex_with_masks(root: Path) -> Path:
    write_qu_ex(root, counts={"Train": 4, "Val": 2, "Test": 4})
    mask = np.zeros((48, 48), np.uint8)
    mask[LUNGS] = 255
    for image in (root / QU_EX).glob("*/*/images/*.png"):
        file = image.parents[1] / "lung masks" / image.name
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(mask).save(file)
    return root


def prepare(tmp_path, *sources):
    settings = ImageDataSettings(sources=sources, work=tmp_path / "work", cache={"size": 48})
    prepared = prepare_images(settings)
    rows = np.arange(len(prepared.images))
    return settings, prepared, rows, prepared.cache.read(prepared.cache_rows())


def draw_nothing_but_a_corner(rows, pixels):
    drawn = np.zeros(pixels.shape, bool)
    drawn[:, 0, 0] = True
    return drawn


@pytest.mark.parametrize("otherwise", [None, draw_nothing_but_a_corner])
def test_own_masks_count_and_a_segmenter_draws_the_rest(corpus, tmp_path, otherwise):
    given = prepare(tmp_path, CorpusSource(corpus="covid_qu_ex", root=corpus))
    settings, prepared, rows, pixels = given
    drawn = draw_own_lungs(settings, prepared, rows, otherwise)(rows, pixels)
    expected = np.zeros((48, 48), bool)
    expected[LUNGS] = True
    is_own = (drawn == expected).all(axis=(1, 2))
    lacking = prepared.images["study_id"].str.contains(r"normal_Test_[01]").to_numpy()
    assert lacking.sum() == 2
    np.testing.assert_array_equal(is_own, ~lacking)
    assert drawn[lacking].sum() == (0 if otherwise is None else 2)
    some = rows[::-1]
    again = draw_own_lungs(settings, prepared, some, otherwise)
    asked = np.array([5, 0])
    np.testing.assert_array_equal(again(asked, pixels[some[asked]]), drawn[some[asked]])


def test_masks_of_chexmask_are_lungs_and_those_of_unknown_structure_are_not(tmp_path):
    images, _ = save_pairs(tmp_path, 6)
    lines = ["Image Index,Dice RCA (Mean),Left Lung,Right Lung,Heart,Height,Width"]
    lines += [f"{image.name},0.9,1 600,5000 300,,90,120" for image in images]
    (tmp_path / "masks.csv").write_text("\n".join(lines) + "\n")
    table = CorpusSource(
        corpus="image_folder", root=tmp_path / "images", chexmask=tmp_path / "masks.csv"
    )
    settings, prepared, rows, pixels = prepare(tmp_path / "a", table)
    assert draw_own_lungs(settings, prepared, rows, None)(rows, pixels).any(axis=(1, 2)).all()
    files = CorpusSource(corpus="image_masks", root=tmp_path)
    settings, prepared, rows, pixels = prepare(tmp_path / "b", files)
    assert prepared.images["mask_paths"].str.len().min() == 1
    assert draw_own_lungs(settings, prepared, rows, None) is None


def test_a_classifier_of_a_corpus_with_masks_is_asked_without_lungs_not_without_a_zone(corpus):
    AcceleratorState._reset_state()
    result = run_image_training(load("classify_covid_qu_ex", {"classify_covid_qu_ex": corpus}))
    AcceleratorState._reset_state()
    (said,) = (line for line in result.lines if "Lungs alone, this model" in line)
    assert "with all but the lungs black" in said
