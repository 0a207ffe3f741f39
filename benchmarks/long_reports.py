"""Times the labeler on single reports of growing length, kindly and unkindly written."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from peers.rounds import seconds
from tqdm import tqdm

from text_labeler.labeler import Labeler

FEWEST_CHARACTERS = 300_000
"""Shorter texts are read again and again, each time anew, until so many characters are read, or
as many as the longest text has."""


def time_lengths(
    texts: dict[str, Callable[[int], str]], lengths: Sequence[int], profile: str, core: int
) -> list[dict[str, Any]]:
    """Return characters per second by kind of text and length, nothing remembered before."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    rows = []
    fewest = min(FEWEST_CHARACTERS, max(lengths))
    for name, make_text in tqdm(texts.items(), desc="lengths", unit=" texts", disable=None):
        for length in lengths:
            text = make_text(length)
            times = max(1, fewest // length)
            taken = sum(_read(text, profile) for _ in range(times)) / times
            rows.append(
                {"text": name, "characters": length, "characters_per_second": length / taken}
            )
    os.sched_setaffinity(0, allowed)
    return rows


def _read(text: str, profile: str) -> float:
    labeler = Labeler(profile)
    return seconds(lambda: labeler(text))
