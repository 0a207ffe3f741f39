"""Runs on images alone: their folder, exact resume, what they refuse, and what they print."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from accelerate.state import AcceleratorState
from safetensors.numpy import load_file

from configs.settings import CONFIG_FOLDER, SettingsError, load_settings, peek_setting
from data_cards.study import CorpusError
from joint.evaluation.controls import ControlError
from joint.image_runs.prepare import PreparationError, prepare_images
from joint.image_runs.run import KINDS, run_image_training
from joint.image_runs.settings import CorpusSource, ImageDataSettings, ImageRunSettings
from joint.loop import Loop
from joint.metrics_log import MetricsLog
from joint.run_folder import RunFolder, RunFolderError
from joint.train import describe_result, train
from joint.training.settings import IMAGE_TASKS
from tests.data_cards.test_radiography import write_book
from tests.joint.class_corpora import draw, write_kermany, write_qu_ex
from tests.joint.tiny import TOWER

CLASS_RUNS = ["classify_covid_qu_ex", "classify_kermany"]


@pytest.fixture(autouse=True)
def _fresh_launch():
    AcceleratorState._reset_state()
    yield
    AcceleratorState._reset_state()


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora")
    write_qu_ex(folder / "covid_qu_ex", counts={"Train": 8, "Val": 4, "Test": 5})
    broken = folder / "covid_qu_ex" / "Lung Segmentation Data" / "Lung Segmentation Data"
    (broken / "Test" / "Normal" / "images" / "normal_broken.png").write_bytes(b"no image")
    return {
        "classify_kermany": write_kermany(folder / "kermany"),
        "classify_covid_qu_ex": folder / "covid_qu_ex",
    }


def shrink(root: Path, **changes) -> list[str]:
    """Overrides that make a shipped run tiny; changes: others, dots as two underscores."""
    values = {
        "out": root.parent / "runs",
        "data.root": root,
        "data.work": root.parent / "work",
        "data.cache.size": 32,
        "task.encoder": TOWER.encoder.model_dump(mode="json"),
        "task.batch": 8,
        "optimizer.warmup_steps": 1,
        "loop.steps": 4,
        "loop.evaluate_every": 2,
        "loop.log_every": 1,
        "loop.checkpoint_every": 2,
        "tracking.wandb": "disabled",
        "evaluation.resamples": 20,
    }
    values |= {key.replace("__", "."): value for key, value in changes.items()}
    return [f"{key}={json.dumps(value, default=str)}" for key, value in values.items()]


def load(run: str, roots, **changes) -> ImageRunSettings:
    return load_settings(ImageRunSettings, Path(run), shrink(roots[run], **changes))


@pytest.fixture(scope="module")
def finished(roots):
    AcceleratorState._reset_state()
    return run_image_training(load("classify_covid_qu_ex", roots))


def test_every_shipped_image_run_has_a_kind_that_runs_it():
    kinds = {peek_setting(file, (), "task.kind") for file in CONFIG_FOLDER.glob("*.yaml")}
    assert set(KINDS) == IMAGE_TASKS <= kinds


@pytest.mark.parametrize("name", CLASS_RUNS)
def test_the_shipped_runs_train_when_made_tiny(name, roots):
    result = train(Path(name), shrink(roots[name], name=f"tiny_{name}"))
    lines = describe_result(result)
    assert lines[0].endswith("4 steps, best at step 2") or "best at step 4" in lines[0]
    assert any(line.startswith("test: ") for line in lines)
    assert any(line.startswith("trust report, ") for line in lines)


def test_a_run_folder_is_complete(finished):
    folder = finished.folder
    written = {path.name for path in folder.path.iterdir()}
    expected = {"settings.yaml", "checkpoints", "metrics.jsonl", "predictions.csv", "figures"}
    assert expected | {"README.md", "card.json", "model", "left_out.csv"} <= written
    assert {path.name for path in folder.model.iterdir()} == {
        "classifier.json",
        "classifier.safetensors",
    }
    assert {file.stem for file in folder.figures.iterdir()} == {"learning", "confusion", "roc"}


def test_predictions_name_files_under_the_root_and_agree_with_the_card(finished):
    table = pd.read_csv(finished.folder.predictions)
    test = table[table["split"] == "test"]
    assert (len(test), set(table["split"])) == (15, {"validate", "test"})
    assert test["path"].str.startswith("Lung Segmentation Data/").all()
    np.testing.assert_allclose(table.filter(like="p_").sum(axis=1), 1.0, atol=1e-5)
    facts = json.loads(finished.folder.card_facts.read_text())
    stated = facts["scores"]["test"]["metrics"]["accuracy"]
    assert stated["value"] == pytest.approx((test["class"] == test["predicted"]).mean())
    assert stated["low"] <= stated["value"] <= stated["high"]


def test_the_card_says_what_was_left_out_and_names_no_place(finished, roots):
    card = finished.folder.card.read_text(encoding="utf-8")
    assert "1 unreadable images" in card
    assert "COVID-19" in card
    assert str(roots["classify_covid_qu_ex"].parent) not in card
    assert "normal_broken.png" in finished.folder.left_out.read_text()


def test_an_interrupted_run_ends_as_an_uninterrupted_one(finished, roots, monkeypatch):
    settings = load("classify_covid_qu_ex", roots, name="resumed")
    steps = []
    take = Loop.take_step

    def stop_after_two(self, batch, place, *, stop_requested=False):
        steps.append(place.step)
        return take(self, batch, place, stop_requested=stop_requested or len(steps) == 3)

    monkeypatch.setattr(Loop, "take_step", stop_after_two)
    first = run_image_training(settings)
    assert (first.lines, first.report.progress.step) == (None, 3)
    AcceleratorState._reset_state()
    second = run_image_training(settings)
    assert steps == [0, 1, 2, 3]
    name = "classifier.safetensors"
    whole, again = (load_file(r.folder.model / name) for r in (finished, second))
    assert all(np.array_equal(whole[key], again[key]) for key in whole)
    rows = [list(MetricsLog(r.folder.metrics).rows("validate")) for r in (finished, second)]
    assert rows[0] == rows[1]


def test_a_folder_with_another_run_is_refused(finished, roots):
    other = load("classify_covid_qu_ex", roots, task__batch=4)
    with pytest.raises(RunFolderError, match=r"task\.batch 8 → 4"):
        run_image_training(other)


def test_what_takes_severity_alone_refuses_it_in_one_line(finished):
    with pytest.raises(SettingsError, match=r"a run of task\.kind classification"):
        RunFolder(finished.folder.path).read_settings()
    with pytest.raises(ControlError, match="has no report"):
        train(finished.folder.settings_file, [], control="image_only")


def test_the_written_settings_run_again(finished):
    AcceleratorState._reset_state()
    again = train(finished.folder.settings_file, [])
    assert again.report.samples == 0
    assert again.lines == finished.lines


def test_kermany_is_validated_on_other_patients_and_tested_on_its_own_folder(roots):
    settings = load("classify_kermany", roots)
    prepared = prepare_images(settings.data)
    images = prepared.images
    assert len(prepared.rows("test")) == 18
    assert images.loc[images["split"] == "test", "study_id"].str.startswith("test/").all()
    assert len(prepared.rows("validate")) >= 3
    assert images.groupby("patient_id")["split"].nunique().eq(1).all()
    assert set(images[["width", "height", "bits"]].stack()) == {48, 8}


def test_two_corpora_train_together_and_a_third_only_tests(roots, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    for level, name in enumerate(("COVID", "Normal")):
        for number in range(4):
            draw(
                elsewhere / name / f"{number}.png", 40 + 140 * level, np.random.default_rng(number)
            )
    sources = [
        {"corpus": "covid_qu_ex", "root": roots["classify_covid_qu_ex"]},
        {"corpus": "kermany", "root": roots["classify_kermany"]},
    ]
    given = shrink(tmp_path / "corpus", name="joined", data__sources=sources)
    external = [{"corpus": "image_folder", "root": elsewhere}]
    given = [text for text in given if not text.startswith("data.root")]
    given.append(f"data.external={json.dumps(external, default=str)}")
    given.append("task.also_called={COVID: COVID-19, normal: Normal, viral: Non-COVID}")
    result = train(Path("classify_covid_qu_ex"), given)
    facts = json.loads(result.folder.card_facts.read_text())
    assert facts["counts"]["external"]["images"] == 8
    assert facts["left_out"]["images of other classes"] == 19  # Kermany's bacterial ones
    assert set(facts["scores"]) == {"test", "external: image_folder"}
    assert set(pd.read_csv(result.folder.predictions)["source"]) == {
        "covid_qu_ex",
        "kermany",
        "image_folder",
    }


BAD = {
    "a class without training images": (
        {"task__classes": ["COVID-19", "Tuberculosis"], "task__also_called": {}},
        PreparationError,
        r"no training image of Tuberculosis; the corpus calls its classes COVID-19, Non-COVID",
    ),
    "one class only": ({"task__classes": ["Normal"]}, SettingsError, r"task\.classification"),
    "a missing root": ({"data__root": "nowhere"}, CorpusError, "nowhere: the root of corpus"),
    "an unknown corpus": ({"data__corpus": "covid"}, SettingsError, "no such corpus"),
    "a root of several sources": (
        {"data__sources": [{"corpus": "kermany", "root": "a"}, {"corpus": "openi", "root": "b"}]},
        SettingsError,
        "beside 2 sources",
    ),
}


@pytest.mark.parametrize(("changes", "error", "said"), BAD.values(), ids=BAD.keys())
def test_data_that_cannot_be_trained_on_is_refused_in_one_line(changes, error, said, roots):
    with pytest.raises(error, match=said):
        run_image_training(load("classify_covid_qu_ex", roots, name="bad", **changes))


def test_a_corpus_without_a_test_image_is_refused(tmp_path):
    root = write_qu_ex(tmp_path / "covid_qu_ex", counts={"Train": 4, "Val": 2, "Test": 1})
    for file in root.rglob("Test/*/images/*.png"):
        file.write_bytes(b"no image")
    with pytest.raises(PreparationError, match=r"no image of task\.classes in the split 'test'"):
        run_image_training(load("classify_covid_qu_ex", {"classify_covid_qu_ex": root}))


def test_the_source_of_an_image_is_where_its_corpus_took_it_from(tmp_path):
    generator = np.random.default_rng(0)
    for name, url in {"COVID": "https://www.eurorad.org/case/1", "Normal": ""}.items():
        for number in range(1, 5):
            draw(tmp_path / "in" / name / "images" / f"{name}-{number}.png", 90, generator)
        rows = [(f"{name}-{number}", "PNG", "", url) for number in range(1, 5)]
        write_book(tmp_path / "in" / f"{name}.metadata.xlsx", rows)
    sources = (CorpusSource(corpus="radiography", root=tmp_path / "in"),)
    images = prepare_images(ImageDataSettings(sources=sources, work=tmp_path / "work")).images
    assert images.groupby("class_name")["source"].unique().str.join(",").to_dict() == {
        "COVID": "radiography/eurorad.org",
        "Normal": "radiography",
    }
    assert set(images["corpus"]) == {"radiography"}
