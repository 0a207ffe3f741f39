"""Seven ways in which tracking can go wrong, each as a real process: the record is always whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from joint.metrics_log import MetricsLog
from tests.joint.mirror import exit_codes, find_mirror, history
from tests.joint.tracked_process import ROWS

DEAD = "http://127.0.0.1:9"
PROCESSES = {
    "offline": ("offline", "end"),
    "disabled": ("disabled", "end"),
    "dead server": ("online", "end"),
    "no key": ("online", "end"),
    "SIGTERM": ("offline", "wait"),
    "SIGKILL": ("offline", "wait"),
}


class Outcome(NamedTuple):
    folder: Path
    code: int
    said: str

    def own_rows(self):
        return len(list(MetricsLog(self.folder / "metrics.jsonl").rows()))


def launch(folder, name):
    """Start a process without any of this machine's keys."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
    environment |= {"WANDB_BASE_URL": DEAD, "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    if name == "dead server":
        environment["WANDB_API_KEY"] = "0123456789" * 4
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.joint.tracked_process", str(folder), *PROCESSES[name]]
    return subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )


def wait_until_ready(folder, process):
    while process.poll() is None and not (folder / "ready").exists():
        time.sleep(0.01)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """The six processes, which run at the same time."""
    out = tmp_path_factory.mktemp("faults")
    processes = {name: launch(out / name.replace(" ", "-"), name) for name in PROCESSES}
    yield from _await(processes, out)


def _await(processes, out):
    try:
        yield {name: _end(name, out / name.replace(" ", "-"), p) for name, p in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


def _end(name, folder, process):
    """Send a signal where the name is one's, and wait."""
    if name.startswith("SIG"):
        wait_until_ready(folder, process)
        process.send_signal(signal.Signals[name])
    said = process.communicate(timeout=120)[1]
    return Outcome(folder, process.returncode, said)


@pytest.mark.parametrize(
    ("name", "code"),
    [("offline", 0), ("dead server", 0), ("no key", 0), ("SIGTERM", 130)],
)
def test_the_mirror_is_whole_and_says_how_it_ended(outcomes, name, code):
    outcome = outcomes[name]
    assert (outcome.code, outcome.own_rows()) == (code, ROWS), outcome.said
    assert [row["global_step"] for row in history(outcome.folder)] == list(range(ROWS))
    assert exit_codes(outcome.folder) == [code]
    is_fallback = name in ("dead server", "no key")
    assert ("mirrored offline" in outcome.said) == is_fallback


def test_disabled_makes_no_mirror(outcomes):
    outcome = outcomes["disabled"]
    assert (outcome.code, outcome.own_rows()) == (0, ROWS), outcome.said
    assert not (outcome.folder / "wandb").exists()


def test_a_killed_run_has_its_record_and_a_restart_mirrors_all_of_it_under_one_id(outcomes):
    outcome = outcomes["SIGKILL"]
    assert (outcome.code, outcome.own_rows()) == (-signal.SIGKILL, ROWS), outcome.said
    first = find_mirror(outcome.folder)
    process = launch(outcome.folder, "offline")
    said = process.communicate(timeout=120)[1]
    assert (process.returncode, outcome.own_rows()) == (0, 2 * ROWS), said
    again = find_mirror(outcome.folder)
    assert again != first
    assert again.name == first.name
    assert [row["global_step"] for row in history(outcome.folder)] == list(range(2 * ROWS))
