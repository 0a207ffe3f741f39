"""A labeler in a process of its own, told over its standard input when to read the reports.

Each peer runs in its own environment, so this file needs the standard library alone. A process
says with one line of JSON which ways of reading it has, then answers every line that it is given
(`time WAY`, `label`) with one line of JSON.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Task = dict[str, Any]
"""`reports`: to be timed on; `whole`, `bodies`: to be labelled, with their headings or without;
`concepts`: phrases by name; `findings`: concepts by finding; `profile`: Kerley's."""

Way = Callable[[], Callable[[], object]]
"""Makes ready, and gives what the clock is for."""

Label = Callable[[], Iterable[list[str]]]
"""Gives the findings that are present, for each report to be labelled."""


def serve(prepare: Callable[[Task], tuple[dict[str, Way], Label | None]]) -> None:
    """Follow the lines of standard input on one processor core (arguments: task file, core)."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    task_file, core = sys.argv[1:]
    os.sched_setaffinity(0, {int(core)})
    ways, label = prepare(json.loads(Path(task_file).read_text(encoding="utf-8")))
    print(json.dumps(list(ways)), file=answers, flush=True)
    warm = set()
    for line in sys.stdin:
        command, _, name = line.strip().partition(" ")
        if command == "time" and name not in warm:
            ways[name]()()
            warm.add(name)
        said = seconds(ways[name]()) if command == "time" else label and list(label())
        print(json.dumps(said), file=answers, flush=True)


def seconds(read: Callable[[], object]) -> float:
    """Processor time, so that other work on the machine counts as little as can be."""
    gc.collect()
    start = time.process_time()
    read()
    return time.process_time() - start


def drain(items: Iterable[object]) -> None:
    for _ in items:
        pass


def name_findings(task: Task, present: set[str]) -> list[str]:
    """Give the findings for which one of the concepts in `present` speaks."""
    return [name for name, concepts in task["findings"].items() if present & set(concepts)]
