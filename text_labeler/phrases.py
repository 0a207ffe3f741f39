"""Phrases as people write them, compiled to one trie of words that is walked once per sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

WORD = re.compile(r"\w+|[^\w\s]")
"""A word, or one character that is neither part of a word nor white space."""

_HYPHEN = re.compile(r"(?<=\w)-(?=\w)")
MAXIMUM_CHOICES = 2000
_PART = re.compile(r"\[([^\[\]()]*)\]|\(([^\[\]()]*)\)|([^\[\]()|]+)")
_PLURAL_MINIMUM = 4
_VOWELS = "aeiouy"


class PhraseError(ValueError):
    """A phrase that cannot be read; the message says what is wrong with it."""


class Entry(NamedTuple):
    """What a phrase stands for: its kind (concept, cue, …), its name there, and its place."""

    kind: str
    name: str
    place: str


class Item:
    """A phrase found in a sentence; `first`, `last`: its words, half-open."""

    __slots__ = ("first", "kind", "last", "name")

    def __init__(self, kind: str, name: str, first: int, last: int) -> None:
        self.kind = kind
        self.name = name
        self.first = first
        self.last = last


def expand_phrase(phrase: str) -> list[str]:
    """Write out `[x]` (may be left out) and `(a|b)` (a choice); they do not nest.

    Raises PhraseError for other brackets, an empty phrase or too many choices.
    """
    choices = [""]
    position = 0
    for part in _PART.finditer(phrase):
        if part.start() != position:
            raise PhraseError(f"{phrase!r}: brackets do not close, or stand inside each other")
        position = part.end()
        optional, required, plain = part.groups()
        if optional is not None:
            options = ["", *optional.split("|")]
        elif required is not None:
            options = required.split("|")
        else:
            options = [plain]
        choices = [before + option for before in choices for option in options]
        if len(choices) > MAXIMUM_CHOICES:
            raise PhraseError(f"{phrase!r}: more than {MAXIMUM_CHOICES} choices")
    if position != len(phrase):
        raise PhraseError(f"{phrase!r}: brackets do not close, or stand inside each other")
    written = list(dict.fromkeys(" ".join(choice.split()) for choice in choices))
    if not all(written):
        raise PhraseError(f"{phrase!r}: leaves nothing when every [ ] is left out")
    return written


@dataclass
class WordForms:
    """Which spellings read as one word: those listed, and plurals of words used in phrases."""

    forms: dict[str, str] = field(default_factory=dict)

    def add_listed(self, same_word: Mapping[str, Iterable[str]]) -> None:
        """Add spellings by name: `{"edema": ["oedema"]}`."""
        for word, others in same_word.items():
            for other in others:
                self.forms[other.lower()] = word.lower()

    def add_plurals(self, words: set[str]) -> None:
        """Let regular plurals of `words` read as their singular."""
        for word in sorted(words, key=lambda word: (len(word), word)):
            if len(word) < _PLURAL_MINIMUM or not word.isalpha() or word in self.forms:
                continue
            for plural in _plurals(word):
                self.forms.setdefault(plural, word)

    def add_misspellings(self, words: Iterable[str], vocabulary: set[str]) -> None:
        """Let frequent misspellings of `words` read as them, where they are no other word."""
        for word in words:
            for wrong in _misspellings(word):
                if wrong not in vocabulary:
                    self.forms.setdefault(wrong, word)

    def split(self, text: str) -> list[str]:
        """Split lower-case text into words in their standard form."""
        return [self.forms.get(word, word) for word in WORD.findall(text)]

    def list_others(self) -> dict[str, list[str]]:
        """Give for each standard form the other forms that read as it."""
        others: dict[str, list[str]] = {}
        for form, word in self.forms.items():
            others.setdefault(word, []).append(form)
        return others


def _plurals(word: str) -> Iterator[str]:
    if word.endswith(("s", "x", "ch", "sh")):
        yield word + "es"
    elif word.endswith("y") and word[-2] not in "aeiou":
        yield word[:-1] + "ies"
    else:
        yield word + "s"


def _misspellings(word: str) -> Iterator[str]:
    """A letter left out, doubled, exchanged with the next, or another vowel in its place."""
    for place, letter in enumerate(word):
        before, after = word[:place], word[place + 1 :]
        if place:
            yield before + after
        yield before + letter * 2 + after
        if after and after[0] != letter:
            yield before + after[0] + letter + after[1:]
        if letter in _VOWELS:
            yield from (before + vowel + after for vowel in _VOWELS if vowel != letter)


class PhraseTrie:
    """All phrases of a rule set; the longest phrase that starts at a word wins.

    Finding is linear in the words of a sentence for phrases of bounded length. Every form of a
    word leads to the same node, so that a sentence's words are looked up as they stand.
    """

    def __init__(self, forms: WordForms) -> None:
        self._split = forms.split
        self._others = forms.list_others()
        self._root: dict[str, Any] = {}

    def add(self, phrase: str, entry: Entry) -> None:
        """Add a written-out phrase; PhraseError when it stands for something else already."""
        words = self._split(_HYPHEN.sub(" ", phrase.lower()))
        if not words:
            raise PhraseError(f"{phrase!r}: holds no word")
        node = self._root
        for word in words:
            if word not in node:
                following: dict[str, Any] = {}
                node[word] = following
                for other in self._others.get(word, ()):
                    node[other] = following
            node = node[word]
        known: Entry | None = node.get("")
        if known is not None and known[:2] != entry[:2]:
            raise PhraseError(
                f"{phrase!r} already stands for {known.kind} {known.name} ({known.place})"
            )
        node[""] = entry

    def may_find(self, words: Sequence[str]) -> bool:
        """Tell quickly whether any word could begin a phrase."""
        return not self._root.keys().isdisjoint(words)

    def find(self, words: Sequence[str]) -> list[Item]:
        """Find phrases among the lower-case words of a sentence (`split_words`), from the left,
        the longest first, none inside of another."""
        root = self._root
        items: list[Item] = []
        reached = 0
        count = len(words)
        for first in [place for place, word in enumerate(words) if word in root]:
            if first < reached:
                continue
            node = root[words[first]]
            last = first
            entry: Entry | None = None
            while node is not None:
                last += 1
                if "" in node:
                    reached, entry = last, node[""]
                node = node.get(words[last]) if last < count else None
            if entry is not None:
                items.append(Item(entry[0], entry[1], first, reached))
        return items


split_words = WORD.findall
"""Split a lower-case sentence into its words as they stand."""


def find_starts(sentence: str, words: Sequence[str], offset: int = 0) -> list[int]:
    """Give the character at which each word of a sentence begins, with an offset added."""
    starts = []
    place = 0
    find = sentence.index
    for word in words:
        place = find(word, place)
        starts.append(place + offset)
        place += len(word)
    return starts
