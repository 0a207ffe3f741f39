"""Decides what a sentence says of each mention: which cue reaches it, how much, since when.

In the manner of NegEx and ConText (Chapman et al. 2001, Harkema et al. 2009): a cue reaches the
findings ahead of it or behind it up to the end of its clause, and lists carry it on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from text_labeler.grade_words import TELLS_PRESENCE, find_change, find_grade
from text_labeler.mentions import Clause, Mention, MentionFinder, split_clauses
from text_labeler.phrases import Item
from text_labeler.rule_checks import LOST_DENIAL
from text_labeler.rulebook import RuleBook
from text_labeler.rules_schema import Cue

DENIALS = frozenset({"negated", "not_new", "resolved", "normal"})
BEHIND_REACH = 12
ANSWER_REACH = 2
"""Words (a colon, a dash) that may stand between a finding and a bare "no" behind it."""

ALTERNATIVE_REACH = 5
LOST_DENIAL_MENTIONS = 3
_OR = "alternative"
_STAYS = frozenset({"hypothetical", "other_person"})
_NOT_PARTNERS = DENIALS | _STAYS | {"prior"}
_DESCRIBING = frozenset({"grade", "change", "predicate"})


class SentenceReader:
    """Reads one sentence at a time; a reading depends on nothing but the sentence's text."""

    def __init__(self, book: RuleBook) -> None:
        self._phrases = book.phrases
        self._cues = book.cues
        self._routinely_denied = book.routinely_denied
        self._finder = MentionFinder(book.structures)
        self._patterns = _concepts_of(book.severity.patterns)
        self._partners = _concepts_of(
            {name: book.severity.patterns[name] for name in book.severity.linked_to}
        )
        self._unless = frozenset(book.severity.linked_unless)
        self._linked = _concepts_of(book.severity.linked_patterns)

    def read(self, words: Sequence[str]) -> list[Mention]:
        """Find the mentions in a sentence, given as lower-case words, with their statuses."""
        items = self._phrases.find(words)
        mentions: list[Mention] = []
        for clause in split_clauses(items):
            self._finder.add_mentions(clause)
            if clause.mentions:
                self._read_clause(clause)
                mentions += clause.mentions
        if len(mentions) > 1:
            self._link_opacities(mentions)
            self._supersede(items, mentions)
        return mentions

    def _read_clause(self, clause: Clause) -> None:
        kinds = clause.kinds
        if not kinds.isdisjoint(_DESCRIBING):
            for mention in clause.mentions:
                mention.grade = find_grade(clause.items, mention)
                mention.change = find_change(clause.items, mention)
        if "cue" in kinds:
            ahead = _reach_ahead(clause, self._cues)
            behind = _reach_behind(clause, self._cues)
            for index, mention in enumerate(clause.mentions):
                if not mention.closed:
                    self._set_status(mention, ahead.get(index), behind.get(index))
        if "joiner" in kinds and ("cue" in kinds or not self._mark_lost_denial(clause)):
            _mark_alternatives(clause)

    def _set_status(self, mention: Mention, ahead: Item | None, behind: Item | None) -> None:
        cue = ahead
        if behind is not None and (ahead is None or self._behind_wins(mention, ahead, behind)):
            cue = behind
        if cue is None:
            return
        status = self._cues[cue.name].status
        if status == "prior" and mention.change in TELLS_PRESENCE:
            return  # "the previously seen effusion is unchanged"
        if mention.status == "borderline" and status not in DENIALS:
            return
        mention.set_status(status, cue)

    def _behind_wins(self, mention: Mention, ahead: Item, behind: Item) -> bool:
        if self._cues[ahead.name].status not in DENIALS:
            return not _joins(self._cues, ahead, behind)  # "possible atelectasis versus scarring"
        if self._cues[behind.name].status in DENIALS:
            return False
        return behind.first - mention.last < mention.first - ahead.last

    def _mark_lost_denial(self, clause: Clause) -> bool:
        """Mark "Focal consolidation, effusion or pneumothorax.", which is said of nothing there."""
        mentions = clause.mentions
        if len(mentions) < LOST_DENIAL_MENTIONS or any(one.grade or one.change for one in mentions):
            return False
        between = clause.items[: mentions[-1].item + 1]
        if {item.kind for item in between} != {"concept", "joiner"} or between[-2].name != _OR:
            return False
        if self._routinely_denied.isdisjoint(mention.concept for mention in mentions):
            return False
        for mention in mentions:
            mention.set_status(LOST_DENIAL, between[-2])
            mention.cue = LOST_DENIAL
        return True

    def _link_opacities(self, mentions: Sequence[Mention]) -> None:
        said = [mention for mention in mentions if mention.status not in _NOT_PARTNERS]
        partners = [mention.status for mention in said if mention.concept in self._partners]
        if not partners or any(mention.concept in self._unless for mention in said):
            return
        for mention in mentions:
            if mention.concept in self._linked:
                mention.linked_status = partners[0]

    def _supersede(self, items: Sequence[Item], mentions: Sequence[Mention]) -> None:
        """Mark the earlier state in "interstitial edema has progressed to alveolar edema"."""
        turns = [item for item in items if item.kind == "change" and item.name == "transition"]
        states = [mention for mention in mentions if mention.concept in self._patterns]
        for turn in turns:
            if any(state.first >= turn.last for state in states):
                for state in states:
                    state.superseded |= state.last <= turn.first


