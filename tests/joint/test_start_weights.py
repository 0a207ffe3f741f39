"""A second phase begins with the weights and the words of the first, and both are named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from data_cards.corpora import CORPORA
from joint.model import JointModelError
from joint.resuming.checkpoints import CheckpointError
from joint.resuming.start_weights import StartError
from joint.run import run_training
from joint.training.settings import hash_training
from tests.joint.test_run import change, tiny_run
from tests.joint.tiny import TEXT, joint_settings, tiny_joint_task
from tests.joint.tiny_corpus import TINY_CORPUS, write_tiny
from vision.batches import BatchSettings, Sources, plan_batches

JOINT = joint_settings().model_dump(mode="json")
STILL = {"learning_rate": 1e-12, "weight_decay": 0.0, "warmup_steps": 0}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    CORPORA["tiny"] = TINY_CORPUS
    yield write_tiny(tmp_path_factory.mktemp("start") / "corpus")
    del CORPORA["tiny"]


@pytest.fixture(scope="module")
def first(corpus, tmp_path_factory):
    settings = tiny_run(corpus, tmp_path_factory.mktemp("first"), task=JOINT, name="first")
    return run_training(settings).folder.path


def second_phase(corpus, out, first, **changes):
    start = {"run": str(first)}
    return tiny_run(corpus, out, task=JOINT, start=start, optimizer=STILL, seed=5, **changes)


def test_a_run_begins_where_the_other_ended(corpus, first, tmp_path):
    settings = second_phase(corpus, tmp_path, first)
    result = run_training(settings)
    before = load_file(first / "checkpoints" / "last" / "model.safetensors")
    after = load_file(result.folder.checkpoints / "last" / "model.safetensors")
    assert before.keys() == after.keys()
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, atol=1e-8, rtol=0)
    assert result.folder.tokenizer.read_text() == (first / "tokenizer.json").read_text()
    moved = Path(shutil.copytree(first, tmp_path / "moved"))
    elsewhere = second_phase(corpus, tmp_path, moved)
    assert hash_training(elsewhere) == hash_training(settings)
    weights = (moved / "checkpoints" / "last").resolve() / "model.safetensors"
    save_file({name: value + 1 for name, value in before.items()}, weights)
    with pytest.raises(CheckpointError, match="start"):
        run_training(elsewhere)


def test_weights_that_are_not_there_or_of_another_model_are_named(corpus, first, tmp_path):
    with pytest.raises(StartError, match=r"start\.run"):
        run_training(second_phase(corpus, tmp_path, tmp_path / "nowhere"))
    wider = joint_settings(embedding_width=12).model_dump(mode="json")
    settings = second_phase(corpus, tmp_path, first)
    other = tiny_run(corpus, tmp_path, task=wider, start=settings.start.model_dump(mode="json"))
    with pytest.raises(StartError, match=r"model\.safetensors: not this model's weights.*size"):
        run_training(other)


def test_a_norm_that_is_not_clipped_is_still_measured(corpus, tmp_path):
    settings = tiny_run(corpus, tmp_path / "a", task=JOINT)
    huge = run_training(change(settings, "loop", clip_norm=1e9))
    none = run_training(
        change(tiny_run(corpus, tmp_path / "b", task=JOINT), "loop", clip_norm=None)
    )
    files = [result.folder.checkpoints / "last" / "model.safetensors" for result in (huge, none)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert '"gradient_norm"' in none.folder.metrics.read_text()


def test_reports_may_be_read_by_a_pooler_and_meet_images_unprojected():
    pooled = TEXT.model_copy(update={"pooling": "pooler", "width": 16})
    task = tiny_joint_task(text=pooled)
    outputs = task.model(task.prepare(task.load(task.images.train[:4], step=0)))
    assert outputs["text_embeddings"].shape == (4, 8)
    names = {name for name, _ in task.model.text.named_parameters()}
    assert "network.pooler.dense.weight" in names
    with pytest.raises(JointModelError, match="image encoder has 10, the text encoder 16"):
        tiny_joint_task(embedding_width=None)
    same = tiny_joint_task(text=TEXT.model_copy(update={"width": 10}), embedding_width=None)
    outputs = same.model(same.prepare(same.load(same.images.train[:4], step=0)))
    assert outputs["image_embeddings"].shape == outputs["text_embeddings"].shape == (4, 10)


def test_a_labelled_share_of_one_deals_no_other_row():
    import numpy as np

    sources = Sources(np.arange(5), np.arange(0), np.arange(5, 40))
    batches = plan_batches(sources, BatchSettings(size=2, labelled_share=1), seed=0, epoch=0)
    assert sorted(np.concatenate(batches)) == [0, 1, 2, 3, 4]
