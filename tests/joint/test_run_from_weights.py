"""A run whose encoder starts from a local file records which, and needs it no longer after."""

from __future__ import annotations

import pytest
import torchvision
from safetensors.torch import save_file

from configs.files import hash_file
from data_cards.corpora import CORPORA
from joint.resuming.checkpoints import CheckpointError
from joint.run import run_training
from joint.training.settings import hash_training
from tests.joint.test_run import GRADING, tiny_run
from tests.joint.tiny_corpus import TINY_CORPUS, write_tiny
from vision.grader import Grader

ARGUMENTS = {"growth_rate": 4, "block_config": [1, 1], "num_init_features": 8, "bn_size": 2}


@pytest.fixture
def corpus(tmp_path):
    CORPORA["tiny"] = TINY_CORPUS
    yield write_tiny(tmp_path / "corpus")
    del CORPORA["tiny"]


def task_from(path):
    weights = {"path": str(path), "mean": [0.5], "deviation": [0.25]}
    encoder = {
        **{"kind": "torchvision", "name": "DenseNet", "arguments": ARGUMENTS},
        "weights": weights,
    }
    return {**GRADING, "tower": {"encoder": encoder, "findings": ["Edema"]}}


def write_weights(path):
    state = torchvision.models.DenseNet(**ARGUMENTS).state_dict()
    state["features.conv0.weight"] = state["features.conv0.weight"][:, :1].contiguous()
    save_file(state, path)
    return path


def test_a_run_names_the_weights_it_started_from(corpus, tmp_path):
    path = write_weights(tmp_path / "start.safetensors")
    digest = hash_file(path)
    settings = tiny_run(corpus, tmp_path / "runs", task=task_from(path))
    result = run_training(settings)
    moved = path.rename(tmp_path / "moved.safetensors")
    grader = Grader.load(result.folder.path / "grader")
    assert grader.provenance["encoder_weights"] == digest
    card = (result.folder.path / "grader" / "grader.json").read_text(encoding="utf-8")
    assert path.name in card
    assert str(tmp_path) not in card
    elsewhere = tiny_run(corpus, tmp_path / "runs", task=task_from(moved))
    assert hash_training(elsewhere) == hash_training(settings)
    write_weights(moved)
    with pytest.raises(CheckpointError, match="encoder_weights"):
        run_training(elsewhere)
