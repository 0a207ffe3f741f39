"""Reports as HTML with the words behind each label marked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise
from typing import Protocol


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

_KINDS = ("positive", "uncertain", "negative", "severity", "cue")


def highlight(report: str, evidence: Iterable[MarkedEvidence]) -> str:
    """Return the report as escaped HTML with a `<mark>` around each piece of evidence and cue.

    The mark's title lists `finding · assertion · rule`; where pieces overlap, the text is cut so
    that each part names all that cover it. Line breaks stay for `white-space: pre-wrap`.
    """
    report = report.encode("utf-8", "replace").decode("utf-8")
    marks = sorted(set(_list_marks(evidence, len(report))))
    edges = sorted({edge for start, end, *_ in marks for edge in (start, end)})
    pieces = []
    position = 0
    waiting = 0
    active: list[tuple[int, int, str, str]] = []
    for start, end in pairwise(edges):
        while waiting < len(marks) and marks[waiting][0] <= start:
            active.append(marks[waiting])
            waiting += 1
        active = [mark for mark in active if mark[1] > start]
        pieces.append(escape(report[position:start]))
        pieces.append(_mark(report[start:end], active))
        position = end
    pieces.append(escape(report[position:]))
    return "".join(pieces)


def _list_marks(
    evidence: Iterable[MarkedEvidence], length: int
) -> Iterable[tuple[int, int, str, str]]:
    for piece in evidence:
        title = f"{piece.finding} · {piece.assertion} · {piece.rule}"
        kind = piece.assertion if piece.assertion in _KINDS else "severity"
        if 0 <= piece.start < piece.end <= length:
            yield piece.start, piece.end, kind, title
        if piece.cue_start is None or piece.cue_end is None:
            continue
        if 0 <= piece.cue_start < piece.cue_end <= length:
            yield piece.cue_start, piece.cue_end, "cue", f"cue · {title}"


def _mark(text: str, active: Sequence[tuple[int, int, str, str]]) -> str:
    if not active:
        return escape(text)
    kind = min((mark[2] for mark in active), key=_KINDS.index)
    title = escape("; ".join(dict.fromkeys(mark[3] for mark in active)), quote=True)
    return f'<mark class="{kind}" title="{title}">{escape(text)}</mark>'
