"""Runs on images alone tell what they were made from, as severity's do."""

from __future__ import annotations

import json
import shutil
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from accelerate.state import AcceleratorState
from PIL import Image

from configs.settings import SettingsError
from data_cards.lineage import Lineage, LineageError
from data_cards.lineage_tables import AS_IT_WAS, NOT_FOUND
from joint.lineage.trace import find_lineage
from joint.tracking.artifacts import plan_lineage
from joint.tracking.sync import sync_run
from joint.train import train
from tests.joint.canary_run import ask, changed, flip_last, statuses_of
from tests.joint.class_corpora import QU_EX, draw, write_qu_ex
from tests.joint.test_tracking_lineage import PretendServer
from tests.joint.tiny import TOWER
from tests.vision.segmenters import SMALL
from vision.classification.classifier import Classifier

CLASSES = ["corpus listing", "corpus listing", "image cache", "run", "predictions", "model"]
MASKS = ["corpus listing", "image cache", "mask cache", "run", "predictions", "model"]
PATIENT = "person77"


@pytest.fixture(autouse=True)
def _fresh_launch():
    AcceleratorState._reset_state()
    yield
    AcceleratorState._reset_state()


def start(config: str, name: str, **changes) -> None:
    """Train a tiny run on the corpus of where we are."""
    values = {
        "name": name,
        "data.root": "corpus",
        "data.work": "work",
        "data.cache.size": 64,
        "task.batch": 4,
        "optimizer.warmup_steps": 0,
        "loop.steps": 2,
        "loop.evaluate_every": 2,
        "tracking.wandb": "disabled",
        "evaluation.resamples": 10,
        "evaluation.trust": False,
    } | {key.replace("__", "."): value for key, value in changes.items()}
    AcceleratorState._reset_state()
    train(Path(config), [f"{key}={json.dumps(value)}" for key, value in values.items()])


