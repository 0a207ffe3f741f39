"""Checkpoints that are whole or not there, and that only the same run may go on from."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from configs.files import write_json

STATE_FILE = "state.json"


class CheckpointError(ValueError):
    """A checkpoint that this run cannot go on from; the message says what differs."""


@dataclass
class Progress:
    """How far a run is: everything the loop itself must remember.

    step: global batches taken (skipped ones too). epoch and batch: the next batch to take.
    skipped: steps whose loss or gradient was not finite; skipped_in_a_row: the latest of them.
    best_score: the best validation score so far, None before the first defined one.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    best_score: float | None = None
    best_step: int | None = None

    def move_past(self, step: int, epoch: int, batch: int) -> None:
        """Go on with the batch after this one."""
        self.step, self.epoch, self.batch = step + 1, epoch, batch + 1


class Checkpoints:
    """`last` and `best` under one folder, links to folders named by their step.

    identity: name → hash of everything that must be the same for a resumed run to be the same
    run (settings, label table, corpus listing, images, tokenizer).
    """

    def __init__(self, folder: Path, identity: Mapping[str, str]) -> None:
        self.folder = folder
        self.identity = dict(identity)

    @property
    def last(self) -> Path:
        """The newest whole checkpoint."""
        return self.folder / "last"

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation score; `last` where no score is defined."""
        best = self.folder / "best"
        return best if best.exists() else self.last

    def save(self, accelerator: Accelerator, progress: Progress) -> None:
        """Write a checkpoint of this step on every process and point `last` (and `best`) to it.

        Everything is written to a temporary folder, flushed and then renamed: after a crash or
        a full disk the checkpoint before is still whole.
        """
        target = self.folder / f"step-{progress.step:08d}"
        temporary = self.folder / f".{target.name}.tmp"
        if accelerator.is_main_process:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
        accelerator.wait_for_everyone()
        accelerator.save_state(str(temporary))
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            state = {
                "progress": asdict(progress),
                "identity": self.identity,
                "processes": accelerator.num_processes,
            }
            write_json(temporary / STATE_FILE, state)
            _flush(temporary)
            shutil.rmtree(target, ignore_errors=True)
            temporary.replace(target)
            _point(self.folder / "last", target)
            if progress.best_step == progress.step:
                _point(self.folder / "best", target)
            self._remove_others()
        accelerator.wait_for_everyone()

    def resume(self, accelerator: Accelerator) -> Progress | None:
        """Load `last` into what the accelerator prepared; None when there is none yet.

        Raises CheckpointError when it was made from other settings, labels or data, or by
        another number of processes (each process has random numbers of its own).
        """
        if not self.last.exists():
            return None
        state = self._read_state(self.last)
        self._check(state, accelerator.num_processes)
        accelerator.load_state(str(self.last.resolve()))
        return Progress(**state["progress"])

    def load_best(self, accelerator: Accelerator) -> int:
        """Load the best checkpoint's weights; return the step it was made at."""
        accelerator.load_state(str(self.best.resolve()))
        step: int = self._read_state(self.best)["progress"]["step"]
        return step

    def _read_state(self, checkpoint: Path) -> dict[str, Any]:
        file = checkpoint / STATE_FILE
        try:
            state: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise CheckpointError(f"{file}: not a readable checkpoint: {error}") from error
        return state

    def _check(self, state: dict[str, Any], processes: int) -> None:
        theirs = state["identity"]
        names = [name for name, value in self.identity.items() if theirs.get(name) != value]
        if names:
            raise CheckpointError(
                f"{self.last}: made from other {', '.join(names)} than this run has; go on with"
                " those, or give the run another name, or remove its folder"
            )
        if state["processes"] != processes:
            raise CheckpointError(
                f"{self.last}: made by {state['processes']} processes, this run has {processes};"
                " go on with the same number"
            )

    def _remove_others(self) -> None:
        kept = {self.last.resolve(), self.best.resolve()}
        for folder in self.folder.glob("*step-*"):
            if folder.resolve() not in kept:
                shutil.rmtree(folder)


def _point(link: Path, target: Path) -> None:
    temporary = link.with_name(f".{link.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target.name, target_is_directory=True)
    temporary.replace(link)


def _flush(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
