"""Holds what a reader found against the counts that a corpus's publishers give."""

from __future__ import annotations

import logging
from collections.abc import Mapping

logger = logging.getLogger(__name__)

FULL_SET_SHARE = 0.8
"""With a smaller share of the first known count this is a part, whose counts nobody knows."""


def report_counts(name: str, found: Mapping[str, int], known: Mapping[str, int]) -> tuple[str, ...]:
    """Warn of each count of the full set that differs; return what was said, in words.

    The first entry of `known` tells the full set from a part of it: where less than
    FULL_SET_SHARE of it was found, nothing is compared. Only what both name is compared. A
    difference is never an error: copies of a corpus differ, and so do its versions.
    """
    first = next(iter(known))
    if found.get(first, 0) < FULL_SET_SHARE * known[first]:
        return ()
    said = tuple(
        f"{name}: {found[what]:,} {what}, and {count:,} are published"
        for what, count in known.items()
        if what in found and found[what] != count
    )
    for words in said:
        logger.warning("%s", words)
    return said
