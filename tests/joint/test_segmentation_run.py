"""Runs that outline lungs: what they need, what they write, and that they go on exactly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from accelerate.state import AcceleratorState
from PIL import Image

from configs.settings import SettingsError, load_settings
from joint.image_runs.prepare import PreparationError, prepare_images
from joint.image_runs.run import run_image_training
from joint.image_runs.segmentation import select_masks
from joint.image_runs.settings import ImageRunSettings
from joint.loop import Loop
from joint.train import describe_result, train
from tests.joint.class_corpora import QU_EX
from tests.vision.examples import draw_xray
from tests.vision.segmenters import SMALL, draw_lungs, save_pairs
from vision.segmentation.lung_masks import LungMasks
from vision.segmentation.mask_files import INSIDE
from vision.segmentation.segmenter import Segmenter

SPLITS = {"Train": 4, "Val": 2, "Test": 3}
TRAINED = f"{QU_EX}/Train/Normal/images/Normal (3).png"
TESTED = f"{QU_EX}/Test/Normal/images/Normal (2).png"
"""The same picture, saved anew in another split."""


@pytest.fixture(autouse=True)
def _fresh_launch():
    AcceleratorState._reset_state()
    yield
    AcceleratorState._reset_state()


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """COVID-QU-Ex with masks, one of them broken and one missing, and a folder of pairs."""
    folder = tmp_path_factory.mktemp("masks")
    place = 0
    for split, count in SPLITS.items():
        home = folder / "covid_qu_ex" / QU_EX / split / "Normal"
        for kind in ("images", "lung masks"):
            (home / kind).mkdir(parents=True)
        for number in range(count):
            place += 1
            pixels = draw_xray(place, height=64, width=64)
            Image.fromarray(pixels).save(home / "images" / f"Normal ({number}).png")
            mask = draw_lungs(height=32, width=32).astype(np.uint8) * 255
            Image.fromarray(mask).save(home / "lung masks" / f"Normal ({number}).png")
    train_masks = folder / "covid_qu_ex" / QU_EX / "Train" / "Normal" / "lung masks"
    (train_masks / "Normal (0).png").write_bytes(b"no mask")
    (train_masks / "Normal (1).png").unlink()
    with Image.open(folder / "covid_qu_ex" / TRAINED) as again:
        again.save(folder / "covid_qu_ex" / TESTED, compress_level=0)
    _, masks = save_pairs(folder / "pairs", 3)
    values = np.where(draw_lungs(), 255, 0).astype(np.uint8)
    values[:5] = 127
    Image.fromarray(values).save(masks[0])
    return folder


def load(corpora: Path, name: str = "run", **changes) -> ImageRunSettings:
    return load_settings(ImageRunSettings, Path("segment_lungs"), shrink(corpora, name, **changes))


def shrink(corpora: Path, name: str, **changes) -> list[str]:
    values = {
        "name": name,
        "out": corpora / "runs",
        "data.root": corpora / "covid_qu_ex",
        "data.work": corpora / "work",
        "data.workers": 1,
        "data.cache.size": 64,
        "task.network": SMALL.model_dump(mode="json"),
        "task.batch": 2,
        "loop.steps": 4,
        "loop.evaluate_every": 2,
        "loop.log_every": 1,
        "tracking.wandb": "disabled",
        "evaluation.resamples": 20,
    } | {key.replace("__", "."): value for key, value in changes.items()}
    return [f"{key}={json.dumps(value, default=str)}" for key, value in values.items()]


PAIRS = {"corpus": "image_masks", "masks": {"inside": [255], "unknown": [127]}}


@pytest.fixture(scope="module")
def finished(corpora):
    AcceleratorState._reset_state()
    external = [PAIRS | {"root": str(corpora / "pairs")}]
    return train(Path("segment_lungs"), shrink(corpora, "run", data__external=external))


def test_the_shipped_run_trains_when_made_tiny_and_prints_every_set(finished):
    lines = describe_result(finished)
    assert "test: 3 images of 3 patients" in lines
    assert "external: image_masks: 3 images of 3 patients" in lines
    assert any(line.strip().startswith("Dice") for line in lines)


def test_the_folder_is_complete_and_the_segmenter_loads_alone(finished):
    folder = finished.folder
    names = {file.name for file in folder.figures.iterdir()}
    assert names == {
        *("loss_curves.svg", "dice.svg", "gallery_test.png"),
        "gallery_external_image_masks.png",
    }
    segmenter = Segmenter.load(folder.model)
    assert segmenter.usual_share is not None
    assert segmenter.usual_share[0] == pytest.approx(0.28, abs=0.05)
    drawn = LungMasks.load(folder.model)(draw_xray(0, height=64, width=64)[np.newaxis])
    assert drawn.shape == (1, 64, 64)


def test_an_image_that_is_saved_anew_in_another_split_is_found(finished):
    facts = json.loads(finished.folder.card_facts.read_text())["trust"]
    verdicts = {check["name"]: check["verdict"] for check in facts}
    assert verdicts["Patients apart"] == "passed"
    assert verdicts["Images apart"] == "error"
    assert "0 are in more than one split byte for byte, 2 pixel for pixel" in facts[1]["found"]
    near = pd.read_csv(finished.folder.trust / "near_duplicates.csv")
    groups = near.set_index("path")["group"]
    assert groups[TRAINED] == groups[TESTED]
    assert "Images apart" in (finished.folder.trust / "README.md").read_text()


def test_the_card_and_the_predictions_say_the_same_and_name_no_place(finished, corpora):
    card = finished.folder.card.read_text(encoding="utf-8")
    assert "1 unreadable masks" in card
    assert "U-Net of segmentation-models-pytorch" in card
    assert str(corpora) not in card
    assert "Normal (" not in card
    table = pd.read_csv(finished.folder.predictions)
    assert table["split"].value_counts().to_dict() == {"test": 3, "external": 3, "validate": 2}
    facts = json.loads(finished.folder.card_facts.read_text())
    assert facts["counts"]["train"] == {"patients": 2, "images": 2}
    for split, name in (("test", "test"), ("external", "external: image_masks")):
        stated = facts["scores"][name]["metrics"]["dice"]["value"]
        assert stated == pytest.approx(table.loc[table["split"] == split, "dice"].mean(), abs=1e-5)
    left_out = pd.read_csv(finished.folder.left_out)
    assert f"{QU_EX}/Train/Normal/lung masks/Normal (0).png" in left_out["path"].tolist()


def test_a_stopped_run_goes_on_to_the_same_weights(corpora, monkeypatch):
    group = SMALL.model_copy(update={"norm": "group"}).model_dump(mode="json")
    whole = run_image_training(load(corpora, "whole", task__network=group))
    AcceleratorState._reset_state()
    take_step = Loop.take_step

    def stop_in_second(self, batch, place, **options):
        values = take_step(self, batch, place, **options)
        return values | {"stop": float(place.step == 1)}

    monkeypatch.setattr(Loop, "take_step", stop_in_second)
    stopped = run_image_training(load(corpora, "halves", task__network=group))
    assert stopped.lines is None
    monkeypatch.undo()
    AcceleratorState._reset_state()
    resumed = run_image_training(load(corpora, "halves", task__network=group))
    names = [
        folder / "segmenter.safetensors" for folder in (whole.folder.model, resumed.folder.model)
    ]
    assert names[0].read_bytes() == names[1].read_bytes()


def test_what_cannot_be_taught_is_refused_in_one_line(corpora):
    with pytest.raises(PreparationError, match=r"data\.cache\.size 72: expected a multiple of 32"):
        run_image_training(load(corpora, "odd", data__cache__size=72))
    with pytest.raises(SettingsError, match=r"task\.kind classification: expected segmentation"):
        load_settings(ImageRunSettings, Path("classify_kermany"), []).segmentation  # noqa: B018
    sources = [{"corpus": "image_folder", "root": str(corpora / "pairs" / "images")}]
    with pytest.raises(PreparationError, match="no image of image_folder has a mask"):
        run_image_training(load_sources(corpora, sources))


def load_sources(corpora: Path, sources: list[dict[str, str]]) -> ImageRunSettings:
    overrides = [o for o in shrink(corpora, "sources") if not o.startswith("data.root=")]
    chosen = [*overrides, f"data.sources={json.dumps(sources)}"]
    return load_settings(ImageRunSettings, Path("segment_lungs"), chosen)


def test_masks_of_chexmask_stand_for_mask_files(corpora, tmp_path):
    images, _ = save_pairs(tmp_path, 9)
    lines = ["Image Index,Dice RCA (Mean),Left Lung,Right Lung,Heart,Height,Width"]
    lines += [f"{image.name},0.9,1 600,5000 300,,90,120" for image in images[:-1]]
    (tmp_path / "masks.csv").write_text("\n".join([*lines, "case8.png,0.1,1 6,,,90,120"]) + "\n")
    source = {"corpus": "image_folder", "root": str(tmp_path / "images")}
    settings = load_sources(corpora, [source | {"chexmask": str(tmp_path / "masks.csv")}])
    chosen = select_masks(settings, prepare_images(settings.data))
    assert len(chosen.images) == 8
    assert chosen.left_out["without a mask"] == 1
    assert chosen.masks.read(np.arange(8)).astype(bool).any(axis=(1, 2)).all()


def test_two_folders_of_one_corpus_may_have_masks_of_different_values(corpora, tmp_path):
    images, masks = save_pairs(tmp_path / "graded", 3)
    for place, (image, mask) in enumerate(zip(images, masks, strict=True)):
        values = np.where(draw_lungs(), 2, 1).astype(np.uint8)
        values[:5] = 0
        Image.fromarray(values).save(mask.with_name(f"other{place}.png"))
        mask.unlink()
        image.rename(image.with_name(f"other{place}.png"))
    sources = [
        {"corpus": "image_masks", "root": str(tmp_path / "graded"), "masks": {"inside": [2]}},
        PAIRS | {"root": str(corpora / "pairs")},
    ]
    settings = load_sources(corpora, sources)
    chosen = select_masks(settings, prepare_images(settings.data))
    inside = chosen.masks.read(chosen.images["mask_row"].to_numpy()) == INSIDE
    assert len(inside) == 6
    assert (inside.mean(axis=(1, 2)) > 0.25).all()
