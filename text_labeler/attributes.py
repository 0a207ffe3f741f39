"""Finds where a finding is: the side and the region that a sentence names for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from text_labeler.mentions import Mention
from text_labeler.phrases import PhraseTrie
from text_labeler.rules_schema import AttributeRules, Place

REACH_AHEAD = 5
"""Words that may stand between a place and the finding after it ("left small loculated …")."""

REACH_BEHIND = 8
"""Words that may stand between a finding and a place behind it ("effusion is seen on the …")."""


class _Group(NamedTuple):
    """Places that stand side by side ("left lower lobe"), and their words, half-open."""

    first: int
    last: int
    places: list[Place]


class AttributeReader:
    """Gives the mentions of a sentence their laterality and anatomy."""

    def __init__(self, rules: AttributeRules, phrases: PhraseTrie) -> None:
        self._places = rules.places
        self._phrases = phrases
        self._prepositions = frozenset(rules.prepositions)
        self._articles = frozenset(rules.articles)

    def add_attributes(self, words: Sequence[str], mentions: Sequence[Mention]) -> None:
        """Set `laterality` and `anatomy` of the mentions that the sentence names a place for."""
        if not self._phrases.may_find(words):
            return
        for group in self._find_groups(words):
            for mention in self._find_owners(words, group, mentions):
                for place in group.places:
                    _add_place(mention, place)

    def _find_groups(self, words: Sequence[str]) -> list[_Group]:
        groups: list[_Group] = []
        for item in self._phrases.find(words):
            if item.kind != "place":
                continue
            place = self._places[item.name]
            if groups and groups[-1].last == item.first:
                groups[-1] = _Group(groups[-1].first, item.last, [*groups[-1].places, place])
            else:
                groups.append(_Group(item.first, item.last, [place]))
        return groups

    def _find_owners(
        self, words: Sequence[str], group: _Group, mentions: Sequence[Mention]
    ) -> Iterable[Mention]:
        """The mention that holds the place, the one after it, or, behind a preposition or when
        none follows, the one before."""
        inside = [m for m in mentions if m.shown_first < group.last and group.first < m.shown_last]
        if inside:
            return inside
        after = [m for m in mentions if 0 <= m.shown_first - group.last <= REACH_AHEAD]
        before = [m for m in mentions if 0 <= group.first - m.shown_last <= REACH_BEHIND]
        nearest = max((mention.shown_last for mention in before), default=0)
        owners = [mention for mention in before if mention.shown_last == nearest]
        if after and not (owners and self._follows_preposition(words, group.first)):
            closest = min(mention.shown_first for mention in after)
            owners = [mention for mention in after if mention.shown_first == closest]
        return owners

    def _follows_preposition(self, words: Sequence[str], place: int) -> bool:
        place -= 1
        while place >= 0 and words[place] in self._articles:
            place -= 1
        return place >= 0 and words[place] in self._prepositions


def _add_place(mention: Mention, place: Place) -> None:
    mention.anatomy = mention.anatomy or place.anatomy
    if mention.laterality and place.laterality not in {"", mention.laterality}:
        mention.laterality = "bilateral"
    else:
        mention.laterality = mention.laterality or place.laterality
