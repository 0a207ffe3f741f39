"""Reports as text that rules can read, character for character, and where its sentences stand."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import NamedTuple

from text_labeler.rules_schema import SectionRules

SENTENCE_CHARACTERS = 2000
"""A longer run without an end is cut at white space: the work for a sentence stays bounded."""

_MASK = re.compile(r"X{3,}|_{2,}|\[\*\*[^\]\n]{0,200}\*\*\]")
_HYPHEN = re.compile(r"(?<=\w)-(?=\w)")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BLANK = r"\s\x00-\x08\x0e-\x1f\x7f"
_PIECE = re.compile(
    rf"""(?!\Z) [^.?!\n]*+
    (?: (?: [.?!] (?! [{_BLANK}A-Z] | \Z )            # "2.5", "e.g.,"
          | \n (?! [ \t\r]{{0,40}} (?: \(?\d{{1,2}}[.)] | [-*•>\#] | [A-Z] | \n | \Z ) )
        ) [^.?!\n]*+
    )*+
    (?: [.?!] | \n (?: [ \t\r]*+ \n )*+ | \Z )  # with blank lines below
    """,
    re.VERBOSE,
)
_ANSWER = re.compile(r"[:?][ \t]*\w+[ \t\r]*\Z")
"""One word behind a colon says all: a line "Effusion: no" does not go on in the next."""
_LETTER = re.compile(r"[^\W\d_]")
_LOOK_BACK = 24

_SAME_LENGTH = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u00ad", "-"),
        **dict.fromkeys("\u2018\u2019\u201b\u2032\u00b4", "'"),
        **dict.fromkeys("\u00a0\u2002\u2003\u2007\u2009\u200a\u202f\u3000\u200b\ufeff\u00b7", " "),
        **dict.fromkeys("\u2028\u2029\x85", "\n"),
    }
)


class ReadableText(NamedTuple):
    """A report for reading: both strings have the characters of the raw report, one for one."""

    cased: str
    """Placeholders (XXXX, ___, [** **]) and control characters blank, dashes and quotes plain."""
    lowered: str
    """The same in lower case, with hyphens inside of words blank."""


def make_readable(report: str) -> ReadableText:
    """Blank what must not be read, keeping every character at its place."""
    text = report if report.isascii() else report.translate(_SAME_LENGTH)
    if not text.isprintable():
        text = _CONTROL.sub(" ", text)
    if "XXX" in text or "__" in text or "[**" in text:
        text = _blank_masks(text)
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters become two in lower case: keep those
        lowered = "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)
    if "-" in lowered:
        lowered = _HYPHEN.sub(" ", lowered)
    return ReadableText(text, lowered)


def _blank_masks(text: str) -> str:
    return _MASK.sub(lambda mask: " " * len(mask.group()), text)


def cut_pieces(report: str) -> list[str]:
    """Cut a report where a sentence may end: at full stops, and at lines that begin something new.

    Joined, the pieces are the report. Whether a piece goes on in the next one, only its own end
    tells (`SentenceEnds.goes_on`), so that what is known of a piece holds wherever it stands.
    """
    if not report.isascii():
        report = report.translate(_SAME_LENGTH)
    if "[**" in report:
        report = _blank_masks(report)
    return _PIECE.findall(report)


def ends_paragraph(piece: str) -> bool:
    """Tell whether a blank line ends a piece."""
    return piece[len(piece.rstrip()) :].count("\n") > 1


class SentenceEnds:
    """Tells apart the end of a sentence and the end of an abbreviation or a broken line."""

    def __init__(self, rules: SectionRules) -> None:
        self._abbreviations: Container[str] = frozenset(rules.abbreviations)
        self._continuing: Container[str] = frozenset(rules.continuing_words)

    def goes_on(self, piece: str) -> bool:
        """Tell whether a piece of `cut_pieces` is not the end of its sentence."""
        mark = piece[-1]
        before = piece[-1 - _LOOK_BACK : -1]
        if mark == "\n":
            if ends_paragraph(piece) or _ANSWER.search(before):
                return False
            return _last_word(before) in self._continuing
        if mark == "?":
            return not before or before[-1].isspace()
        return mark == "." and _last_word(before) in self._abbreviations


def _last_word(text: str) -> str:
    words = text.split()
    return words[-1].lstrip("([\"'").lower() if words else ""


def cut_sentences(cased: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Give (start, end) of the sentence in a piece, if it holds a letter; a long one in parts."""
    while end - start > SENTENCE_CHARACTERS:
        limit = start + SENTENCE_CHARACTERS
        space = cased.rfind(" ", start + 1, limit)
        middle = space if space > start else limit
        yield start, middle
        start = middle
    if _LETTER.search(cased, start, end):
        yield start, end
