"""Accuracy on the real reports of Open-i, with floors that a change must not fall under."""

from __future__ import annotations

import pytest

from data_cards.corpora import find_corpus
from data_cards.label_table import read_label_table
from text_labeler.gold import read_gold
from text_labeler.mining import mine
from text_labeler.score_command import SHARED_CLASSES
from text_labeler.score_levels import score_severity
from text_labeler.scoring import score_findings


@pytest.fixture(scope="module")
def openi(shared_data, tmp_path_factory):
    out = tmp_path_factory.mktemp("openi") / "labels.parquet"
    root = shared_data / "openi"
    mine(find_corpus("openi").read(root), out, profile="chestxray14")
    return root, read_label_table(out)


def test_findings_on_open_i(openi):
    root, labels = openi
    scores = score_findings(labels, read_gold(root / "gold_findings.csv").findings)
    shared = scores.only(SHARED_CLASSES)
    assert shared.micro.f1 >= 0.93
    assert shared.macro_f1 >= 0.87
    assert scores.micro.f1 >= 0.88


def test_severity_on_open_i(openi):
    root, labels = openi
    scores = score_severity(labels, read_gold(root / "gold_edema_mesh.csv").severity)
    assert scores.coverage >= 0.9
    assert scores.accuracy >= 0.85
    assert scores.unleveled["not coded"][0] >= 48  # these reports deny edema
