"""Times labelers in turns: ours, another, ours, the next, ours, on one processor core."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environments import PEER_SCRIPTS, PeerError
from peer_scores import Reference
from tqdm import tqdm

FLOOR = "tokenizer"
SLOW_SECONDS = 20.0
FEWEST_ROUNDS = 3
"""A labeler that has taken so long is timed no more after so many rounds."""


class LabelerProcess:
    """A script of `peers/` that waits for its turn; PeerError when it fails to answer."""

    def __init__(self, python: Path, script: Path, task: Path, core: int) -> None:
        self._errors = task.with_name(f"{script.stem}-{task.stem}.log")
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [str(python), str(script), str(task), str(core)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.ways: list[str] = []

    def wait(self) -> None:
        """Wait until it is ready; then `ways` are known."""
        self.ways = self._hear()

    def __enter__(self) -> LabelerProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def time(self, way: str) -> float:
        """Let it read the reports once; return the seconds."""
        return float(self._ask(f"time {way}"))

    def label(self) -> list[list[str]] | None:
        """Return the findings present in each report to be labelled, if it labels any."""
        labels: list[list[str]] | None = self._ask("label")
        return labels

    def _ask(self, line: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline()
        if not answer:
            said = self._errors.read_text(errors="replace").strip().splitlines()
            raise PeerError(f"stopped: {said[-1] if said else 'without a message'}")
        return json.loads(answer)


@dataclass
class Turns:
    """One way's seconds, round by round, and those of ours (the mean of before and after)."""

    seconds: list[float] = field(default_factory=list)
    ours: dict[str, list[float]] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def speed_up(self, way: str) -> float:
        """How many times the throughput ours has: the median over rounds."""
        return statistics.median(
            theirs / ours for theirs, ours in zip(self.seconds, self.ours[way], strict=True)
        )

    @property
    def is_enough(self) -> bool:
        return len(self.seconds) >= FEWEST_ROUNDS and sum(self.seconds) > SLOW_SECONDS


class Race:
    """Kerley and others, waiting in their processes with the same task.

    `scripts`: script and Python by name; those that fail to start stand in `left_out`.
    """

    def __init__(
        self, task: dict[str, Any], scripts: dict[str, tuple[str, str]], folder: Path, core: int
    ) -> None:
        file = Path(tempfile.mkdtemp(dir=folder)) / "task.json"
        file.write_text(json.dumps(task), encoding="utf-8")
        self._count = len(task["reports"])
        self._stack = ExitStack()
        self._others: list[LabelerProcess] = []
        self.left_out: dict[str, str] = {}
        self._ours = self._start("with_kerley.py", sys.executable, file, core)
        started = {name: self._start(*script, file, core) for name, script in scripts.items()}
        for name, process in started.items():
            try:
                process.wait()
                process.time(process.ways[0])  # what fails at once is left out
                self._others.append(process)
            except PeerError as error:
                self.left_out[name] = str(error)
        self._ours.wait()

    def __enter__(self) -> Race:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, script: str, python: str, task: Path, core: int) -> LabelerProcess:
        process = LabelerProcess(Path(python), PEER_SCRIPTS / script, task, core)
        return self._stack.enter_context(process)

    def score(self, reference: Reference) -> dict[str, dict[str, float]]:
        """Return the scores by way of reading, of those that give labels."""
        scores: dict[str, dict[str, float]] = {}
        for process in (self._ours, *self._others):
            labels = process.label()
            if labels is not None:
                scores |= dict.fromkeys(process.ways, reference.score(labels))
        return scores

    def time(
        self, rounds: int, scores: dict[str, dict[str, float]], *, only: str | None = None
    ) -> list[dict[str, Any]]:
        """Return one row for each way of reading, or for ours and `only` that one."""
        ways = [
            (way, process)
            for process in self._others
            for way in process.ways
            if only in (None, way)
        ]
        ours, turns = _time_in_turns(self._ours, ways, rounds)
        floor = turns[FLOOR]
        rows = []
        for way, turn in ({way: Turns(seconds) for way, seconds in ours.items()} | turns).items():
            is_ours = way in ours
            row = {
                "labeler": f"kerley, {way}" if is_ours else way,
                "reports_per_second": self._count / turn.median,
                "times_tokenizer": floor.speed_up(way) if is_ours else floor.median / turn.median,
                "rounds": len(turn.seconds),
                **scores.get(way, {"micro_f1": None, "macro_f1": None}),
            }
            for mine in ("cold", "warm"):
                row[f"kerley_{mine}_times"] = None if is_ours else turn.speed_up(mine)
            rows.append(row)
        return rows


def _time_in_turns(
    ours: LabelerProcess, others: Sequence[tuple[str, LabelerProcess]], rounds: int
) -> tuple[dict[str, list[float]], dict[str, Turns]]:
    """Return the seconds of our ways, and the turns of each of `others` (way, process)."""
    turns = {way: Turns(ours={mine: [] for mine in ours.ways}) for way, _ in others}
    all_ours: dict[str, list[float]] = {way: [] for way in ours.ways}
    for _ in tqdm(range(rounds), desc="rounds", unit=" rounds", disable=None):
        before = _time_all(ours, all_ours)
        for way, process in others:
            turn = turns[way]
            if turn.is_enough:
                continue
            turn.seconds.append(process.time(way))
            after = _time_all(ours, all_ours)
            for mine in ours.ways:
                turn.ours[mine].append((before[mine] + after[mine]) / 2)
            before = after
    return all_ours, turns


def _time_all(ours: LabelerProcess, everything: dict[str, list[float]]) -> dict[str, float]:
    seconds = {way: ours.time(way) for way in ours.ways}
    for way, each in seconds.items():
        everything[way].append(each)
    return seconds
