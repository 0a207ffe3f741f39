"""Where the sections of a report begin and end, by the headings in `rules/sections.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from text_labeler.rules_schema import SectionRules

UNHEADED = "report"
"""The section of text that stands under no known heading."""

_LOOK_BACK = 60
_HEADINGS_WITHOUT_COLON = (
    re.compile(r"^[ \t*#>]*([A-Z][A-Za-z /&()-]{2,40})[ \t*]*\r?$", re.MULTILINE),
    re.compile(r"^[ \t*#>]*([A-Z][A-Za-z /&()]{2,40}?)[ \t]+-+[ \t]", re.MULTILINE),
)
"""A heading alone on its line, and one before a dash."""
_ENDS_LINE = re.compile(r"[ \t\r]*(?:\n|\Z)")
_BEFORE_HEADING = re.compile(r"[\n.;!?]")
_CAPITALS_AT_END = re.compile(r"(?:^|\s)([A-Z][A-Z/&()-]*(?: [A-Z/&()-]+){0,5})\s*$")
_DECORATION = " \t\r*#_>-•0123456789."


class Section(NamedTuple):
    """A section's name and the characters of its text, without the heading."""

    name: str
    start: int
    end: int


class Heading(NamedTuple):
    """A heading and its characters; they are none when its words are read with their sentence.

    `ends_short`: it begins its section only where a short one (sections.yaml) stands above.
    """

    section: str
    start: int
    end: int
    ends_short: bool


class SectionSplitter:
    """Splits reports at headings: `FINDINGS:` anywhere, `Findings:` or `FINDINGS` on a line."""

    def __init__(self, rules: SectionRules) -> None:
        self.short = frozenset(rules.short)
        self.body = frozenset(rules.body)
        self._names = _name_headings(rules.sections)
        self._subjects = _name_headings(rules.subjects)

    def split(self, cased: str) -> list[Section]:
        """Give the sections of a report in their order; one named `report` when it has none.

        cased: the readable text with its capitals. Sections whose text is blank are left out.
        """
        sections = []
        name, start = UNHEADED, 0
        for heading in self.find_headings(cased):
            if not heading.ends_short or name in self.short:
                sections.append(Section(name, start, heading.start))
                name, start = heading.section, heading.end
        sections.append(Section(name, start, len(cased)))
        return [section for section in sections if cased[section.start : section.end].strip()]

    def find_headings(self, cased: str) -> list[Heading]:
        """Give the headings of a text in their order."""
        headings: list[Heading] = []
        for heading in sorted(self._find_headings(cased), key=lambda heading: heading.start):
            if not headings or heading.start >= headings[-1].end:
                headings.append(heading)
        return headings

    @staticmethod
    def may_have_headings(piece: str) -> bool:
        """Tell quickly whether it is worth looking for headings in a piece."""
        return ":" in piece or "\n" in piece or " -" in piece

    def _find_headings(self, cased: str) -> Iterator[Heading]:
        colon = cased.find(":")
        while colon >= 0:
            heading = self._heading_before(cased, colon)
            if heading:
                yield heading
            colon = cased.find(":", colon + 1)
        for pattern in _HEADINGS_WITHOUT_COLON:
            for line in pattern.finditer(cased):
                name = self._names.get(_standard(line.group(1)))
                if name:
                    yield Heading(name, line.start(), line.end(), ends_short=False)

    def _heading_before(self, cased: str, colon: int) -> Heading | None:
        start = max(0, colon - _LOOK_BACK)
        before = cased[start:colon]
        cut = max((mark.end() for mark in _BEFORE_HEADING.finditer(before)), default=0)
        if cut or start == 0:
            heading = self._make_heading(before[cut:], start + cut, colon)
            if heading:
                return heading
            if _ENDS_LINE.match(cased, colon + 1):
                return Heading(UNHEADED, start + cut, start + cut, ends_short=True)
        capitals = _CAPITALS_AT_END.search(before)
        if capitals is None:
            return None
        begin = start + capitals.start(1)
        heading = self._make_heading(capitals.group(1), begin, colon)
        if heading is None and not before[cut : capitals.start(1)].strip(_DECORATION):
            return Heading(UNHEADED, begin, begin, ends_short=True)
        return heading

    def _make_heading(self, words: str, start: int, colon: int) -> Heading | None:
        words = _standard(words)
        if words in self._names:
            return Heading(self._names[words], start, colon + 1, ends_short=False)
        if words in self._subjects:
            return Heading(self._subjects[words], start, start, ends_short=True)
        return None


def _name_headings(headings: Mapping[str, Iterable[str]]) -> dict[str, str]:
    return {_standard(words): name for name, written in headings.items() for words in written}


def _standard(heading: str) -> str:
    return " ".join(heading.strip(_DECORATION).lower().split())
