"""Classes: metrics against plain references, temperature, losses, and the saved classifier."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, precision_recall_fscore_support, roc_auc_score
from typer.testing import CliRunner

from tests.joint.tiny import TOWER, ArrayCache
from vision.calibration import CalibrationError
from vision.classification.calibration import fit_class_temperature
from vision.classification.classifier import Classifier
from vision.classification.figures import class_confusion, class_roc
from vision.classification.metrics import class_intervals, class_metrics, class_probabilities
from vision.classification.network import ClassifierNetwork
from vision.classification.task import (
    ClassificationData,
    ClassificationTask,
    ClassificationTaskSettings,
)
from vision.commands import app
from vision.framing import CacheSettings
from vision.gate import GateSettings
from vision.metrics import MetricsError
from vision.model_folder import ModelFolderError

CLASSES = ("bacterial", "viral", "normal")


@pytest.fixture(scope="module")
def scored():
    """Ninety images: three classes of uneven size, and probabilities that are often right."""
    generator = np.random.default_rng(0)
    labels = generator.choice(3, 90, p=[0.6, 0.3, 0.1])
    logits = generator.normal(size=(90, 3)) + 1.5 * np.eye(3)[labels]
    return class_probabilities(logits), labels


def test_metrics_are_those_of_scikit_learn(scored):
    probabilities, labels = scored
    found = class_metrics(probabilities, labels, CLASSES)
    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, _ = precision_recall_fscore_support(labels, predicted)
    for k, name in enumerate(CLASSES):
        assert found[f"precision of {name}"] == pytest.approx(precision[k])
        assert found[f"sensitivity of {name}"] == pytest.approx(recall[k])
        assert found[f"f1 of {name}"] == pytest.approx(f1[k])
        auc = roc_auc_score(labels == k, probabilities[:, k])
        assert found[f"auc of {name}"] == pytest.approx(auc)
        others = labels != k
        assert found[f"specificity of {name}"] == pytest.approx((predicted[others] != k).mean())
    assert found["macro_f1"] == pytest.approx(f1.mean())
    assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert found["accuracy"] == pytest.approx((predicted == labels).mean())
    brier = ((probabilities - np.eye(3)[labels]) ** 2).sum(axis=1).mean()
    assert found["brier"] == pytest.approx(brier)


def test_a_class_that_does_not_occur_has_no_sensitivity_and_does_not_count(scored):
    probabilities, labels = scored
    kept = labels != 2
    found = class_metrics(probabilities[kept], labels[kept], CLASSES)
    assert found["sensitivity of normal"] is found["f1 of normal"] is found["auc of normal"] is None
    expected = (found["f1 of bacterial"] + found["f1 of viral"]) / 2
    assert found["macro_f1"] == pytest.approx(expected)


def test_intervals_draw_patients_not_images(scored):
    probabilities, labels = scored
    one_each = class_intervals(probabilities, labels, CLASSES, range(90), seed=1, resamples=300)
    # Every image ten times under one patient says no more than the image once.
    often = np.repeat(np.arange(90), 10)
    copied = class_intervals(
        probabilities[often], labels[often], CLASSES, often.tolist(), seed=1, resamples=300
    )
    first, second = one_each["accuracy"], copied["accuracy"]
    assert (second.n, second.clusters) == (900, 90)
    assert second[:3] == pytest.approx(first[:3])
    assert first.low < first.value < first.high


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [([[0.5, 0.5, 0.0]], [3]), ([[0.5, 0.5]], [0]), ([[0.5, 0.5, 0.5]], [0])],
)
def test_what_is_no_distribution_over_the_classes_is_refused(probabilities, labels):
    with pytest.raises(MetricsError):
        class_metrics(probabilities, labels, CLASSES)


def test_a_known_temperature_is_found_again_and_a_perfect_set_stays_finite():
    generator = np.random.default_rng(3)
    logits = generator.normal(size=(20_000, 3), scale=2)
    drawn = generator.random((20_000, 1)) > class_probabilities(logits).cumsum(axis=1)
    labels = drawn[:, :2].sum(axis=1)
    assert fit_class_temperature(2.5 * logits, labels) == pytest.approx(2.5, rel=0.03)
    sure = 8 * np.eye(3)[np.arange(30) % 3]
    assert 0.1 < fit_class_temperature(sure, np.arange(30) % 3) <= 1.0
    with pytest.raises(CalibrationError, match="n at least 1"):
        fit_class_temperature(np.zeros((0, 3)), [])


def make_task(**changes) -> ClassificationTask:
    labels = np.array([0] * 12 + [1] * 4 + [2] * 4)
    pixels = np.full((20, 32, 32), 80, np.uint8) + labels[:, None, None].astype(np.uint8)
    pixels[:, :, :16] = 20
    data = ClassificationData(
        cache=ArrayCache(pixels),
        cache_rows=np.arange(20),
        labels=labels,
        train=np.arange(18),
        validate=np.array([18, 19]),
        study_hashes=[f"hash{row}" for row in range(20)],
    )
    values = {"encoder": TOWER.encoder, "classes": CLASSES, "batch": 6} | changes
    return ClassificationTask(
        ClassificationTaskSettings(kind="classification", **values), data, seed=5
    )


def test_an_epoch_deals_every_row_once_or_every_class_alike():
    plain = np.concatenate(make_task().plan_epoch(0))
    assert sorted(plain) == list(range(18))
    even = np.concatenate(make_task(balance="batches").plan_epoch(0))
    labels = make_task().data.labels[even]
    assert np.bincount(labels).tolist() == [12, 12, 12]
    assert set(even) == set(range(18))


def test_the_loss_weighs_each_class_alike():
    task = make_task(balance="loss")
    batch = {"labels": torch.tensor([0, 1, 2])}
    outputs = {"class_logits": torch.zeros(3, 3)}
    (loss,) = task.losses(outputs, batch, lambda rows: rows).values()
    # 12, 4 and 2 training images: weights 18 / (3 · n).
    assert loss.count == pytest.approx(0.5 + 1.5 + 3.0)
    assert loss.total / loss.count == pytest.approx(np.log(3))


def test_images_are_mirrored_only_where_it_is_asked_for():
    still = dict.fromkeys(("rotation_degrees", "shift", "scale", "gain", "gamma", "contrast"), 0.0)
    sides = []
    for flip in (False, True):
        task = make_task(flip=flip, augment=still)
        batch = task.prepare(task.load(np.arange(18), step=3))
        left, right = (
            batch["images"][..., :16].mean((1, 2, 3)),
            batch["images"][..., 16:].mean((1, 2, 3)),
        )
        sides.append(set((left < right).tolist()))
    assert sides == [{True}, {True, False}]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    torch.manual_seed(0)
    network = ClassifierNetwork(TOWER.encoder, 3).eval()
    classifier = Classifier(
        network,
        TOWER.encoder,
        CLASSES,
        CacheSettings(size=32),
        temperature=1.7,
        gate=GateSettings(),
        threads=1,
    )
    folder = tmp_path_factory.mktemp("model")
    classifier.save(folder)
    return classifier, folder


def test_a_loaded_classifier_says_the_same(saved):
    classifier, folder = saved
    pixels = np.random.default_rng(0).integers(0, 255, (3, 32, 32)).astype(np.uint8)
    loaded = Classifier.load(folder, threads=1)
    np.testing.assert_array_equal(loaded.probabilities(pixels), classifier.probabilities(pixels))
    assert loaded.probabilities(pixels[:0]).shape == (0, 3)
    assert {file.name for file in folder.iterdir()} == {
        "classifier.json",
        "classifier.safetensors",
    }


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": 9}, "schema version 9; this Kerley reads 1"),
        ({"classes": list(CLASSES[::-1])}, r"classifier.json: was changed since it was saved"),
        ({"temperature": 0.1}, r"classifier.json: was changed since it was saved"),
        ({"weights_sha256": "0" * 64}, "not the weights that classifier.json was written for"),
        ({"preprocessing_hash": "x"}, "prepared in another way"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_folder_that_does_not_belong_together_is_refused(saved, tmp_path, change, said):
    for file in saved[1].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    card = json.loads((tmp_path / "classifier.json").read_text()) | change
    (tmp_path / "classifier.json").write_text(json.dumps(card))
    with pytest.raises(ModelFolderError, match=said):
        Classifier.load(tmp_path)


def test_the_command_writes_one_row_per_image_whatever_it_is(saved, tmp_path):
    films = tmp_path / "films"
    films.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    Image.fromarray(noise).save(films / "noise.png")
    (films / "broken.png").write_bytes(b"no image")
    out = tmp_path / "classes.csv"
    given = ["classify", str(saved[1]), str(films), "--out", str(out), "--threads", "1"]
    said = CliRunner().invoke(app, given)
    assert said.exit_code == 0, said.output
    assert "2 images, 0 classified" in said.output
    rows = pd.read_csv(out).set_index("path")
    broken, grain = rows.loc[str(films / "broken.png")], rows.loc[str(films / "noise.png")]
    assert broken[["class", "p_viral"]].isna().all()
    assert broken["reason"].startswith("unreadable: ")
    assert grain["reason"].startswith("refused: ")
    assert grain[[f"p_{name}" for name in CLASSES]].sum() == pytest.approx(1.0)
    CliRunner().invoke(app, [*given, "--no-gate"])
    assert pd.read_csv(out)["abstain"].sum() == 1


def test_figures_name_the_classes(scored):
    probabilities, labels = scored
    confusion = class_confusion({"test": (labels, probabilities)}, CLASSES)
    assert [text.get_text() for text in confusion.axes[0].get_xticklabels()] == list(CLASSES)
    roc = class_roc(labels, probabilities, CLASSES, {})
    shown = [text.get_text() for text in roc.axes[0].get_legend().get_texts()]
    assert shown == list(CLASSES)


def test_a_test_set_of_one_class_has_no_curve_and_says_so(scored):
    probabilities, labels = scored
    roc = class_roc(np.zeros_like(labels), probabilities, CLASSES, {})
    (axes,) = roc.axes
    assert axes.get_legend() is None
    assert [text.get_text() for text in axes.texts] == ["one class alone: no curve"]
