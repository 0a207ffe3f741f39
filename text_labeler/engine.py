"""What mining asks of whatever runs its work, here or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, Self

CHUNKS_AHEAD = 2
"""Chunks handed to each worker before earlier ones come back: memory stays flat."""

Work = Iterable[tuple[int, bytes]]
"""Numbered chunks, made as they are asked for."""


class EngineError(ValueError):
    """Work that could not go on; the message says what to do."""


class Engine(Protocol):
    """Runs `label(chunk, *settings)` for each chunk, anywhere; to be used in a `with` block.

    Its workers start when it is made, so that they do while the corpus is read.
    """

    def run(
        self, label: Callable[..., bytes], work: Work, settings: tuple[Any, ...]
    ) -> Iterator[tuple[int, bytes]]:
        """Give each chunk's number and result, in any order."""

    def __enter__(self) -> Self:
        """Return the engine."""

    def __exit__(self, *error: object) -> None:
        """End its workers."""
