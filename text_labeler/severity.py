"""Grades pulmonary edema 0 to 3 from what a report says, as a distribution over the levels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from text_labeler.mentions import Mention
from text_labeler.rules_schema import Distribution, SeverityRules


class SeverityReading(NamedTuple):
    """The graded severity of a report: the most probable level, the probabilities of the four
    levels, and how it stands against the prior study (new, worse, unchanged, better, resolved)."""

    level: int
    probabilities: Distribution
    change: str | None


class Statement(NamedTuple):
    """What one mention says of the severity.

    `role`: affirmed or hedged (`share`: how much of it is meant), denied, earlier (a state that is
    over), or opacity (it speaks of edema only when the next sentence says so). `explains`: it says
    what the opacities of the sentence before it are ("findings consistent with edema").
    """

    level: int
    probabilities: Distribution
    role: str
    share: float
    change: str
    explains: bool


class SeverityGrader:
    """Applies the tables of severity.yaml; a report that says nothing of edema has no grade."""

    def __init__(self, rules: SeverityRules) -> None:
        self._rules = rules
        self._patterns = _pattern_of_concept(rules.patterns)
        self._linked = _pattern_of_concept(rules.linked_patterns)
        self._affirmed = frozenset(rules.readings.affirmed)
        self._denied = frozenset(rules.readings.denied)
        self._explaining = frozenset(rules.explaining_cues)
        self._explained = frozenset(
            concept for pattern in rules.linked_to for concept in rules.patterns[pattern]
        )
        self._signs = frozenset(rules.signs)
        self._other_causes = frozenset(rules.other_causes)
        self._concepts = {*self._patterns, *self._linked, *rules.denied_with}

    def read(self, mentions: Sequence[Mention]) -> list[Statement | None]:
        """Say what each mention of a sentence means for the severity; nothing when none does."""
        concepts = {mention.concept for mention in mentions}
        if concepts.isdisjoint(self._concepts):
            return []
        silent: frozenset[str] = frozenset()
        if not concepts.isdisjoint(self._signs) and self._have_other_cause(mentions):
            silent = self._signs
        return [
            self._read(mention, is_first=index == 0)
            if mention.concept in self._concepts and mention.concept not in silent
            else None
            for index, mention in enumerate(mentions)
        ]

    def _have_other_cause(self, mentions: Sequence[Mention]) -> bool:
        """Tell whether signs of edema are explained otherwise: "septal lines from lymphangitis"."""
        said = {one.concept for one in mentions if one.status not in self._denied}
        return not said.isdisjoint(self._other_causes) and said.isdisjoint(self._explained)

    def grade(
        self, sentences: Sequence[Sequence[Statement]], settling: Sequence[Sequence[Statement]] = ()
    ) -> SeverityReading | None:
        """Combine the statements of a report's sentences, in their order.

        settling: those of them in sections whose denials settle what others suspect.

        Affirmed levels count first, the highest of them; a hedged level above it draws the
        probabilities up by its share; denials count when nothing is affirmed or hedged.
        """
        statements = [one for sentence in sentences for one in sentence]
        if any(statement.role == "opacity" for statement in statements):
            statements = list(_link_sentences(sentences))
        affirmed = [one for one in statements if one.role == "affirmed"]
        hedged = [one for one in statements if one.role == "hedged"]
        if hedged and not affirmed and settling:
            settled = [one for sentence in settling for one in sentence]
            if not any(one.role == "hedged" for one in settled):
                hedged = [] if any(one.role == "denied" for one in settled) else hedged
        if not affirmed and not hedged:
            return _grade_denials([one for one in statements if one.role == "denied"])
        change = _find_change(statements, affirmed + hedged)
        base = max(affirmed, key=_rank).probabilities if affirmed else self._rules.otherwise
        if hedged:
            possible = max(hedged, key=_rank)
            if not affirmed or possible.level > most_probable(base):
                return _reading(_mix(possible, base), change)
        return _reading(base, change)

    def _read(self, mention: Mention, *, is_first: bool) -> Statement | None:
        status = mention.status
        if mention.concept in self._rules.denied_with:
            row = self._rules.denied_study
            return Statement(0, row, "denied", 1.0, "", False) if status in self._denied else None
        pattern = self._patterns.get(mention.concept)
        if pattern is None:
            return self._read_opacity(mention, self._linked[mention.concept])
        if status in self._denied:
            change = "resolved" if status == "resolved" else ""
            return self._make(mention, self._rules.denied.get(pattern), "denied", 1.0, change)
        share = 1.0 if status in self._affirmed else self._rules.hedged.get(status, 0.0)
        role = "affirmed" if share == 1 else "hedged"
        if mention.superseded:
            role = "earlier"
        statement = self._make(mention, self._rules.affirmed.get(pattern), role, share)
        if statement and is_first and mention.concept in self._explained:
            return statement._replace(explains=mention.cue in self._explaining)
        return statement

    def _read_opacity(self, mention: Mention, pattern: str) -> Statement | None:
        if mention.status in self._denied:
            return None
        rows = self._rules.affirmed[pattern]
        if not mention.linked_status:
            role = "opacity" if mention.status in self._affirmed else ""
            return self._make(mention, rows, role, 1.0) if role else None
        status = mention.linked_status if mention.status in self._affirmed else mention.status
        share = 1.0 if status in self._affirmed else self._rules.hedged.get(status, 0.0)
        return self._make(mention, rows, "affirmed" if share == 1 else "hedged", share)

    def _make(
        self,
        mention: Mention,
        rows: Mapping[str, Distribution] | None,
        role: str,
        share: float,
        change: str | None = None,
    ) -> Statement | None:
        if rows is None or not share:
            return None
        row = rows.get(mention.grade, rows["ungraded"])
        said = mention.change if change is None else change
        return Statement(most_probable(row), row, role, share, said, False)


def _grade_denials(denied: Sequence[Statement]) -> SeverityReading | None:
    if not denied:
        return None
    surest = max(denied, key=lambda one: one.probabilities[0])
    resolved = any(one.change == "resolved" for one in denied)
    return _reading(surest.probabilities, "resolved" if resolved else None)


def _link_sentences(sentences: Sequence[Sequence[Statement]]) -> Iterator[Statement]:
    """Let opacities speak of edema when the next sentence explains them with it."""
    opacities: list[Statement] = []
    for statements in sentences:
        for statement in statements:
            if statement.role != "opacity":
                yield statement
            if statement.explains:
                for opacity in opacities:
                    yield opacity._replace(role=statement.role, share=statement.share)
        opacities = [statement for statement in statements if statement.role == "opacity"]


def _find_change(statements: Sequence[Statement], present: Sequence[Statement]) -> str | None:
    """The change that the highest of the present states has, or any; else the step from an
    earlier one."""
    for statement in sorted(present, key=_rank, reverse=True):
        if statement.change:
            return statement.change
    earlier = [statement.level for statement in statements if statement.role == "earlier"]
    if earlier:
        later = max(statement.level for statement in present)
        if later != max(earlier):
            return "worse" if later > max(earlier) else "better"
    # "the alveolar edema has cleared; interstitial edema remains"
    return "better" if any(one.change == "resolved" for one in statements) else None


def most_probable(probabilities: Sequence[float]) -> int:
    """The level with the highest probability; the lower one of equals."""
    return max(range(len(probabilities)), key=lambda level: (probabilities[level], -level))


def _rank(statement: Statement) -> tuple[int, float, float]:
    return statement.level, statement.share, statement.probabilities[statement.level]


def _reading(probabilities: Distribution, change: str | None) -> SeverityReading:
    return SeverityReading(most_probable(probabilities), probabilities, change)


def _mix(statement: Statement, base: Distribution) -> Distribution:
    share = statement.share
    p0, p1, p2, p3 = (
        share * said + (1 - share) * otherwise
        for said, otherwise in zip(statement.probabilities, base, strict=True)
    )
    return p0, p1, p2, p3


def _pattern_of_concept(patterns: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {concept: pattern for pattern, concepts in patterns.items() for concept in concepts}
