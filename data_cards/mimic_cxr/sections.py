"""MIMIC-CXR's own rule of which section of a report speaks: the last impression, else findings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import NamedTuple

ORDER = ("impression", "findings", "last_paragraph", "comparison")
"""The first of these that a report has is read, and of several of one name the last."""

_HEADING = re.compile(r"^ ([A-Z][A-Z ()/,-]*):(?=\s)", re.MULTILINE)
"""A heading as MIMIC-CXR's reports have it: a space, capitals, a colon."""
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_WORDS = {
    **{"IMPRESSION": "impression", "CONCLUSION": "impression"},
    **{"FINDING": "findings", "COMPARISON": "comparison", "REFERENCE": "comparison"},
    **{"HISTORY": "other", "INDICATION": "other", "REASON": "other", "TECHNIQUE": "other"},
    **{"ADDENDUM": "other", "RECOMMENDATION": "other", "EXAMINATION": "other"},
}
"""What a heading that has this word, or one much like it, is called; the first word decides."""
_ALIKE = 0.85
"""Misspelled headings (`IMPRESSON`, `COMPARSION`) are this like the word they stand for."""
_VIEWS = re.compile(r"CHEST|PORTABLE|(PA|AP|FRONTAL|LATERAL|TWO|ONE) (AND|VIEW)|UPRIGHT")
"""A heading that names the views stands above the findings."""


class ReportSection(NamedTuple):
    """A section's name, one of ORDER, and its characters in the report, without white space."""

    name: str
    start: int
    end: int


def choose_section(report: str) -> ReportSection | None:
    """Choose the section that MIMIC-CXR's rule reads; None where the report has no such.

    The rule (Johnson et al. 2019): the last impression, else the last findings; where there is
    neither, what stands below the first blank line of the last section (`last_paragraph`), else
    the comparison. Empty sections do not count. The publishers' list of some sixty reports that
    were cut by hand is not in here, since it is by study id.
    """
    sections = list(_find_sections(report))
    if not {"impression", "findings"} & {section.name for section in sections}:
        sections = _cut_last_paragraph(report, sections)
    for name in ORDER:
        found = [section for section in sections if section.name == name]
        if found:
            return found[-1]
    return None


def _find_sections(report: str) -> Iterator[ReportSection]:
    headings = list(_HEADING.finditer(report))
    if not headings:
        return
    ends = [heading.start() for heading in headings[1:]] + [len(report)]
    for heading, end in zip(headings, ends, strict=True):
        section = _strip(report, _name(heading[1]), heading.end(), end)
        if section.start < section.end:
            yield section


def _name(heading: str) -> str:
    for word, name in _WORDS.items():
        if word in heading or get_close_matches(word, heading.split(), 1, _ALIKE):
            return name
    return "findings" if _VIEWS.search(heading) else "other"


def _cut_last_paragraph(report: str, sections: list[ReportSection]) -> list[ReportSection]:
    if not sections:
        return sections
    *before, last = sections
    blank = _BLANK_LINE.search(report, last.start, last.end)
    if blank is None:
        return sections
    head = _strip(report, last.name, last.start, blank.start())
    return [*before, head, _strip(report, "last_paragraph", blank.end(), last.end)]


def _strip(report: str, name: str, start: int, end: int) -> ReportSection:
    text = report[start:end]
    start += len(text) - len(text.lstrip())
    return ReportSection(name, start, max(start, start + len(text.strip())))
