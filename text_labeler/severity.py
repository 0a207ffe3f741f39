"""Grades pulmonary edema 0 to 3 from what a report says, as a distribution over the levels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from text_labeler.mentions import Mention
from text_labeler.rules_schema import Distribution, GradeTable, SeverityRules


class SeverityReading(NamedTuple):
    """The graded severity of a report: the most probable level and the four probabilities."""

    level: int
    probabilities: Distribution


class Statement(NamedTuple):
    """One mention as probabilities of the levels, and how much of it is meant (1: affirmed)."""

    level: int
    probabilities: Distribution
    share: float
    is_denied: bool


class SeverityGrader:
    """Applies the tables of severity.yaml; a report that says nothing of edema has no grade."""

    def __init__(self, rules: SeverityRules) -> None:
        self._rules = rules
        self._patterns = _pattern_of_concept(rules.patterns)
        self._linked = _pattern_of_concept(rules.linked_patterns)
        self._affirmed = frozenset(rules.readings.affirmed)
        self._denied = frozenset(rules.readings.denied)

    def grade(self, statements: Iterable[Statement]) -> SeverityReading | None:
        """Combine the statements of a report.

        Affirmed levels count first, the highest of them; a hedged level above it draws the
        probabilities up by its share; denials count when nothing is affirmed or hedged.
        """
        affirmed: list[Statement] = []
        hedged: list[Statement] = []
        denied: list[Statement] = []
        for statement in statements:
            if statement.is_denied:
                denied.append(statement)
            else:
                (affirmed if statement.share == 1 else hedged).append(statement)
        if not affirmed and not hedged:
            if not denied:
                return None
            return _reading(max(denied, key=lambda one: one.probabilities[0]).probabilities)
        base = max(affirmed, key=_rank).probabilities if affirmed else self._rules.otherwise
        if hedged:
            possible = max(hedged, key=_rank)
            if not affirmed or possible.level > most_probable(base):
                return _reading(_mix(possible, base))
        return _reading(base)

    def read(self, mention: Mention) -> Statement | None:
        """Say what a mention means for the severity, if anything."""
        if mention.superseded:
            return None
        status = mention.status
        if mention.concept in self._rules.denied_with:
            row = self._rules.denied_study
            return Statement(0, row, 1.0, True) if status in self._denied else None
        pattern = self._patterns.get(mention.concept)
        if pattern is None:
            pattern = self._linked.get(mention.concept)
            if pattern is None or not mention.linked_status or status in self._denied:
                return None
            status = mention.linked_status if status in self._affirmed else status
        table: GradeTable
        if status in self._denied:
            table, share = self._rules.denied, 1.0
        else:
            table = self._rules.affirmed
            share = 1.0 if status in self._affirmed else self._rules.hedged.get(status, 0.0)
        rows = table.get(pattern)
        if rows is None or not share:
            return None
        row = rows.get(mention.grade, rows["ungraded"])
        return Statement(most_probable(row), row, share, status in self._denied)


def most_probable(probabilities: Sequence[float]) -> int:
    """The level with the highest probability; the lower one of equals."""
    return max(range(len(probabilities)), key=lambda level: (probabilities[level], -level))


def _rank(statement: Statement) -> tuple[int, float, float]:
    return statement.level, statement.share, statement.probabilities[statement.level]


def _reading(probabilities: Distribution) -> SeverityReading:
    return SeverityReading(most_probable(probabilities), probabilities)


def _mix(statement: Statement, base: Distribution) -> Distribution:
    share = statement.share
    p0, p1, p2, p3 = (
        share * said + (1 - share) * otherwise
        for said, otherwise in zip(statement.probabilities, base, strict=True)
    )
    return p0, p1, p2, p3


def _pattern_of_concept(patterns: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {concept: pattern for pattern, concepts in patterns.items() for concept in concepts}
