"""Slows down who guesses passwords: a wait that grows with each wrong try, kept in memory."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE_TRIES = 5
"""Wrong passwords of one name from one address, before it has to wait."""

FREE_OF_ADDRESS = 20
"""Of all names from one address: who tries one password on many names waits too."""

FREE_OF_NAME = 50
"""Of one name from all addresses."""

FIRST_WAIT = 2.0
LONGEST_WAIT = 900.0
FORGET_SECONDS = 3600.0
MOST_KEPT = 10_000

Key = tuple[str, str]


@dataclass
class _Count:
    wrong: int = 0
    last: float = 0.0
    until: float = 0.0


class Attempts:
    """Counts the wrong passwords of each name and address; safe for threads.

    After the free ones each further try waits twice as long as the one before, at most a quarter of
    an hour; an hour without a try forgets it.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: OrderedDict[Key, _Count] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, name: str, address: str) -> float:
        """Count a try as wrong until `forgive`; return the seconds to wait first, 0 for none.

        A try that has to wait is not counted, and its password must not be looked at.
        """
        now = self._clock()
        with self._lock:
            counts = [(self._find(key, now), free) for key, free in _name_keys(name, address)]
            wait = max(count.until for count, _ in counts) - now
            if wait > 0:
                return wait
            for count, free in counts:
                count.wrong += 1
                count.last = now
                # A high power would be too big a number.
                doublings = min(count.wrong - free, 20)
                if doublings >= 0:
                    count.until = now + min(LONGEST_WAIT, FIRST_WAIT * 2**doublings)
        return 0.0

    def forgive(self, name: str, address: str) -> None:
        """Take the last try back: its password was right."""
        with self._lock:
            (own, _), *others = _name_keys(name, address)
            self._counts.pop(own, None)
            for key, _ in others:
                if key in self._counts:
                    count = self._counts[key]
                    count.wrong, count.until = max(0, count.wrong - 1), 0.0

    def _find(self, key: Key, now: float) -> _Count:
        count = self._counts.pop(key, None)
        if count is None or now - count.last > FORGET_SECONDS:
            count = _Count()
        self._counts[key] = count
        while len(self._counts) > MOST_KEPT:
            self._counts.popitem(last=False)
        return count


def _name_keys(name: str, address: str) -> list[tuple[Key, int]]:
    return [
        ((name, address), FREE_TRIES),
        (("", address), FREE_OF_ADDRESS),
        ((name, ""), FREE_OF_NAME),
    ]
