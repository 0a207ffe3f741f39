"""Print how quickly and in how little memory hostile image files are refused, and why.

    python benchmarks/hostile_images.py [--json FIGURES.json]

Each file is read in a process of its own, forked from one that has all decoders loaded. The
process may take LIMIT_MB more address space than that one and is killed after LIMIT_SECONDS.
A file is refused well when it gives an ImageError within GOAL_MB of memory more; the seconds are
shown and judged by nobody, since other work may run beside.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from hostile_files import write_corpus, write_good

from vision.images import ImageError, read_image

LIMIT_MB = 1000
GOAL_MB = 100
LIMIT_SECONDS = 30
NOBODY = 65534


class Refusal(NamedTuple):
    """What reading one file came to; `refused` is False when it was read or broke otherwise."""

    name: str
    refused: bool
    seconds: float
    megabytes: float
    reason: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        for path in write_good(folder):
            read_image(path)
        refusals = [measure(path) for path in write_corpus(folder)]
    print_table(refusals)
    if options.json:
        options.json.write_text(json.dumps([refusal._asdict() for refusal in refusals]))
    sys.exit(any(not refusal.refused for refusal in refusals))


def measure(path: Path) -> Refusal:
    """Read a file in a child of this process and wait for what it says."""
    heard, said = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(heard)
        signal.alarm(LIMIT_SECONDS)
        with os.fdopen(said, "w") as pipe:
            json.dump(read_limited(path), pipe)
        os._exit(0)
    os.close(said)
    with os.fdopen(heard) as pipe:
        answer = pipe.read()
    status = os.waitpid(child, 0)[1]
    if not answer or status:
        return Refusal(path.name, False, 0.0, 0.0, f"the process died ({status})")
    return Refusal(path.name, *json.loads(answer))


def read_limited(path: Path) -> tuple[bool, float, float, str]:
    """Give whether, in how many seconds, with how many MB more, and why a file was refused."""
    if path.name.startswith("locked") and os.geteuid() == 0:
        os.setuid(NOBODY)
    limit = memory_of("VmSize") + LIMIT_MB * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    before, start = memory_of("VmRSS"), time.perf_counter()
    refused = False
    try:
        read_image(path)
        reason = "it was read"
    except ImageError as error:
        reason = error.reason
        refused = True
    except BaseException as error:  # noqa: BLE001 - whatever breaks is what the table must show
        reason = f"{type(error).__name__}, no ImageError"
    seconds = time.perf_counter() - start
    grown = memory_of("VmHWM") - before
    return refused and grown < GOAL_MB * 1e6, seconds, grown / 1e6, reason


def memory_of(name: str) -> int:
    """Bytes that /proc says this process has."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"/proc/self/status has no {name}")


def print_table(refusals: list[Refusal]) -> None:
    print(f"{'file':34}{'refused':>8}{'s':>8}{'MB':>7}  reason")
    for name, refused, seconds, megabytes, reason in refusals:
        answer = "yes" if refused else "NO"
        print(f"{name[:33]:34}{answer:>8}{seconds:8.3f}{megabytes:7.1f}  {reason[:110]}")
    slowest, largest = max(r.seconds for r in refusals), max(r.megabytes for r in refusals)
    count = sum(refusal.refused for refusal in refusals)
    print(f"{count} of {len(refusals)} refused, in {slowest:.3f} s and {largest:.1f} MB at most")


if __name__ == "__main__":
    main()
