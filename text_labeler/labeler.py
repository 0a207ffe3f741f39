"""The labeler: a report in, labels with the words behind them out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from text_labeler.aggregation import NO_FINDING, Aggregator, Vote, keep_best
from text_labeler.reading import Evidence, PieceReader
from text_labeler.rulebook import RULES_FOLDER, load_rulebook
from text_labeler.severity import SeverityGrader, SeverityReading, Statement

__all__ = ["LABELED_CHARACTERS", "Evidence", "Labeler", "ReportLabels"]

LABELED_CHARACTERS = 10_000_000
"""Longer reports are labelled on this many characters only, and say so (`truncated`)."""


class ReportLabels(NamedTuple):
    """What a report says: codes and probabilities by finding, the severity of edema, evidence.

    `labels`: CheXpert's codes (1, 0, -1) for every finding of the rules, None when not mentioned.
    `severity`: 0 to 3 with the probabilities of the four levels, both None when the report says
    nothing of edema; `severity_change`: new, worse, unchanged, better or resolved against the
    prior study, None when nothing is said. `truncated`: the report is longer than
    LABELED_CHARACTERS.
    """

    labels: dict[str, int | None]
    probabilities: dict[str, float | None]
    severity: int | None
    severity_probabilities: tuple[float, float, float, float] | None
    severity_change: str | None
    evidence: list[Evidence]
    truncated: bool = False


class Labeler:
    """Labels reports by the rules of a folder, counted as one of their profiles says.

    Raises RuleError for rules that cannot be used and for an unknown profile. A labeler remembers
    sentences, since they recur in every corpus; it never keeps reports. Any text gives a result.
    """

    def __init__(self, profile: str = "chexpert", *, rules: Path = RULES_FOLDER) -> None:
        book = load_rulebook(rules)
        self.profile = book.profile(profile)
        self.rules_hash = book.content_hash
        self.findings = book.findings
        self._aggregator = Aggregator(self.profile, self.findings)
        self._severity = SeverityGrader(book.severity)
        self._groups = {
            section: group
            for group, sections in enumerate(self.profile.sections)
            for section in sections
        }
        # A section of an earlier group decides, and has nothing to settle.
        self._settling = frozenset(self.profile.settled_by).intersection(self.profile.sections[-1])
        self._reader = PieceReader(book, self._aggregator)

    def __call__(self, report: str) -> ReportLabels:
        """Label one report; time is linear in its length."""
        groups: list[dict[str, Vote]] = [{} for _ in self.profile.sections]
        evidence: list[Evidence] = []
        normal: list[Evidence] = []
        said: list[list[tuple[Statement, ...]]] = [[] for _ in groups]
        settled: dict[str, Vote] = {}
        settling: list[tuple[Statement, ...]] = []
        is_blocked = has_text = False
        for section, offset, part in self._reader.find_parts(report[:LABELED_CHARACTERS]):
            group = self._groups.get(section)
            if group is None:
                continue
            settles = section in self._settling
            for votes, blocks, statements, spoken, silent in part.readings:
                has_text = True
                said[group].append(statements)
                if settles:
                    keep_best(settled, votes)
                    settling.append(statements)
                if spoken:
                    keep_best(groups[group], votes)
                    evidence += _place(spoken, section, offset)
                if silent:
                    normal += _place(silent, section, offset)
                is_blocked = is_blocked or blocks
        labels, probabilities = self._aggregator.aggregate(
            groups, settled, is_blocked=is_blocked, has_text=has_text
        )
        if normal and labels[NO_FINDING] == 1:
            evidence = sorted(evidence + normal, key=_START)
        level, levels, change = self._grade(said, settling)
        return ReportLabels(
            labels, probabilities, level, levels, change, evidence,
            len(report) > LABELED_CHARACTERS,
        )  # fmt: skip

    def pipe(self, reports: Iterable[str]) -> Iterator[ReportLabels]:
        """Label reports one after the other, as they come."""
        return map(self, reports)

    def _grade(
        self,
        said: Iterable[list[tuple[Statement, ...]]],
        settling: list[tuple[Statement, ...]],
    ) -> SeverityReading | tuple[None, None, None]:
        for sentences in said:
            severity = self._severity.grade(sentences, settling) if any(sentences) else None
            if severity is not None:
                return severity
        return None, None, None


_START = attrgetter("start")
_new = tuple.__new__


def _place(pieces: Iterable[Evidence], section: str, offset: int) -> list[Evidence]:
    """Move evidence from its piece to its report."""
    placed: list[Evidence] = []
    for name, _, start, end, says, rule, cue_start, cue_end, *more in pieces:
        if cue_start is not None and cue_end is not None:
            cue_start += offset  # noqa: PLW2901
            cue_end += offset  # noqa: PLW2901
        row = (name, section, start + offset, end + offset, says, rule, cue_start, cue_end, *more)
        placed.append(_new(Evidence, row))  # twice as fast as Evidence(...)
    return placed
