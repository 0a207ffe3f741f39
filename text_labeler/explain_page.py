"""An explanation as one HTML page that needs nothing else and asks the network for nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from data_cards.findings import SEVERITY_NAMES
from text_labeler.explain import Explanation, Reason, ShownSection
from text_labeler.highlight import KINDS, cut_at_marks, make_visible
from text_labeler.page_templates import open_templates

SIGNS = {"positive": "+", "uncertain": "?", "negative": "−", "severity": "·"}
"""What stands before a mention's number, so that the page can be read without its colours."""

LINKED_MENTIONS = 300
"""Mentions whose row lights up under the pointer; the links of the others lead to their rows."""

_UNREAD = "not read"


class _Mark(NamedTuple):
    """What covers some characters: a mention, a cue, a scope, a heading, or a section (its place
    among the sections is its number)."""

    part: str
    end: int
    kind: str = ""
    number: int = 0
    title: str = ""


@dataclass(frozen=True)
class Stretch:
    """Characters of the report that the same marks cover; `classes` are the style sheet's.

    `ends`: number and kind of the mentions whose words end here.
    """

    text: str
    classes: str
    title: str
    ends: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Band:
    """A section as it is shown."""

    name: str
    counts: bool
    stretches: tuple[Stretch, ...]


def make_page(explanation: Explanation) -> str:
    """Return the page: the report with its marks, the severity, and a table of the labels.

    It holds no script, and its policy lets a browser load nothing.
    """
    numbers = {reason.number for reason in explanation.reasons}
    template = open_templates().get_template("explain_page.html.j2")
    return template.render(
        explanation=explanation,
        bands=list(_cut_bands(explanation)),
        levels=SEVERITY_NAMES,
        signs=SIGNS,
        linked=sorted(numbers)[:LINKED_MENTIONS],
    )


def _cut_bands(explanation: Explanation) -> Iterator[Band]:
    report = make_visible(explanation.report)
    sections = list(_list_sections(explanation, report))
    marks = list(_list_marks(explanation.reasons))
    for number, one in enumerate(sections):
        marks.append((one.start, one.end, _Mark("section", one.end, number=number)))
        marks.append((one.start, one.heading_end, _Mark("heading", one.heading_end)))
    cuts = cut_at_marks(len(report), marks)
    for place, stretches in groupby(cuts, key=lambda cut: _find_section(cut[2])):
        if place is not None:
            section = sections[place]
            made = tuple(
                _make_stretch(report[start:end], end, active) for start, end, active in stretches
            )
            yield Band(section.name, section.counts, made)


def _list_sections(explanation: Explanation, report: str) -> Iterator[ShownSection]:
    """Give the sections without the blank lines around them, and what was not read."""
    end = 0
    for one in explanation.sections:
        end = one.end
        yield from _trim(one, report)
    yield from _trim(ShownSection(_UNREAD, end, end, len(report), counts=False), report)


def _trim(section: ShownSection, report: str) -> Iterator[ShownSection]:
    text = report[section.start : section.end]
    start = section.start + len(text) - len(text.lstrip("\n "))
    end = section.start + len(text.rstrip())
    if start < end:
        yield ShownSection(
            section.name, start, max(start, section.heading_end), end, section.counts
        )


def _list_marks(reasons: Iterable[Reason]) -> Iterator[tuple[int, int, _Mark]]:
    for reason in reasons:
        piece, kind, number = reason.evidence, reason.kind, reason.number
        says = [piece.finding, kind, *reason.details, piece.rule]
        title = f"{number}: {' · '.join(dict.fromkeys(says))}"
        yield piece.start, piece.end, _Mark("mention", piece.end, kind, number, title)
        if piece.cue_start is not None and piece.cue_end is not None:
            title = f"Cue of {number}: {piece.finding} · {kind}"
            yield piece.cue_start, piece.cue_end, _Mark("cue", piece.cue_end, kind, number, title)
            start, end = reason.scope
            yield start, end, _Mark("scope", end, kind, number)


def _find_section(active: Iterable[_Mark]) -> int | None:
    return next((mark.number for mark in active if mark.part == "section"), None)


def _make_stretch(text: str, end: int, active: Sequence[_Mark]) -> Stretch:
    classes = ["heading"] if any(mark.part == "heading" for mark in active) else []
    for part in ("mention", "cue", "scope"):
        kind = min((mark.kind for mark in active if mark.part == part), key=KINDS.index, default="")
        classes += [part, f"{part}-{kind}"] if kind else []
    mentions: dict[int, list[_Mark]] = {}
    for mark in active:
        if mark.part == "mention":
            mentions.setdefault(mark.number, []).append(mark)
    classes += [f"m{number}" for number in mentions]
    ends = tuple(
        (number, min((mark.kind for mark in marks), key=KINDS.index))
        for number, marks in mentions.items()
        if marks[0].end == end
    )
    titles = dict.fromkeys(mark.title for mark in active if mark.title)
    return Stretch(text, " ".join(classes), "\n".join(titles), ends)
