"""Reports that are nearly the same: most of their phrases of three words are shared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

PHRASE_WORDS = 3
NEAR_SHARE = 0.8
BANDS, BAND_ROWS = 16, 4
"""At a shared share of 0.8 a pair is missed once in 4,600 times, (1 - 0.8⁴)¹⁶."""

PRIME = np.uint64((1 << 31) - 1)
HASH_SEED = 0

Phrases = frozenset[int]


def find_near(reports: Sequence[str], known: Iterable[str]) -> list[bool]:
    """Say of each report whether one of `known` shares at least 80 % of its phrases with it.

    The share is Jaccard's, of phrases in both among phrases in either. Candidates come from
    MinHash (Broder 1997) in bands, and each is then counted exactly. Texts are words with one
    space between (`trust_report.strip_to_words`); one of fewer than three words is one phrase.
    """
    table: dict[tuple[int, bytes], list[Phrases]] = defaultdict(list)
    for text in dict.fromkeys(known):
        phrases = list_phrases(text)
        for place in _name_bands(phrases):
            table[place].append(phrases)
    found = {text: _has_near(list_phrases(text), table) for text in dict.fromkeys(reports)}
    return [found[text] for text in reports]


def list_phrases(text: str) -> Phrases:
    """Give the hashes of all runs of three words."""
    words = text.split()
    starts = range(max(1, len(words) - PHRASE_WORDS + 1))
    return frozenset(crc32(" ".join(words[i : i + PHRASE_WORDS]).encode()) for i in starts)


def share_phrases(first: Phrases, second: Phrases) -> float:
    """Give Jaccard's share of two sets of phrases, neither empty."""
    return len(first & second) / len(first | second)


def _has_near(phrases: Phrases, table: dict[tuple[int, bytes], list[Phrases]]) -> bool:
    candidates = {other for place in _name_bands(phrases) for other in table.get(place, ())}
    return any(share_phrases(phrases, other) >= NEAR_SHARE for other in candidates)


def _name_bands(phrases: Phrases) -> list[tuple[int, bytes]]:
    values: NDArray[np.uint64] = np.fromiter(phrases, np.uint64, len(phrases)) % PRIME
    factors, terms = _draw_hashes()
    signature = ((values[:, None] * factors + terms) % PRIME).min(axis=0)
    parts = signature.reshape(BANDS, BAND_ROWS)
    return [(band, part.tobytes()) for band, part in enumerate(parts)]


@cache
def _draw_hashes() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Draw a and b of h(x) = (a x + b) mod 2³¹ - 1, the same in every run; no product overflows."""
    generator = np.random.default_rng(HASH_SEED)
    drawn = generator.integers(1, int(PRIME), (2, BANDS * BAND_ROWS), np.uint64)
    return drawn[0], drawn[1]
