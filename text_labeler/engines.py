"""What runs the work of mining: this process, or several processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from multiprocessing.connection import wait
from typing import Any, Self

from text_labeler.engine import CHUNKS_AHEAD, Engine, EngineError, Work


class Processes:
    """Processes of this machine; one worker is this process itself."""

    def __init__(self, workers: int = 1) -> None:
        if workers < 1:
            raise EngineError(f"workers: {workers}; expected 1 or more")
        self._workers = workers
        self._pool = _start_pool(workers) if workers > 1 else None

    def run(
        self, label: Callable[..., bytes], work: Work, settings: tuple[Any, ...]
    ) -> Iterator[tuple[int, bytes]]:
        """Give results in order; raises EngineError when a worker process dies."""
        if self._pool is None:
            return ((index, label(chunk, *settings)) for index, chunk in work)
        return self._run_apart(self._pool, label, work, settings)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Let what is being labelled end, drop the rest, and end the workers."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _run_apart(
        self,
        pool: ProcessPoolExecutor,
        label: Callable[..., bytes],
        work: Work,
        settings: tuple[Any, ...],
    ) -> Iterator[tuple[int, bytes]]:
        waiting: deque[tuple[int, Future[bytes]]] = deque()
        try:
            for index, chunk in work:
                waiting.append((index, pool.submit(label, chunk, *settings)))
                if len(waiting) > CHUNKS_AHEAD * self._workers:
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


def _start_pool(workers: int) -> ProcessPoolExecutor:
    pool = ProcessPoolExecutor(
        workers,
        # A forked child of a process with threads (torch, Arrow) may hang.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_get_ready,
    )
    for _ in range(workers):
        pool.submit(os.getpid)  # anything: work is what makes the pool start a process
    return pool


def _get_ready() -> None:
    """Leave Ctrl-C to the parent, end when it is killed, and import what labelling needs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import_module("text_labeler.label_parts")


def _end_with_parent() -> None:
    """An idle worker of a parent that was killed would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


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
