"""The labeler in anyone's spaCy pipeline."""

from __future__ import annotations

from importlib import import_module

import pytest

spacy = pytest.importorskip("spacy")


@pytest.fixture(scope="module")
def nlp():
    import_module("text_labeler.component")  # registers the factory
    nlp = spacy.blank("en")
    nlp.add_pipe("kerley_labeler", config={"profile": "chexpert"})
    return nlp


def test_spans_and_labels_are_on_the_document(nlp):
    doc = nlp("No pleural effusion. Mild pulmonary edema.")
    assert doc._.kerley.labels["Edema"] == 1
    spans = {(span.text, span.label_) for span in doc.spans["kerley"]}
    assert ("pleural effusion", "Pleural Effusion:negative") in spans
    assert ("pulmonary edema", "Edema:positive") in spans


def test_pipe_and_disk(nlp, tmp_path):
    nlp.to_disk(tmp_path / "pipeline")
    again = spacy.load(tmp_path / "pipeline")
    docs = list(again.pipe(["Edema.", "Pneumothorax."]))
    assert docs[1]._.kerley.labels["Pneumothorax"] == 1
