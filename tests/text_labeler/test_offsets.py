"""Every piece of evidence stands at its exact characters, in random reports of every layout.

Reports are put together from headings, phrases of the rules, cues and what stands between words in
real reports: broken lines, CRLF, tabs, placeholders, dashes, and characters beyond ASCII.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_left
from pathlib import Path
from random import Random
from tempfile import gettempdir

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from text_labeler import Labeler
from text_labeler.explain import Explainer
from text_labeler.highlight import cut_at_marks, highlight, make_visible
from text_labeler.phrases import expand_phrase, split_words
from text_labeler.rule_files import read_rule_file
from text_labeler.rulebook import RULES_FOLDER, load_rulebook
from text_labeler.sentences import make_readable

set_hypothesis_home_dir(Path(gettempdir()) / "kerley-hypothesis")  # not in the tree
quick = settings(derandomize=True, database=None, deadline=None, max_examples=300)

BOOK = load_rulebook()
FILES = {
    name: read_rule_file(RULES_FOLDER / f"{name}.yaml").values
    for name in ("findings", "structures", "cues", "severity", "sections")
}


def _list_phrases(groups):
    """The phrases of all rules of one kind, written out."""
    return tuple(
        written
        for group in groups.values()
        for phrase in (group["phrases"] if isinstance(group, dict) else group)
        for written in expand_phrase(phrase)
    )


CONCEPTS = _list_phrases(FILES["findings"]["concepts"])
STRUCTURES = _list_phrases(FILES["structures"]["structures"])
PREDICATES = _list_phrases(FILES["structures"]["predicates"])
CUES = _list_phrases(FILES["cues"]["cues"])
HEADINGS = _list_phrases(FILES["sections"]["sections"])
GRADES = _list_phrases(FILES["severity"]["grades"])
OTHER_WORDS = (
    *("the", "is", "there is", "and", "or", "with", "but", "in the left lower lobe", "of", "lung"),
    *("2.5", "Dr.", "vs.", "XXXX", "___", "[**Name**]", "(", ")", '"', "/", "&", "<b>", "x-ray"),
    *("œdème", "naïve", "e\u0301", "İ", "ß", "\U0001f600", "\ud800", "\u200b", "\0", "\x1b"),
)
GAPS = (" ",) * 9 + ("\n", "\r\n", "  ", "\t", "\u00a0", "\n  ", "-", "–", ", ")
ENDS = (".", ".", ". ", ".\n", ".\r\n", "\n\n", "\r\n\r\n", "?", ";", "\n1. ", "\n- ")
BREAKS = ("", " ", "\n", "\n\n", "\r\n", "\r\n\r\n", "\t")
LAYOUTS = ("", "{}: ", "{}:\n", "{}:\r\n", "{}\n", "# {}\n", "**{}:** ", "{} :", "1. {}: ")
CASES = (str, str, str.capitalize, str.upper)


def _write_words(random):
    kind = random.randrange(5)
    if kind == 0:
        return f"{random.choice(STRUCTURES)} is {random.choice(PREDICATES)}"
    return random.choice((CONCEPTS, CUES, (*GRADES, *OTHER_WORDS), CONCEPTS)[kind - 1])


def _write_sentence(seed):
    random = Random(seed)
    words = [random.choice(CASES)(_write_words(random)) for _ in range(random.randrange(1, 7))]
    text = words[0] + "".join(random.choice(GAPS) + word for word in words[1:])
    return re.sub(
        " ", lambda _: random.choice(("\n", "\r\n", "\t", *" " * 27)), text
    ) + random.choice(ENDS)


def _write_heading(seed):
    random = Random(seed)
    heading = random.choice(CASES)(random.choice(HEADINGS))
    return random.choice(BREAKS) + random.choice(LAYOUTS).format(heading)


# Each heading and each sentence is drawn as one number: many, and a failure still gets small.
SEEDS = st.integers(0, 2**32)
SECTIONS = st.tuples(
    SEEDS.map(_write_heading), st.lists(SEEDS.map(_write_sentence), max_size=5).map("".join)
)
REPORTS = st.lists(SECTIONS.map("".join), min_size=1, max_size=4).map("".join)


@pytest.fixture(scope="module")
def labeler():
    return Labeler()


@pytest.fixture(scope="module")
def explainer():
    return Explainer()


def _find(report, start, end):
    """Read the words at these characters as phrases; they must begin and end with one."""
    words = split_words(make_readable(report).lowered[start:end])
    items = BOOK.phrases.find(words)
    assert (items[0].first, items[-1].last) == (0, len(words)), words
    return items


@quick
@given(REPORTS)
def test_the_characters_hold_the_words_of_their_rule(labeler, report):
    for piece in labeler(report).evidence:
        assert 0 <= piece.start < piece.end <= len(report)
        concept, _, cue = piece.rule.partition("+")
        items = _find(report, piece.start, piece.end)
        event(items[0].kind)
        ends = {items[0].kind, items[-1].kind}
        named = len(items) == 1 and (items[0].kind, items[0].name) == ("concept", concept)
        assert named or ends <= {"structure", "predicate"}, (piece.rule, items)
        assert (piece.cue_start is None) == (cue == "")
        if cue:
            assert 0 <= piece.cue_start < piece.cue_end <= len(report)
            (item,) = _find(report, piece.cue_start, piece.cue_end)
            assert item.name == cue


@quick
@given(REPORTS, st.text(alphabet="aeioux éœ\u0301\U0001f600\ud800\t–_", max_size=40))
def test_a_paragraph_above_moves_evidence_by_its_length(labeler, report, words):
    above = f"{words} .\n\n"
    assert labeler(above).evidence == []
    shift = len(above)
    moved = [
        piece._replace(
            start=piece.start - shift,
            end=piece.end - shift,
            cue_start=piece.cue_start and piece.cue_start - shift,
            cue_end=piece.cue_end and piece.cue_end - shift,
        )
        for piece in labeler(above + report).evidence
    ]
    assert moved == labeler(report).evidence


@quick
@given(REPORTS)
def test_line_ends_of_two_characters_move_evidence_and_change_nothing_else(labeler, report):
    report = report.replace("\r\n", "\n")
    ends = [place for place, letter in enumerate(report) if letter == "\n"]

    def move(place):
        return None if place is None else place + bisect_left(ends, place)

    moved = [
        piece._replace(
            start=move(piece.start),
            end=move(piece.end),
            cue_start=move(piece.cue_start),
            cue_end=move(piece.cue_end),
        )
        for piece in labeler(report).evidence
    ]
    assert labeler(report.replace("\n", "\r\n")).evidence == moved


@quick
@given(REPORTS)
def test_cut_at_marks_the_text_joins_to_the_report(labeler, report):
    evidence = labeler(report).evidence
    marks = [(piece.start, piece.end, number) for number, piece in enumerate(evidence)]
    covered = dict.fromkeys(range(len(marks)), "")
    joined = ""
    for start, end, active in cut_at_marks(len(report), marks):
        joined += report[start:end]
        for number in active:
            covered[number] += report[start:end]
    assert joined == report
    assert all(covered[number] == report[start:end] for start, end, number in marks)


@quick
@given(REPORTS)
def test_the_highlighted_report_without_its_marks_is_the_report(labeler, report):
    shown = re.sub(r"</?mark[^>]*>", "", highlight(report, labeler(report).evidence))
    assert html.unescape(shown) == report.replace("\ud800", "?")
    assert len(make_visible(report)) == len(report)


@quick
@given(REPORTS)
def test_sections_cover_the_report_and_hold_their_evidence(explainer, report):
    explanation = explainer(report)
    assert "".join(report[one.start : one.end] for one in explanation.sections) == report
    for reason in explanation.reasons:
        start, end = reason.scope
        (section,) = [one for one in explanation.sections if one.start <= start < one.end]
        assert end <= section.end
        assert section.counts
        assert section.name == reason.evidence.section
