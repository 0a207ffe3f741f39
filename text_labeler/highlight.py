"""Reports as HTML with the words behind each label marked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import Protocol, TypeVar

T = TypeVar("T")


class MarkedEvidence(Protocol):
    """What is needed of one piece of evidence; offsets are characters of the raw report."""

    @property
    def finding(self) -> str:
        """The finding it speaks of."""

    @property
    def start(self) -> int:
        """Where its words begin."""

    @property
    def end(self) -> int:
        """Where its words end."""

    @property
    def assertion(self) -> str:
        """What it says of the finding."""

    @property
    def rule(self) -> str:
        """The rule that found it."""

    @property
    def cue_start(self) -> int | None:
        """Where its cue begins, if it has one."""

    @property
    def cue_end(self) -> int | None:
        """Where its cue ends."""


STYLE = """mark{border-radius:3px;padding:0 2px;background:#e8eefc}
mark.positive{background:#ffd9d2}mark.negative{background:#d9f0dd}mark.uncertain{background:#ffefc2}
mark.cue{background:none;border-bottom:2px dotted #555}"""
"""CSS for the marks."""

KINDS = ("positive", "uncertain", "negative", "severity", "cue")
"""Kinds of marks; where several cover the same words, the first of them is shown."""


def kind_of(assertion: str) -> str:
    """Name the kind of mark for an assertion; a status stands for the severity."""
    return assertion if assertion in KINDS else "severity"


_STEERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def cut_at_marks(
    length: int, marks: Iterable[tuple[int, int, T]]
) -> Iterator[tuple[int, int, list[T]]]:
    """Cut 0 to `length` wherever a mark begins or ends: (start, end, what covers that stretch).

    Marks are (start, end, what they say); those that are empty or reach outside are left out.
    """
    waiting = sorted(
        (mark for mark in marks if 0 <= mark[0] < mark[1] <= length), key=lambda mark: mark[:2]
    )
    edges = sorted({0, length, *(edge for mark in waiting for edge in mark[:2])})
    active: list[tuple[int, int, T]] = []
    place = 0
    for start, end in pairwise(edges):
        while place < len(waiting) and waiting[place][0] <= start:
            active.append(waiting[place])
            place += 1
        active = [mark for mark in active if mark[1] > start]
        yield start, end, [says for _, _, says in active]


def replace_half_characters(report: str) -> str:
    """Return the report with lone surrogates as `?`, so that it can be written as UTF-8."""
    return report.encode("utf-8", "replace").decode("utf-8")


def make_visible(report: str) -> str:
    """Return the report safe to show, each character at its place.

    Line ends are `\\n`, a lone surrogate is `?`, and what would steer a terminal or turn the
    direction of writing is U+FFFD.
    """
    lines = report.replace("\r\n", " \n").replace("\r", "\n")
    return _STEERS.sub("\ufffd", replace_half_characters(lines))


def highlight(report: str, evidence: Iterable[MarkedEvidence]) -> str:
    """Return the report as escaped HTML with a `<mark>` around each piece of evidence and cue.

    The mark's title lists `finding · assertion · rule`; where pieces overlap, the text is cut so
    that each part names all that cover it. Line breaks stay for `white-space: pre-wrap`.
    """
    report = replace_half_characters(report)
    marks = list(dict.fromkeys(_list_marks(evidence)))
    return "".join(
        _mark(report[start:end], active) for start, end, active in cut_at_marks(len(report), marks)
    )


def _list_marks(
    evidence: Iterable[MarkedEvidence],
) -> Iterator[tuple[int, int, tuple[str, str]]]:
    for piece in evidence:
        title = f"{piece.finding} · {piece.assertion} · {piece.rule}"
        yield piece.start, piece.end, (kind_of(piece.assertion), title)
        if piece.cue_start is not None and piece.cue_end is not None:
            yield piece.cue_start, piece.cue_end, ("cue", f"cue · {title}")


def _mark(text: str, active: Sequence[tuple[str, str]]) -> str:
    if not active:
        return escape(text)
    kind = min((kind for kind, _ in active), key=KINDS.index)
    title = escape("; ".join(dict.fromkeys(title for _, title in active)), quote=True)
    return f'<mark class="{kind}" title="{title}">{escape(text)}</mark>'
