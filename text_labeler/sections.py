"""Where the sections of a report begin and end, by the headings in `rules/sections.yaml`."""

from __future__ import annotations

import re
from typing import NamedTuple

from text_labeler.rules_schema import SectionRules

UNHEADED = "report"
"""The section of text that stands under no known heading."""

_LOOK_BACK = 60
_HEADING_LINE = re.compile(r"^[ \t*#>]*([A-Z][A-Za-z /&()-]{2,40})[ \t*]*\r?$", re.MULTILINE)
_BEFORE_HEADING = re.compile(r"[\n.;!?]")
_CAPITALS_AT_END = re.compile(r"(?:^|\s)([A-Z][A-Z/&()-]*(?: [A-Z/&()-]+){0,5})\s*$")
_DECORATION = " \t\r*#_>-•0123456789."


class Section(NamedTuple):
    """A section's name and the characters of its text, without the heading (or of the heading)."""

    name: str
    start: int
    end: int


class SectionSplitter:
    """Splits reports at headings: `FINDINGS:` anywhere, `Findings:` or `FINDINGS` on a line."""

    def __init__(self, rules: SectionRules) -> None:
        self._names = {
            _standard(heading): name
            for name, headings in rules.sections.items()
            for heading in headings
        }

    def split(self, cased: str) -> list[Section]:
        """Give the sections of a report in their order; one named `report` when it has none.

        cased: the readable text with its capitals. Sections whose text is blank are left out.
        """
        sections = []
        name, start = UNHEADED, 0
        for heading in self.find_headings(cased):
            sections.append(Section(name, start, heading.start))
            name, start = heading.name, heading.end
        sections.append(Section(name, start, len(cased)))
        return [section for section in sections if cased[section.start : section.end].strip()]

    def find_headings(self, cased: str) -> list[Section]:
        """Give the headings of a text in their order, each with its section's name and its own
        characters."""
        headings: list[Section] = []
        for start, end, name in sorted(self._find_headings(cased)):
            if not headings or start >= headings[-1].end:
                headings.append(Section(name, start, end))
        return headings

    def _find_headings(self, cased: str) -> list[tuple[int, int, str]]:
        found = []
        colon = cased.find(":")
        while colon >= 0:
            heading = self._heading_before(cased, colon)
            if heading:
                found.append((heading[0], colon + 1, heading[1]))
            colon = cased.find(":", colon + 1)
        if "\n" in cased:
            for line in _HEADING_LINE.finditer(cased):
                name = self._names.get(_standard(line.group(1)))
                if name:
                    found.append((line.start(), line.end(), name))
        return found

    def _heading_before(self, cased: str, colon: int) -> tuple[int, str] | None:
        start = max(0, colon - _LOOK_BACK)
        before = cased[start:colon]
        cut = max((mark.end() for mark in _BEFORE_HEADING.finditer(before)), default=0)
        if cut or start == 0:
            name = self._names.get(_standard(before[cut:]))
            if name:
                return start + cut, name
        capitals = _CAPITALS_AT_END.search(before)
        if capitals:
            name = self._names.get(_standard(capitals.group(1)))
            if name:
                return start + capitals.start(1), name
        return None


def _standard(heading: str) -> str:
    return " ".join(heading.strip(_DECORATION).lower().split())
