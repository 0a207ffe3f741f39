"""What runs the work of mining: this process, or several processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any, Protocol

CHUNKS_AHEAD = 2
"""Chunks handed to each worker before earlier ones come back: memory stays flat."""

Work = Iterable[tuple[int, bytes]]
"""Numbered chunks, made as they are asked for."""


class EngineError(ValueError):
    """Work that could not go on; the message says what to do."""


class Engine(Protocol):
    """Runs `label(chunk, *settings)` for each chunk, anywhere."""

    def run(
        self, label: Callable[..., bytes], work: Work, settings: tuple[Any, ...]
    ) -> Iterator[tuple[int, bytes]]:
        """Give each chunk's number and result, in any order."""


class Processes:
    """Processes of this machine; one worker is this process itself."""

    def __init__(self, workers: int = 1) -> None:
        if workers < 1:
            raise EngineError(f"workers: {workers}; expected 1 or more")
        self.workers = workers

    def run(
        self, label: Callable[..., bytes], work: Work, settings: tuple[Any, ...]
    ) -> Iterator[tuple[int, bytes]]:
        """Give results in order; raises EngineError when a worker process dies."""
        if self.workers == 1:
            return ((index, label(chunk, *settings)) for index, chunk in work)
        return self._run_apart(label, work, settings)

    def _run_apart(
        self, label: Callable[..., bytes], work: Work, settings: tuple[Any, ...]
    ) -> Iterator[tuple[int, bytes]]:
        pool = ProcessPoolExecutor(
            self.workers,
            # A forked child of a process with threads (torch, Arrow) may hang.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_follow_parent,
        )
        waiting: deque[tuple[int, Future[bytes]]] = deque()
        try:
            for index, chunk in work:
                waiting.append((index, pool.submit(label, chunk, *settings)))
                if len(waiting) > CHUNKS_AHEAD * self.workers:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        except BrokenProcessPool as error:
            raise EngineError(
                "a worker process died (out of memory?); what was finished is kept: run the same"
                " command again to go on, with fewer workers if need be"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end when it is killed: an idle worker would wait for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def end_with_parent() -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def make_engine(kind: str, *, workers: int = 1, cluster: str | None = None) -> Engine:
    """Make the engine of a command line; raises EngineError for one that there is not."""
    from text_labeler.cluster import DaskCluster

    if kind == "dask":
        return DaskCluster(cluster, workers=workers)
    if kind != "processes":
        raise EngineError(f"engine {kind!r}: expected processes or dask")
    if cluster is not None:
        raise EngineError(f"cluster {cluster}: only the engine dask runs on a cluster")
    return Processes(workers)