def _concepts_of(
    patterns: Mapping[str, Sequence[str]], leave_out: Sequence[str] = ()
) -> frozenset[str]:
    return frozenset(
        concept
        for name, concepts in patterns.items()
        if name not in leave_out
        for concept in concepts
    )


def _reach_ahead(clause: Clause, cues: Mapping[str, Cue]) -> dict[int, Item]:
    """For each mention (by its place in the clause) the cue in front that reaches it."""
    starts: dict[int, list[int]] = {}
    for index, mention in enumerate(clause.mentions):
        starts.setdefault(mention.item, []).append(index)
    reached: dict[int, Item] = {}
    active: Item | None = None
    for place, item in enumerate(clause.items):
        if item.kind == "cue" and cues[item.name].looks == "either" and not _leads(clause, place):
            continue
        active = _pass_item(active, item, cues)
        for index in starts.get(place, ()):
            mention = clause.mentions[index]
            if mention.closed:
                _apply_inner_denial(clause, mention, cues)
                active = None
            elif active:
                if _starts_anew(clause, place, active):
                    active = None
                else:
                    reached[index] = active
    return reached


def _pass_item(active: Item | None, item: Item, cues: Mapping[str, Cue]) -> Item | None:
    if item.kind == "cue" and cues[item.name].looks != "behind":
        return _choose_cue(active, item, cues)
    if item.kind == "hedge_end" and active and cues[active.name].status not in DENIALS:
        return None
    return active


def _choose_cue(active: Item | None, new: Item, cues: Mapping[str, Cue]) -> Item:
    if active is None:
        return new
    status = cues[active.name].status
    if status in _STAYS:
        return active  # "evaluate for possible pneumonia"
    return active if _joins(cues, active, new) else new


def _joins(cues: Mapping[str, Cue], active: Item, new: Item) -> bool:
    """Tell whether a cue leaves what an earlier one says: "no opacity to suggest pneumonia"."""
    status = cues[active.name].status
    return cues[new.name].after_cue == "joins" and status not in {"prior", "consistent_with"}


def _apply_inner_denial(clause: Clause, mention: Mention, cues: Mapping[str, Cue]) -> None:
    """Turn "the heart is not enlarged", where the cue stands inside of the mention."""
    for item in clause.items[: mention.item]:
        if item.kind == "cue" and item.first >= mention.last:
            status = cues[item.name].status
            if status in DENIALS:
                mention.set_status("hypothetical" if mention.status == "normal" else status, item)
            elif mention.status != "normal":
                mention.set_status(status, item)


