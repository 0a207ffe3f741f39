"""Finds what a clause speaks of: named concepts, and structures that are called normal or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from text_labeler.phrases import Item
from text_labeler.rules_schema import Structure

PREDICATE_REACH = 8
"""Words that may stand between a structure and its predicate ("heart size is at the upper …")."""

ATTRIBUTE_REACH = 4
"""Words that may stand between a predicate and the structure after it ("enlargement of the …")."""

_PASSED = frozenset({"grade", "change"})
_CUTTING = frozenset({"clause_end", "ignored"})
_NAMING = frozenset({"concept", "predicate"})
_OF_THE_REST = "otherwise_normal"
"""Says of a structure that all is normal but for what the sentence has named."""


class Mention:
    """A concept named in a sentence, and what the sentence says of it.

    Places are words of the sentence, half-open: `first`, `last` where cues find it, `shown_first`,
    `shown_last` the words that name it, `cue_first`, `cue_last` its cue's (equal: no cue).
    `status` is a status of cues.yaml; `cue` the name of the group that gave it. `item` is the
    place among the items of its clause. A mention is `closed` when its own predicate says all
    ("the heart is enlarged"): cues around it do not change it. `laterality`: left, right,
    bilateral or nothing; `anatomy`: a region's name or nothing.
    """

    __slots__ = (
        "anatomy", "change", "closed", "concept", "cue", "cue_first", "cue_last", "first", "grade",
        "item", "last", "laterality", "linked_status", "shown_first", "shown_last", "status",
        "superseded",
    )  # fmt: skip

    def __init__(
        self, concept: str, item: int, first: int, last: int, shown_first: int, shown_last: int
    ) -> None:
        self.concept = concept
        self.item = item
        self.first = first
        self.last = last
        self.shown_first = shown_first
        self.shown_last = shown_last
        self.status = "affirmed"
        self.cue = ""
        self.cue_first = 0
        self.cue_last = 0
        self.closed = False
        self.grade = ""
        self.change = ""
        self.laterality = ""
        self.anatomy = ""
        self.linked_status = ""
        self.superseded = False

    def set_status(self, status: str, cue: Item) -> None:
        """Take a status from a cue."""
        self.status, self.cue = status, cue.name
        self.cue_first, self.cue_last = cue.first, cue.last


class Clause:
    """The items between two clause ends, and the mentions in them, in the order of the text."""

    __slots__ = ("items", "kinds", "mentions")

    def __init__(self, items: Sequence[Item], kinds: Set[str]) -> None:
        self.items = items
        self.kinds = kinds
        self.mentions: list[Mention] = []


def split_clauses(items: Sequence[Item]) -> list[Clause]:
    """Cut the items of a sentence at clause ends; read-past phrases are dropped.

    A clause that a word like "although" begins ends at the last comma.
    """
    kinds = {item.kind for item in items}
    if kinds.isdisjoint(_CUTTING):
        return [Clause(items, kinds)]
    clauses: list[list[Item]] = [[]]
    comma = _find_main_clause(items) if items and items[0].kind == "clause_end" else None
    for item in items:
        if item.kind == "clause_end" or item is comma:
            clauses.append([])
        elif item.kind != "ignored":
            clauses[-1].append(item)
    return [Clause(clause, {item.kind for item in clause}) for clause in clauses if clause]


def _find_main_clause(items: Sequence[Item]) -> Item | None:
    """The comma that ends "Although there is no effusion, …"; none in a list of findings."""
    if items[0].first:
        return None
    for item in reversed(items):
        if item.name == "comma":
            return item
        if item.name == "alternative" or item.kind == "clause_end":
            return None
    return None


class MentionFinder:
    """Turns concepts, and structures with their predicates, into mentions."""

    def __init__(self, structures: Mapping[str, Structure]) -> None:
        self._structures = structures

    def add_mentions(self, clause: Clause) -> None:
        """Fill `clause.mentions`."""
        items = clause.items
        if clause.kinds.isdisjoint(_NAMING):
            return
        mentions = [
            Mention(item.name, index, item.first, item.last, item.first, item.last)
            for index, item in enumerate(items)
            if item.kind == "concept"
        ]
        if "predicate" in clause.kinds:
            predicates = [index for index, item in enumerate(items) if item.kind == "predicate"]
            mentions += self._read_predicates(items, predicates, mentions)
            mentions.sort(key=lambda mention: (mention.first, mention.concept))
        clause.mentions = mentions

    def _read_predicates(
        self, items: Sequence[Item], predicates: list[int], mentions: list[Mention]
    ) -> list[Mention]:
        bound: set[int] = set()
        found: list[Mention] = []
        later = []
        for index in predicates:  # "the heart is enlarged": the structure just before
            group = _structures_before(items, index, bound)
            if group and (items[index].name == _OF_THE_REST or group[0] == _previous(items, index)):
                bound.update(group)
                found += self._describe(items, index, group)
            else:
                later.append(index)
        for index in later:  # "an enlarged heart", and what else is left
            group = _structures_after(items, index, bound) or _structures_before(
                items, index, bound
            )
            if group:
                bound.update(group)
                found += self._describe(items, index, group)
            else:
                _qualify_mention(items, index, mentions)
        return found

    def _describe(self, items: Sequence[Item], index: int, group: list[int]) -> list[Mention]:
        predicate = items[index]
        mentions = []
        for place in group:
            structure = items[place]
            meaning = self._structures[structure.name].means.get(predicate.name, {})
            comes_before = place < index
            for concept, status in meaning.items():
                shown_first, shown_last = structure.first, structure.last
                if status != "normal":  # the words that name the finding are both
                    shown_first = min(shown_first, predicate.first)
                    shown_last = max(shown_last, predicate.last)
                mention = Mention(
                    concept, index, structure.first, structure.last, shown_first, shown_last
                )
                mention.closed = comes_before or status == "normal"
                if not comes_before:
                    mention.first, mention.item = predicate.first, min(index, place)
                mention.set_status(status, predicate)
                if status == "affirmed":
                    mention.cue, mention.cue_first, mention.cue_last = "", 0, 0
                mentions.append(mention)
        return mentions


def _previous(items: Sequence[Item], index: int) -> int:
    """The item before `index`, past grades, changes and cues ("is not mildly enlarged")."""
    index -= 1
    while index >= 0 and (items[index].kind in _PASSED or items[index].kind == "cue"):
        index -= 1
    return index


def _structures_before(items: Sequence[Item], index: int, bound: set[int]) -> list[int]:
    """Structures that a predicate behind them speaks of, the nearest first: "heart size and
    mediastinum are normal"."""
    group: list[int] = []
    edge = items[index].first
    joined = True
    of_the_rest = items[index].name == _OF_THE_REST
    for place in range(index - 1, -1, -1):
        item = items[place]
        if of_the_rest and item.kind == "concept":
            edge = item.first
        elif item.kind == "structure":
            if not joined or place in bound or edge - item.last > PREDICATE_REACH:
                break
            before = items[place - 1] if place else None
            owned = (
                before is not None and before.kind == "predicate" and item.first - before.last < 3
            )
            if owned and group:
                break
            group.append(place)
            edge, joined = item.first, False
        elif item.kind == "joiner":
            joined = True
        elif item.kind not in _PASSED and (item.kind != "cue" or group):
            break
    return group


def _structures_after(items: Sequence[Item], index: int, bound: set[int]) -> list[int]:
    """Structures that a predicate in front of them speaks of: "normal heart and mediastinum"."""
    group: list[int] = []
    edge = items[index].last
    joined = True
    for place in range(index + 1, len(items)):
        item = items[place]
        if item.kind == "structure":
            if not joined or place in bound or item.first - edge > ATTRIBUTE_REACH:
                break
            group.append(place)
            edge, joined = item.last, False
        elif item.kind == "joiner" and group:
            joined = True
        elif item.kind not in _PASSED:
            break
    return group


def _qualify_mention(items: Sequence[Item], index: int, mentions: list[Mention]) -> None:
    """Let a predicate without a structure speak of a named concept: "borderline cardiomegaly",
    "interstitial markings are normal"."""
    predicate = items[index]
    for mention in mentions:
        ahead = mention.first - predicate.last
        behind = predicate.first - mention.last
        if predicate.name == "borderline" and (0 <= ahead < ATTRIBUTE_REACH):
            mention.set_status("borderline", predicate)
        elif predicate.name == "normal" and mention.item == index - 1 and 0 <= behind < 5:
            mention.set_status("normal", predicate)
            mention.closed = True
