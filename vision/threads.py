"""How many threads one image may be graded with: what the quota allows and others leave free.

A thread more than there are free cores costs far more than it gives: with three busy cores of
four, torch's default of four threads made one image 40 times slower than a single thread.
"""

from __future__ import annotations

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
LOADAVG = Path("/proc/loadavg")
MOST_THREADS = 8
"""One image gains nothing from more."""


def choose_threads(
    *, cgroup: Path = CGROUP, loadavg: Path = LOADAVG, cores: int | None = None
) -> int:
    """Give the number of threads, 1 to 8: usable cores, fewer where others keep them busy.

    Usable are the cores this process may run on (`cores`, by default its affinity) within the
    processor quota of its `cgroup` (version 2 `cpu.max`, version 1 `cpu.cfs_quota_us`). The load
    of the last minute, rounded, is taken off the machine's cores; the rest is free. What can't
    be read limits nothing.
    """
    usable = cores or _count_affinity()
    quota = _read_quota(cgroup)
    if quota is not None:
        usable = min(usable, max(1, int(quota)))
    machine = max(cores or os.cpu_count() or 1, usable)
    free = machine - round(_read_load(loadavg))
    return max(1, min(usable, free, MOST_THREADS))


def _count_affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _read_quota(cgroup: Path) -> float | None:
    """Cores' worth of processor time; None where there is no limit."""
    quota, _, period = _read(cgroup / "cpu.max").partition(" ")
    if not quota:
        quota = _read(cgroup / "cpu" / "cpu.cfs_quota_us")
        period = _read(cgroup / "cpu" / "cpu.cfs_period_us")
    try:
        cores = float(quota) / float(period)
    except (ValueError, ZeroDivisionError):
        return None
    return cores if cores > 0 else None


def _read_load(loadavg: Path) -> float:
    try:
        return float(_read(loadavg).split()[0])
    except (IndexError, ValueError):
        return 0.0


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