def _starts_anew(clause: Clause, place: int, active: Item) -> bool:
    """Tell whether a list ends here: "no consolidation, small left effusion"."""
    items = clause.items
    adjective = False
    index = place - 1
    while index >= 0 and items[index].kind in {"grade", "change", "predicate"}:
        adjective = adjective or items[index].kind in {"grade", "change"}
        index -= 1
    if not adjective or index < 0 or items[index].first <= active.first:
        return False
    if items[index].kind not in {"joiner", "hedge_end"} or items[index].name == "alternative":
        return False
    later = items[place:]
    return not any(item.kind == "joiner" and item.name == _OR for item in later)


def _reach_behind(clause: Clause, cues: Mapping[str, Cue]) -> dict[int, Item]:
    """For each mention (by its place in the clause) the cue behind that reaches it."""
    by_place = {mention.item: index for index, mention in enumerate(clause.mentions)}
    reached: dict[int, Item] = {}
    for place, cue in enumerate(clause.items):
        if cue.kind != "cue":
            continue
        looks = cues[cue.name].looks
        if looks == "ahead" and not _is_answer(clause, place, cues):
            continue
        if looks == "either" and _leads(clause, place):
            continue
        for index in _list_before(clause, place, by_place, cues):
            reached.setdefault(index, cue)
    return reached


def _leads(clause: Clause, place: int) -> bool:
    """Tell whether a cue speaks of what follows it: "less likely pneumonia"."""
    if not any(item.kind == "concept" for item in clause.items[:place]):
        return True
    edge = clause.items[place].last
    for item in clause.items[place + 1 :]:
        if item.first - edge > 1 or item.kind not in {"concept", "grade", "change", "structure"}:
            return False
        if item.kind in {"concept", "structure"}:
            return True
        edge = item.last
    return False


def _is_answer(clause: Clause, place: int, cues: Mapping[str, Cue]) -> bool:
    """Tell whether a denial says all of what it follows: "Effusion: no", "pneumothorax - no"."""
    cue = clause.items[place]
    if not place or place + 1 < len(clause.items) or cues[cue.name].status not in DENIALS:
        return False
    before = clause.items[place - 1]
    return before.kind == "concept" and 0 < cue.first - before.last <= ANSWER_REACH


def _list_before(
    clause: Clause, place: int, by_place: Mapping[int, int], cues: Mapping[str, Cue]
) -> list[int]:
    """The mentions of the list that ends before a cue: "effusion or pneumothorax is not seen"."""
    group: list[int] = []
    edge = clause.items[place].first
    joined = listed = False
    for index in range(place - 1, -1, -1):
        item = clause.items[index]
        if index in by_place:
            mention = clause.mentions[by_place[index]]
            if mention.closed or edge - mention.last > BEHIND_REACH or (group and not joined):
                break
            group.append(by_place[index])
            edge, joined = mention.first, False
        elif item.kind == "joiner":
            listed = listed or item.name in {"alternative", "and"}
            joined = joined or listed  # a bare comma alone may separate two statements
        elif item.kind == "cue" and cues[item.name].status == "prior":
            continue  # "the edema seen previously has resolved"
        elif item.kind in {"cue", "structure", "predicate", "hedge_end"}:
            break
    return group


def _mark_alternatives(clause: Clause) -> None:
    """Hedge both sides of "atelectasis or infiltrate" when nothing else is said of them."""
    for left, right in zip(clause.mentions, clause.mentions[1:], strict=False):
        between = clause.items[left.item + 1 : right.item]
        joiners = [item for item in between if item.kind == "joiner"]
        if len(joiners) != 1 or joiners[0].name != _OR or left.closed or right.closed:
            continue
        near = right.first - left.last <= ALTERNATIVE_REACH
        if near and left.concept != right.concept and right.status == "affirmed":
            if left.status == "affirmed":
                left.set_status("alternative", joiners[0])
            if left.status == "alternative":
                right.set_status("alternative", joiners[0])
