"""Lays a user's rules over the shipped ones: only what is different needs to be written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from text_labeler.rule_files import Key, RuleError, RuleFile

REMOVE = "remove"


def lay_over(below: RuleFile, above: RuleFile) -> RuleFile:
    """Return two files of one name as one file.

    Mappings are merged. A list of words gets the words of the upper one, without those it names
    as `remove: <word>`. Everything else stands as the upper file has it. Raises RuleError for a
    word to remove that is not there.
    """
    layers = _Layers(above, dict(below.places))
    return RuleFile(above.path, layers.merge(below.values, above.values, ()), layers.places)


class _Layers:
    """Merges values and keeps book of where each stands."""

    def __init__(self, above: RuleFile, places: dict[Key, str]) -> None:
        self._above = above
        self.places = places

    def merge(self, below: Any, above: Any, key: Key) -> Any:
        if key in self._above.places:
            self.places[key] = self._above.places[key]
        if isinstance(above, Mapping):
            merged = dict(below) if isinstance(below, Mapping) else {}
            for name, value in above.items():
                merged[name] = self.merge(merged.get(name), value, (*key, str(name)))
            return merged
        if isinstance(above, list):
            if _holds_words(below) and _holds_words(above, besides=Mapping):
                return self._join(below, above, key)
            for index, value in enumerate(above):
                self.merge(None, value, (*key, index))
        return above

    def _join(self, below: list[str], above: list[Any], key: Key) -> list[str]:
        place = self._above.places
        words = {
            word: self.places.get((*key, index), self._above.place(key))
            for index, word in enumerate(below)
        }
        for index, item in enumerate(above):
            if isinstance(item, str):
                words.setdefault(item, place[(*key, index)])
            elif set(item) != {REMOVE} or str(item[REMOVE]) not in words:
                raise RuleError(
                    f"{place[(*key, index)]}: {item}: expected a phrase, or `{REMOVE}: <phrase>`"
                    " with a phrase that stands in the shipped rules just so"
                )
            else:
                del words[str(item[REMOVE])]
        for index, where in enumerate(words.values()):
            self.places[(*key, index)] = where
        return list(words)


def _holds_words(value: Any, *, besides: type = str) -> bool:
    return isinstance(value, list) and all(isinstance(one, (str, besides)) for one in value)
