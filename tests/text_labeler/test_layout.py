"""Sections and sentences are found on characters, in every layout."""

from __future__ import annotations

import pytest

from text_labeler import Labeler
from text_labeler.rulebook import load_rulebook
from text_labeler.sections import SectionSplitter
from text_labeler.sentences import (
    SENTENCE_CHARACTERS,
    SentenceEnds,
    cut_pieces,
    cut_sentences,
    make_readable,
)


@pytest.fixture(scope="module")
def rules():
    return load_rulebook().sections


@pytest.mark.parametrize(
    ("text", "sections"),
    [
        ("The lungs are clear.", {"report": "The lungs are clear."}),
        ("FINDINGS: Clear. IMPRESSION: Normal.", {"findings": "Clear.", "impression": "Normal."}),
        (
            "Findings:\nClear.\nImpression:\nNormal.",
            {"findings": "Clear.", "impression": "Normal."},
        ),
        (
            "FINDINGS\nClear.\n\nIMPRESSION\nNormal.",
            {"findings": "Clear.", "impression": "Normal."},
        ),
        ("Comparison: None FINDINGS: Clear.", {"comparison": "None", "findings": "Clear."}),
        ("# Impression\nNormal.", {"impression": "Normal."}),
        ("FINDINGS: HEART: Normal.", {"findings": "HEART: Normal."}),
        (
            "REASON FOR EXAM: cough\nCONCLUSION: Normal.",
            {"indication": "cough", "impression": "Normal."},
        ),
        ("See these findings: none.", {"report": "See these findings: none."}),
        ("FINDINGS:\nIMPRESSION: Normal.", {"impression": "Normal."}),
        ("HISTORY: Cough.\nLungs: Clear.", {"indication": "Cough.", "findings": "Lungs: Clear."}),
        ("FINDINGS: Clear.\nHeart: Normal.", {"findings": "Clear.\nHeart: Normal."}),
        (
            "EXAM: CXR\nPOINTS OF NOTE: Clear.",
            {"technique": "CXR", "report": "POINTS OF NOTE: Clear."},
        ),
    ],
)
def test_sections(rules, text, sections):
    found = SectionSplitter(rules).split(text)
    assert {name: text[start:end].strip() for name, start, end in found} == sections


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("INDICATION: Pneumonia?\n\nNo effusion.", {"Pneumonia": None, "Pleural Effusion": 0}),
        ("INDICATION:\n\nPneumonia?\n\nNo effusion.", {"Pneumonia": None, "Pleural Effusion": 0}),
        ("INDICATION: Pneumonia?\nNo effusion.", {"Pneumonia": None, "Pleural Effusion": 0}),
        ("INDICATION: Pneumonia or\neffusion.", {"Pneumonia": None, "Pleural Effusion": None}),
        (
            "INDICATION: Pneumonia?\nEffusion.\nFINDINGS: Clear.",
            {"Pneumonia": None, "Pleural Effusion": None},
        ),
        ("IMPRESSION: Pneumonia.\n\nNo effusion.", {"Pneumonia": 1, "Pleural Effusion": 0}),
    ],
)
def test_a_blank_or_new_line_ends_what_asserts_nothing(text, labels):
    found = Labeler()(text).labels
    assert {name: found[name] for name in labels} == labels


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("No edema. Clear.", ["No edema.", "Clear."]),
        ("No edema.Clear", ["No edema.", "Clear"]),
        ("A 3.5 cm mass.", ["A 3.5 cm mass."]),
        ("Seen by Dr. Smith today.", ["Seen by Dr. Smith today."]),
        ("Edema vs. pneumonia.", ["Edema vs. pneumonia."]),
        ("No pleural\neffusion.", ["No pleural\neffusion."]),
        ("Heart normal\nLungs clear", ["Heart normal", "Lungs clear"]),
        ("Consolidation of the\nRight lung", ["Consolidation of the\nRight lung"]),
        ("1. Edema.\n2. Mass.", ["Edema.", "Mass."]),
        ("(1) Edema\n(2) mass", ["(1) Edema", "(2) mass"]),
        ("Edema\n- mass\n- nodule", ["Edema", "- mass", "- nodule"]),
        ("Pneumonia? No mass.", ["Pneumonia?", "No mass."]),
        ("Edema\r\n\r\nmass", ["Edema", "mass"]),
    ],
)
def test_sentences(rules, text, sentences):
    ends = SentenceEnds(rules)
    found = [""]
    for piece in cut_pieces(text):
        found[-1] += piece
        if not ends.goes_on(piece):
            found.append("")
    assert "".join(found) == text
    assert [sentence.strip() for sentence in found if any(map(str.isalpha, sentence))] == sentences


def test_a_text_without_ends_is_cut_between_words():
    text = "effusion " * 1000
    pieces = list(cut_sentences(text, 0, len(text)))
    assert max(end - start for start, end in pieces) <= SENTENCE_CHARACTERS
    assert "".join(text[start:end] for start, end in pieces) == text
    assert all(text[start:end].split(maxsplit=1)[0] == "effusion" for start, end in pieces)


@pytest.mark.parametrize(
    ("text", "lowered"),
    [
        ("No XXXX Edema", "no      edema"),
        ("___ edema", "    edema"),
        ("[**Name**] edema", "           edema"),
        ("air–space X-ray", "air space x ray"),
        ("can’t\u00a0see", "can't see"),
        ("a\0b", "a b"),
        ("\u0130X", "\u0130x"),
        ("mass - edema", "mass - edema"),
    ],
)
def test_readable_text_keeps_every_character_at_its_place(text, lowered):
    readable = make_readable(text)
    assert readable.lowered == lowered
    assert len(readable.cased) == len(readable.lowered) == len(text)
