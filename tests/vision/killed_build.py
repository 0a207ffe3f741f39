"""A cache build that kills itself; apart from the tests, so that its processes start quickly."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from vision import cache_build
from vision.cache import CacheSettings, build_cache

ROWS = 4


def build_until(
    point: int, sources: Path, folder: Path, settings: CacheSettings, workers: int
) -> None:
    """Build, and send this process SIGKILL before its `point`-th operation on files of `folder`."""
    seen = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        is_operation = event == "open" or (event.startswith("os.") and event != "os.kill")
        if is_operation and arguments and str(arguments[0]).startswith(str(folder)):
            seen += 1
            if seen == point:
                os.kill(os.getpid(), signal.SIGKILL)

    cache_build.BLOCK_ROWS = ROWS
    sys.addaudithook(watch)
    build_cache(sorted(sources.iterdir()), folder, settings, workers=workers)
