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
_BOUNDARY = re.compile(r"[.?!](?=\s|$|[A-Z])|\n")
_LAST_WORD = re.compile(r"([\w.]+)[.\s]*$")
_NEW_LINE_STARTS = re.compile(r"[ \t\r]{0,40}(?:\d{1,2}[.)]|[-*•>#]|[A-Z]|\n|$)")
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
    text = _CONTROL.sub(" ", text)
    if "XXX" in text or "__" in text or "[**" in text:
        text = _MASK.sub(lambda mask: " " * len(mask.group()), text)
    lowered = text.lower()
    if len(lowered) != len(text):  # a few letters become two in lower case: keep those
        lowered = "".join(low if len(low := letter.lower()) == 1 else letter for letter in text)
    if "-" in lowered:
        lowered = _HYPHEN.sub(" ", lowered)
    return ReadableText(text, lowered)


class SentenceSplitter:
    """Finds sentences on characters: full stops, lists, and lines that begin something new."""

    def __init__(self, rules: SectionRules) -> None:
        self._abbreviations: Container[str] = frozenset(rules.abbreviations)
        self._continuing: Container[str] = frozenset(rules.continuing_words)

    def split(self, cased: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Give (start, end) of each sentence of `cased[start:end]` that holds a letter."""
        begin = start
        for boundary in _BOUNDARY.finditer(cased, start, end):
            if self._goes_on(cased, begin, boundary, end):
                continue
            yield from _cut(cased, begin, boundary.end())
            begin = boundary.end()
        yield from _cut(cased, begin, end)

    def _goes_on(self, cased: str, begin: int, boundary: re.Match[str], end: int) -> bool:
        mark = boundary.group()
        position = boundary.start()
        look_back = cased[max(begin, position - _LOOK_BACK) : position]
        if mark == "\n":
            starts_new = _NEW_LINE_STARTS.match(cased, boundary.end(), end)
            return not starts_new or _last_word(look_back) in self._continuing
        if mark == "?":
            return not look_back or look_back[-1].isspace()
        return mark == "." and _last_word(look_back) in self._abbreviations


def _last_word(text: str) -> str:
    match = _LAST_WORD.search(text)
    return match.group(1).lower() if match else ""


def _cut(cased: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end - start > SENTENCE_CHARACTERS:
        limit = start + SENTENCE_CHARACTERS
        space = cased.rfind(" ", start + 1, limit)
        middle = space if space > start else limit
        yield start, middle
        start = middle
    if _LETTER.search(cased, start, end):
        yield start, end
