"""Finds the words that say how much of a finding there is, and how it changed: "mild, improved"."""

from __future__ import annotations

from collections.abc import Sequence

from text_labeler.mentions import Mention
from text_labeler.phrases import Item

GRADE_REACH = 4
"""Words that may stand between a grade or a change and the finding after it."""

GRADE_BEHIND_REACH = 7
CHANGE_BEHIND_REACH = 5
"""Words that may stand between a finding and what is said behind it: "edema, which is mild"."""

TELLS_PRESENCE = frozenset({"unchanged", "worse", "new", "better"})
_IS_GRADED_ITSELF = frozenset({"better", "worse", "transition"})  # "marked improvement in edema"


def find_grade(items: Sequence[Item], mention: Mention) -> str:
    """The grade word that belongs to a mention: "mild edema", "edema, which is mild"."""
    for index in range(mention.item - 1, -1, -1):
        item = items[index]
        if item.kind == "grade" and mention.first - item.last <= GRADE_REACH:
            return item.name
        if item.kind not in {"change", "predicate"} or item.name in _IS_GRADED_ITSELF:
            break
    for index in range(mention.item + 1, len(items)):
        item = items[index]
        if item.kind == "grade":
            near = item.first - mention.last <= GRADE_BEHIND_REACH
            owner = items[index + 1] if index + 1 < len(items) else None
            other = owner and _may_own_grade(owner) and owner.first - item.last < 4
            return item.name if near and not other else ""
        if item.kind != "joiner" and not _change_of(item):
            break
    return ""


def _may_own_grade(item: Item) -> bool:
    """Tell whether a grade in front may belong to this: "mild effusion", "slightly improved"."""
    if item.kind == "change":
        return item.name in _IS_GRADED_ITSELF
    return item.kind in {"concept", "structure"}


def _change_of(item: Item) -> str:
    """The change that an item tells, if any; "increased" may also speak of a structure's size."""
    if item.kind == "change":
        return item.name
    return "worse" if item.kind == "predicate" and item.name == "increased" else ""


def find_change(items: Sequence[Item], mention: Mention) -> str:
    """The change that is told of a mention: "unchanged edema", "edema, now worse"."""
    for index in range(mention.item - 1, -1, -1):
        item = items[index]
        change = _change_of(item)
        if mention.first - item.last > GRADE_REACH or not (change or item.kind == "grade"):
            break
        if change in TELLS_PRESENCE:
            return change
    for index in range(mention.item + 1, len(items)):
        item = items[index]
        change = _change_of(item)
        if item.first - mention.last > CHANGE_BEHIND_REACH:
            break
        if change in TELLS_PRESENCE:
            return "" if _belongs_to_next(items, index) else change
        if not change and item.kind != "grade" and item.name != "comma":
            break
    return ""


def _belongs_to_next(items: Sequence[Item], index: int) -> bool:
    """Tell whether a change stands before a finding of its own: "edema, unchanged effusion"."""
    edge = items[index].last
    for item in items[index + 1 :]:
        if item.first - edge > 3:
            return False
        if item.kind in {"concept", "structure"}:
            return True
        if item.kind not in {"grade", "change", "predicate"}:
            return False
        edge = item.last
    return False
