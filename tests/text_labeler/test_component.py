"""The labeler in anyone's spaCy pipeline."""

from __future__ import annotations

import pickle
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from text_labeler import Labeler
from text_labeler.rule_files import RuleError

ROOT = Path(__file__).parents[2]
REPORTS = ["No pleural effusion. Mild pulmonary edema.", "Soggy lungs.", "", "Pneumothorax?"]


@pytest.fixture(scope="module", autouse=True)
def component():
    return import_module("text_labeler.component")  # registers the factory


@pytest.fixture(scope="module")
def nlp(component):
    nlp = spacy.blank("en")
    nlp.add_pipe("kerley_labeler")
    return nlp


@pytest.fixture
def own_rules(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "findings.yaml").write_text("concepts: {pulmonary_edema: {phrases: [soggy lungs]}}")
    return folder


@pytest.fixture
def own_nlp(own_rules):
    nlp = spacy.blank("en")
    nlp.add_pipe("kerley_labeler", config={"profile": "severity", "rules": str(own_rules)})
    return nlp


def test_spans_and_labels_are_on_the_document(nlp):
    doc = nlp(REPORTS[0])
    assert doc._.kerley == Labeler()(REPORTS[0])
    spans = [(span.text, span.label_, span.id_) for span in doc.spans["kerley"]]
    assert ("pleural effusion", "Pleural Effusion:negative", "pleural_effusion+no") in spans
    assert ("pulmonary edema", "Edema:positive", "pulmonary_edema") in spans
    assert len(spans) == len(doc._.kerley.evidence)


def test_spans_hold_their_evidence_where_tokens_are_wider(nlp):
    doc = nlp("FINDINGS:\r\nair-space/edema,no effusion…Kerley B-lines\u00a0seen")
    assert doc.spans["kerley"]
    for span, piece in zip(doc.spans["kerley"], doc._.kerley.evidence, strict=True):
        assert span.start_char <= piece.start < piece.end <= span.end_char
        assert span.label_ == f"{piece.finding}:{piece.assertion}"


def test_a_document_that_was_not_labelled_says_nothing(nlp):
    assert nlp.make_doc("Edema.")._.kerley is None


def _save_to_disk(nlp, folder):
    nlp.to_disk(folder / "pipeline")
    return lambda: spacy.load(folder / "pipeline")


def _save_to_bytes(nlp, folder):
    data, config = nlp.to_bytes(), nlp.config
    return lambda: spacy.blank("en").from_config(config).from_bytes(data)


def _save_to_pickle(nlp, folder):
    data = pickle.dumps(nlp)
    return lambda: pickle.loads(data)


@pytest.mark.parametrize("save", [_save_to_disk, _save_to_bytes, _save_to_pickle])
def test_a_saved_pipeline_keeps_profile_and_rules(own_nlp, own_rules, tmp_path, save):
    before = [doc._.kerley for doc in own_nlp.pipe(REPORTS)]
    assert before[1].labels["Edema"] == 1
    load = save(own_nlp, tmp_path)
    shutil.rmtree(own_rules)  # as on another machine
    loaded = load()
    assert [doc._.kerley for doc in loaded.pipe(REPORTS)] == before
    assert loaded.get_pipe("kerley_labeler").labeler.profile.name == "severity"


def test_saving_over_a_pipeline_leaves_no_rules_behind(own_nlp, nlp, tmp_path):
    own_nlp.to_disk(tmp_path / "pipeline")
    nlp.to_disk(tmp_path / "pipeline")
    (doc,) = spacy.load(tmp_path / "pipeline").pipe(["Soggy lungs."])
    assert doc._.kerley.labels["Edema"] is None


def test_other_rules_than_those_saved_are_told(component, caplog):
    state = component.KerleyComponent().to_bytes()
    changed = re.sub(rb'"rules_hash": "[0-9a-f]+"', b'"rules_hash": "0123456789abcdef"', state)
    component.KerleyComponent().from_bytes(state)
    assert caplog.messages == []
    component.KerleyComponent().from_bytes(changed)
    assert "saved with other rules (0123456789ab)" in caplog.text


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_two_processes_find_the_same(nlp):
    alone = [doc._.kerley for doc in nlp.pipe(REPORTS)]
    docs = list(nlp.pipe(REPORTS, n_process=2, batch_size=2))
    assert [doc._.kerley for doc in docs] == alone
    assert docs[0].spans["kerley"][0].label_ == "Pleural Effusion:negative"


@pytest.mark.parametrize(
    "copy",
    [
        lambda doc, vocab: Doc(vocab).from_bytes(doc.to_bytes()),
        lambda doc, vocab: next(
            DocBin().from_bytes(DocBin(store_user_data=True, docs=[doc]).to_bytes()).get_docs(vocab)
        ),
        lambda doc, vocab: pickle.loads(pickle.dumps(doc)),
    ],
    ids=["bytes", "DocBin", "pickle"],
)
@pytest.mark.parametrize("report", REPORTS)
def test_labels_are_saved_with_their_document(nlp, report, copy):
    doc = nlp(report)
    again = copy(doc, spacy.blank("en").vocab)
    assert again._.kerley == doc._.kerley
    assert [(span.text, span.label_, span.id_) for span in again.spans["kerley"]] == [
        (span.text, span.label_, span.id_) for span in doc.spans["kerley"]
    ]


def test_an_unknown_profile_is_refused_at_once():
    with pytest.raises(RuleError, match="'nih': no such profile"):
        spacy.blank("en").add_pipe("kerley_labeler", config={"profile": "nih"})


def test_faulty_rules_are_named_with_the_first_document(own_rules):
    (own_rules / "cues.yaml").write_text("cues:\n  no: {looks: up}\n")
    nlp = spacy.blank("en")
    nlp.add_pipe("kerley_labeler", config={"rules": str(own_rules)})
    with pytest.raises(RuleError, match=r"cues\.yaml, line 2"):
        nlp("Edema.")
    with pytest.raises(RuleError, match=r"cues\.yaml, line 2"):
        nlp.to_bytes()


def test_a_folder_that_holds_no_component_is_refused(component, tmp_path):
    with pytest.raises(RuleError, match=r"settings\.json: cannot be read"):
        component.KerleyComponent().from_disk(tmp_path)


def test_the_code_of_its_page_runs(tmp_path):
    page = (ROOT / "docs" / "spacy.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    shown = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    expected = re.findall(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert shown == "".join(expected)
