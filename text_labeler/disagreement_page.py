"""Disagreements to read: one HTML page that asks the network for nothing, or a CSV."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from configs.files import write_text
from text_labeler.disagreements import Disagreement, Kind
from text_labeler.highlight import STYLE, highlight, make_visible
from text_labeler.page_templates import open_templates
from text_labeler.reading import SEVERITY_EVIDENCE, Evidence
from text_labeler.scoring import ScoringError

SHOWN_EACH = 200
"""So many disagreements of one finding and kind are on the page; of more, a drawn sample."""

CSV_COLUMNS = (
    "study_id", "finding", "kind", "gold", "given",
    "words", "cues", "assertions", "sections", "rules", "report",
)  # fmt: skip


class Mention(NamedTuple):
    """The words of one piece of evidence, what they say, the words of the cue, the rule."""

    finding: str
    words: str
    assertion: str
    cue: str
    rule: str


@dataclass(frozen=True)
class Shown:
    """A disagreement as the page shows it: the report marked, then its mentions; those of other
    findings, where it has none of its own, only as far as something is or may be there."""

    disagreement: Disagreement
    report: Markup
    mentions: tuple[Mention, ...]


@dataclass(frozen=True)
class Group:
    """The disagreements of one finding and kind; `total` of them, of which some are shown."""

    finding: str
    kind: Kind
    total: int
    shown: tuple[Shown, ...]

    @property
    def name(self) -> str:
        """The group's heading."""
        is_level = self.finding == SEVERITY_EVIDENCE and self.kind is Kind.WRONG
        return f"{self.finding}: {'wrong level' if is_level else self.kind}"

    @property
    def anchor(self) -> str:
        """The group's name in links."""
        return f"{self.finding}-{self.kind}".replace(" ", "-").lower()


def write_disagreements(
    path: Path,
    disagreements: Sequence[Disagreement],
    reports: Mapping[str, str],
    *,
    title: str,
    seed: int = 0,
) -> None:
    """Write them atomically as a page (.html) or a table (.csv); see `check_ending`."""
    if path.suffix.lower() == ".csv":
        write_text(path, make_csv(disagreements, reports))
    else:
        write_text(path, make_page(disagreements, reports, title=title, seed=seed))


def check_ending(path: Path) -> None:
    """Raise ScoringError for a path that ends neither in .html nor in .csv."""
    if path.suffix.lower() not in (".html", ".csv"):
        raise ScoringError(f"{path}: expected a file that ends in .html or .csv")


def make_page(
    disagreements: Sequence[Disagreement],
    reports: Mapping[str, str],
    *,
    title: str,
    seed: int = 0,
) -> str:
    """Return the page; its script only filters, and its policy lets a browser load nothing.

    It holds report text: keep it as the reports are kept.
    """
    environment = open_templates()
    script = environment.get_template("disagreements.js.j2").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    groups = list(_group(disagreements, reports, random.Random(seed)))
    counts = Counter((one.finding, one.kind) for one in disagreements)
    return environment.get_template("disagreements.html.j2").render(
        title=title,
        groups=groups,
        kinds=list(Kind),
        findings=list(dict.fromkeys(group.finding for group in groups)),
        counts=counts,
        anchors={(group.finding, group.kind): group.anchor for group in groups},
        script=Markup(script),  # noqa: S704
        script_digest=digest,
        mark_style=Markup(STYLE),  # noqa: S704
    )


def make_csv(disagreements: Iterable[Disagreement], reports: Mapping[str, str]) -> str:
    """Return CSV_COLUMNS, one row each; several mentions are parted by ` | `. It holds report
    text: keep it as the reports are kept."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for one in disagreements:
        report = make_visible(reports[one.study_id])
        pieces = one.evidence if one.is_own else ()
        mentions = [_describe(piece, report) for piece in pieces]
        columns = [
            [mention.words for mention in mentions],
            [mention.cue for mention in mentions],
            [mention.assertion for mention in mentions],
            [piece.section for piece in pieces],
            [mention.rule for mention in mentions],
        ]
        names = [one.study_id, one.finding, one.kind, one.gold, one.given]
        writer.writerow([*names, *map(" | ".join, columns), report])
    return file.getvalue()


def _group(
    disagreements: Sequence[Disagreement], reports: Mapping[str, str], randomness: random.Random
) -> Iterator[Group]:
    for (finding, kind), group in groupby(disagreements, lambda one: (one.finding, one.kind)):
        members = list(group)
        total = len(members)
        if total > SHOWN_EACH:
            kept = sorted(randomness.sample(range(total), SHOWN_EACH))
            members = [members[place] for place in kept]
        shown = tuple(_show(one, reports[one.study_id]) for one in members)
        yield Group(finding, kind, total, shown)


def _show(one: Disagreement, report: str) -> Shown:
    text = make_visible(report)
    marked = Markup(highlight(text, one.evidence))  # noqa: S704 (highlight escapes)
    pieces = [
        piece
        for piece in one.evidence
        if one.is_own or piece.assertion in ("positive", "uncertain")
    ]
    return Shown(one, marked, tuple(dict.fromkeys(_describe(piece, text) for piece in pieces)))


def _describe(piece: Evidence, report: str) -> Mention:
    cue = ""
    if piece.cue_start is not None and piece.cue_end is not None:
        cue = report[piece.cue_start : piece.cue_end]
    words = report[piece.start : piece.end]
    return Mention(piece.finding, words, piece.assertion, cue, piece.rule)
