"""Every label can be asked why, and the answer stands at that place in the raw report."""

from __future__ import annotations

import random

import pytest

from tests.text_labeler.cases import TEXTS
from text_labeler import Labeler
from text_labeler.highlight import highlight
from text_labeler.labeler import LABELED_CHARACTERS, Evidence

SEPARATORS = [
    " ",
    "\n",
    "\r\n",
    "\n\n",
    "  XXXX ",
    " ___ ",
    "\t",
    " – ",
    "\u00a0",
    "\n1. ",
    " \u2028",
]


@pytest.fixture(scope="module")
def labeler() -> Labeler:
    return Labeler("chexpert")


def test_words_and_cue_stand_at_their_offsets(labeler):
    report = "IMPRESSION:\r\n  No XXXX pleural effusion; heart size is — ___ normal."
    cut = {
        (piece.finding, report[piece.start : piece.end], report[piece.cue_start : piece.cue_end])
        for piece in labeler(report).evidence
    }
    assert cut == {
        ("Pleural Effusion", "pleural effusion", "No"),
        ("Cardiomegaly", "heart size", "normal"),
    }


def test_offsets_hold_in_random_layouts(labeler):
    rng = random.Random(7)
    pieces = 0
    for _ in range(200):
        texts = rng.sample(TEXTS, 5)
        report = "FINDINGS: " + "".join(text + rng.choice(SEPARATORS) for text in texts)
        result = labeler(report)
        pieces += len(result.evidence)
        for piece in result.evidence:
            words = report[piece.start : piece.end]
            assert words == words.strip()
            assert words[0].isalnum()
            assert words[-1].isalnum()
            assert 0 <= piece.start < piece.end <= len(report)
            if piece.cue_start is not None:
                cue = report[piece.cue_start : piece.cue_end]
                assert cue == cue.strip() != ""
    assert pieces > 1000


def test_words_of_a_mention_name_its_finding_when_alone(labeler):
    for text in TEXTS:
        for piece in labeler(text).evidence:
            words = text[piece.start : piece.end].lower()
            if "+" not in piece.rule and piece.finding != "Edema Severity":
                assert any(again.finding == piece.finding for again in labeler(words).evidence)


def test_every_label_has_evidence(labeler):
    for text in TEXTS:
        result = labeler(text)
        findings = {piece.finding for piece in result.evidence}
        said = {name for name, code in result.labels.items() if code is not None}
        assert said - {"No Finding"} <= findings
        assert (result.severity is not None) == ("Edema Severity" in findings)


def test_change_and_grade_are_kept(labeler):
    piece = labeler("Mild pulmonary edema has improved.").evidence[0]
    assert (piece.grade, piece.change) == ("mild", "better")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\0\0\0",
        "No\0effusion",
        "\ud800 effusion",
        "XXXX",
        "____" * 1000,
        "İ effusion ß ﬁ",
        "[**" * 5000,
        "((((" * 5000,
        "...." * 5000,
        "\n" * 20000,
        "FINDINGS:" * 5000,
        "no " * 20000,
        "effusion or " * 5000,
        "a" * 100_000,
        "?" * 20000,
        " :" * 20000,
    ],
    ids=lambda text: repr(text[:8]),
)
def test_hostile_text_gives_a_result(labeler, text):
    result = labeler(text)
    assert not result.truncated
    for piece in result.evidence:
        assert piece.end <= len(text)


def test_text_of_no_words_says_nothing(labeler):
    for text in ("", "\0", "___", "1. 2. 3."):
        result = labeler(text)
        assert set(result.labels.values()) == {None}
        assert result.severity is None


def test_very_long_report_is_read_to_the_limit(labeler):
    sentence = "No pleural effusion. "
    report = sentence * (LABELED_CHARACTERS // len(sentence) + 1) + "Pneumonia."
    result = labeler(report)
    assert result.truncated
    assert result.labels["Pleural Effusion"] == 0
    assert result.labels["Pneumonia"] is None
    assert all(piece.end <= LABELED_CHARACTERS for piece in result.evidence)


def _evidence(start, end, assertion="positive", cue=(None, None), finding="Edema"):
    return Evidence(finding, "report", start, end, assertion, "edema", *cue)


def test_highlight_escapes_the_report():
    html = highlight("<b>&edema</b>", [_evidence(4, 9)])
    expected = '<mark class="positive" title="Edema · positive · edema">edema</mark>'
    assert html == f"&lt;b&gt;&amp;{expected}&lt;/b&gt;"


def test_highlight_escapes_titles():
    assert 'title="&quot;&gt;' in highlight("edema", [_evidence(0, 5, finding='">')])


def test_highlight_cuts_overlapping_words():
    html = highlight("mild edema here", [_evidence(0, 10), _evidence(5, 15, "negative")])
    assert html.count("<mark") == 3
    assert '; Edema · negative · edema">edema</mark>' in html


def test_highlight_marks_cues_and_keeps_all_text():
    html = highlight("No edema.", [_evidence(3, 8, "negative", (0, 2))])
    assert html.startswith('<mark class="cue"')
    assert html.endswith("edema</mark>.")


def test_highlight_of_half_a_character():
    assert highlight("\ud800<", []) == "?&lt;"


def test_pipe_streams(labeler):
    reports = iter(["Edema.", "No edema."])
    results = labeler.pipe(reports)
    assert next(results).labels["Edema"] == 1
    assert next(reports) == "No edema."