def tell_classes() -> None:
    external = [{"corpus": "image_folder", "root": "elsewhere"}]
    encoder = TOWER.encoder.model_dump(mode="json")
    start("classify_covid_qu_ex", "classes", task__encoder=encoder, data__external=external)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Where three runs were started: a classifier, a segmenter, and one that begins with it."""
    home = tmp_path_factory.mktemp("planted-home")
    write_qu_ex(home / "corpus", counts={"Train": 4, "Val": 2, "Test": 2})
    mask = np.zeros((48, 48), np.uint8)
    mask[10:40, 8:40] = 255
    for image in (home / "corpus" / QU_EX).glob("*/*/images/*.png"):
        file = image.parents[1] / "lung masks" / image.name
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(mask).save(file)
    for name in ("COVID-19", "Normal"):
        draw(home / "elsewhere" / name / f"{PATIENT}.png", 90, np.random.default_rng(0))
    with chdir(home):
        tell_classes()
        network = SMALL.model_dump(mode="json")
        start("segment_lungs", "lungs", task__network=network, tracking__wandb="offline")
        start("segment_lungs", "again", task__network=network, task__start="runs/lungs/model")
    return home


@pytest.mark.parametrize(("name", "kinds"), [("classes", CLASSES), ("lungs", MASKS)])
def test_the_way_from_corpora_to_the_model_is_whole(home, name, kinds):
    run = home / "runs" / name
    told = ask(run, "--check")
    assert (told.exit_code, told.stdout.count(AS_IT_WAS)) == (0, len(kinds))
    assert [node.kind for node in find_lineage(run).lineage.nodes] == kinds
    for given in (run / "model", run / "predictions.csv"):
        assert ask(given, "--check").stdout == told.stdout


FILES = {
    "image cache": ("classes", "*/shards/*"),
    "mask cache": ("lungs", "masks.npy"),
    "run": ("lungs", "settings.yaml"),
    "predictions": ("classes", ""),
    "model": ("lungs", "segmenter.safetensors"),
}
"""A run, and a file from where the thing of a kind lies."""


@pytest.mark.parametrize("kind", FILES)
def test_one_changed_byte_is_found(home, kind):
    name, pattern = FILES[kind]
    change = (lambda text: text.replace(b"seed: 0", b"seed: 1")) if kind == "run" else flip_last
    found = find_lineage(home / "runs" / name)
    (node,) = (node for node in found.lineage.nodes if node.kind == kind)
    place = found.places[node.hash]
    with changed(next(place.glob(pattern)) if pattern else place, change):
        told = ask(home / "runs" / name, "--check")
    assert told.exit_code == 1
    assert f"changed since: {kind} " in told.stderr


def test_a_corpus_that_grew_has_changed_wherever_it_came_in(home):
    more = home / "elsewhere" / "Normal" / "more.png"
    draw(more, 90, np.random.default_rng(1))
    told = ask(home / "runs" / "classes", "--check")
    more.unlink()
    assert (told.exit_code, told.stderr) == (1, "changed since: corpus listing image_folder\n")


def test_a_model_that_was_sent_carries_its_graph(home, tmp_path):
    sent = shutil.copytree(home / "runs" / "classes" / "model", tmp_path / "sent")
    statuses = statuses_of(sent)
    assert list(statuses) == list(dict.fromkeys(CLASSES))
    assert statuses.pop("model") == AS_IT_WAS
    assert set(statuses.values()) == {NOT_FOUND}
    for text in (
        (sent / "classifier.json").read_text(encoding="utf-8"),
        (home / "runs" / "classes" / "lineage.json").read_text(encoding="utf-8"),
    ):
        assert "image_folder" in text, "the test must read what was written"
        for secret in ("planted-home", str(home), PATIENT, "_Train_"):
            assert secret not in text
    Classifier.load(sent).save(tmp_path / "saved")
    again, before = (find_lineage(folder).lineage for folder in (tmp_path / "saved", sent))
    assert again.graph_hash == before.graph_hash


def test_a_segmenter_that_began_with_another_tells_of_both_runs(home):
    nodes = find_lineage(home / "runs" / "again").lineage.nodes
    runs = [node for node in nodes if node.kind == "run"]
    models = [node for node in nodes if node.kind == "model"]
    assert [node.name for node in runs] == ["lungs", "again"]
    assert models[0].hash in runs[1].parents
    assert set(models[1].parents) == {runs[1].hash, nodes[-2].hash}
    told = ask(home / "runs" / "again", "--check")
    assert told.exit_code == 0
    assert NOT_FOUND in told.stdout, "where the first run lies is not recorded"


def test_a_second_start_keeps_the_lineage_and_external_images_may_change(home):
    file = home / "runs" / "classes" / "lineage.json"
    before = file.read_bytes()
    with chdir(home):
        tell_classes()
        assert file.read_bytes() == before
        more = home / "elsewhere" / "Normal" / "more.png"
        draw(more, 90, np.random.default_rng(1))
        tell_classes()
    assert ask(home / "runs" / "classes", "--check").exit_code == 0
    told = {n.kind: n for n in Lineage.model_validate_json(file.read_bytes()).nodes}
    first = {n.kind: n for n in Lineage.model_validate_json(before).nodes}
    assert told["run"].hash == first["run"].hash
    assert told["image cache"].hash != first["image cache"].hash
    more.unlink()
    with chdir(home):
        tell_classes()


def test_a_server_is_told_makers_before_users_and_nothing_is_uploaded(home):
    run = home / "runs" / "lungs"
    steps = plan_lineage(find_lineage(run).lineage)
    assert [(step.job, [card.kind for card in step.makes]) for step in steps] == [
        ("cache", ["image cache"]),
        ("cache", ["mask cache"]),
        ("train", ["predictions", "model"]),
    ]
    staged = {file.parent.name: file for file in run.glob("wandb/upload/*/*")}
    assert set(staged) == {"predictions", "model"}
    assert [each["kind"] for each in json.loads(staged["model"].read_text())["chain"]] == MASKS[:-1]
    server = PretendServer()
    assert sync_run(run, server) == (1, 3)
    with chdir(home), pytest.raises(SettingsError, match=r"tracking.*only numbers leave"):
        start("segment_lungs", "sent", tracking__upload=["predictions"])


def test_a_run_from_before_is_refused_in_one_line(home, tmp_path):
    old = shutil.copytree(home / "runs" / "classes", tmp_path / "old")
    (old / "lineage.json").unlink()
    with pytest.raises(LineageError, match="older than it"):
        ask(old)
    replace(Classifier.load(old / "model"), lineage=None).save(old / "model")
    with pytest.raises(LineageError, match="older than lineages"):
        ask(old / "model")
