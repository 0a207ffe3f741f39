"""Kill runs with SIGKILL at random moments, start them again, and compare them with whole ones.

    python -m benchmarks.resume [--processes 1 2] [--runs 4] [--kills 5] [--out DIR] [--seed 0]

Each run is started by its real command (`python -m joint.train`, or torchrun for two processes),
killed `--kills` times and then left to end. With two processes every second kill takes one process
alone, and the launch must end by itself. Prints a row per kill; exit code 1 when a run differs in
any bit of weights, optimizer, random numbers, progress, metrics, W&B mirror or predictions.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.joint.killed_runs import find_differences, last_step, write_run

STEPS, EVALUATE_EVERY, CHECKPOINT_EVERY = 40, 13, 3
LONGEST_DELAY = 0.12
"""Seconds: about a step, so that a kill falls anywhere in it, or into the checkpoint after it."""

LIMIT = 600.0


@dataclass
class Kill:
    """One kill: of which processes, after which step, and what stood then."""

    run: str
    victims: str
    step: int
    checkpoint: str
    unfinished: bool


def start(config: Path, name: str, processes: int, log: Path) -> subprocess.Popen[bytes]:
    """Start a run by the command that anybody would type."""
    launcher = ["-m", "joint.train"]
    if processes > 1:
        torchrun = ["-m", "torch.distributed.run", "--standalone"]
        launcher = [*torchrun, "--nproc_per_node", str(processes), *launcher]
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, *launcher, str(config), f"name={name}"],
            env=os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"},
            stdout=output,
            stderr=output,
        )


def workers_of(launch: subprocess.Popen[bytes], processes: int) -> list[int]:
    """Give the training processes of a launch, main process first."""
    if processes == 1:
        return [launch.pid]
    found = {}
    children = Path(f"/proc/{launch.pid}/task/{launch.pid}/children").read_text().split()
    for child in map(int, children):
        environment = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        ranks = [entry for entry in environment if entry.startswith(b"RANK=")]
        found.update({int(rank.removeprefix(b"RANK=")): child for rank in ranks})
    return [found[rank] for rank in sorted(found)]


def kill(
    launch: subprocess.Popen[bytes], processes: int, *, alone: int | None, delay: float
) -> str:
    """Send SIGKILL to everything of a launch, or to one process alone; wait for its end."""
    time.sleep(delay)
    workers = workers_of(launch, processes)
    if alone is None:
        launch.kill()
    for process in workers if alone is None else [workers[alone]]:
        os.kill(process, signal.SIGKILL)
    launch.wait(LIMIT)
    while any(Path(f"/proc/{process}").exists() for process in workers[1:]):
        time.sleep(0.05)
    return "all" if alone is None else f"process {alone}"


def wait_for_step(launch: subprocess.Popen[bytes], run: Path, step: int, log: Path) -> None:
    """Wait until the record has a row after `step`."""
    while last_step(run) <= step:
        if launch.poll() is not None:
            raise RuntimeError(f"ended before step {step}: {log.read_text()[-2000:]}")
        time.sleep(0.002)


def kill_one_run(
    config: Path, name: str, processes: int, kills: int, chance: random.Random
) -> list[Kill]:
    """Kill a run at sorted random steps, then let it end."""
    run, log = config.parent / name, config.parent / f"{name}.log"
    made = []
    for number, step in enumerate(sorted(chance.sample(range(STEPS - 2), kills))):
        launch = start(config, name, processes, log)
        wait_for_step(launch, run, step, log)
        alone = chance.randrange(processes) if processes > 1 and number % 2 else None
        victims = kill(launch, processes, alone=alone, delay=chance.uniform(0, LONGEST_DELAY))
        last = run / "checkpoints" / "last"
        stood = last.resolve().name if last.exists() else "none"
        unfinished = any((run / "checkpoints").glob(".step*"))
        made.append(Kill(name, victims, last_step(run), stood, unfinished))
    end(start(config, name, processes, log), log)
    return made


def end(launch: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for a launch to end well."""
    if launch.wait(LIMIT):
        raise RuntimeError(log.read_text()[-3000:])


def compare(folder: Path, processes: int, runs: int, kills: int, seed: int) -> bool:
    """Kill `runs` runs, print the rows, and say whether all of them equal the whole one."""
    folder.mkdir(parents=True)
    loop = {"evaluate_every": EVALUATE_EVERY, "checkpoint_every": CHECKPOINT_EVERY}
    config = write_run(folder, steps=STEPS, **loop)
    chance = random.Random(seed * 100 + processes)
    end(start(config, "whole", processes, folder / "whole.log"), folder / "whole.log")
    all_equal = True
    for number in range(runs):
        name = f"killed-{number + 1}"
        made = kill_one_run(config, name, processes, kills, chance)
        different = find_differences(folder / "whole", folder / name)
        all_equal &= not different
        for one in made:
            verdict = "equal" if not different else ", ".join(different)
            during = "yes" if one.unfinished else ""
            print(
                f"| {processes} | {one.run} | {one.victims} | {one.step} | {one.checkpoint} |"
                f" {during} | {verdict} |",
                flush=True,
            )
    return all_equal


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a new folder to keep everything in")
    asked = parser.parse_args(arguments)
    print("| processes | run | killed | last step | checkpoint | while saving | at the end |")
    print("|--:|---|---|--:|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        out = asked.out or Path(temporary)
        equal = [
            compare(out / f"processes-{each}", each, asked.runs, asked.kills, asked.seed)
            for each in asked.processes
        ]
    return int(not all(equal))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
