"""Checkpoints that are whole or not there, and that only the same run may go on from."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from joint.resuming.changes import explain_refusal, find_changes
from joint.resuming.files import (
    DamageError,
    begin_folder,
    check_files,
    drop_unfinished,
    finish_folder,
    list_steps,
    point,
    read_state,
    set_aside,
    step_folder,
)
from joint.resuming.random_state import load_random_state, save_random_state, seed_process
from joint.task import StatefulTask, Task

TASK_FILE = "task.safetensors"
KEPT = 2

logger = logging.getLogger(__name__)


class CheckpointError(ValueError):
    """A checkpoint that cannot be written, or that this run cannot go on from; says why."""


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
    """Folders named by their step, the newest `keep` and the best; `last` and `best` are links.

    identity: name → hash of everything that must be the same for a resumed run to be the same
    run (label table, corpus listing, images, tokenizer), and `settings` with their values.
    accept: which of `run_changes.CHANGES` may differ all the same; accepted: what did, as rows
    of step, name, part, before and now, over all resumptions of the run.
    """

    def __init__(
        self,
        folder: Path,
        identity: Mapping[str, Any],
        *,
        keep: int = KEPT,
        accept: Collection[str] = (),
    ) -> None:
        self.folder = folder
        self.identity = dict(identity)
        self.keep = keep
        self.accept = accept
        self.accepted: list[dict[str, Any]] = []

    @property
    def last(self) -> Path:
        """The newest checkpoint."""
        return self.folder / "last"

    @property
    def best(self) -> Path:
        """The checkpoint with the best validation score; `last` where no score is defined."""
        best = self.folder / "best"
        return best if best.exists() else self.last

    def save(self, accelerator: Accelerator, progress: Progress, task: Task) -> None:
        """Write a checkpoint of this step on every process and point `last` (and `best`) to it.

        Everything is written to a temporary folder, flushed and then renamed: after a crash the
        checkpoint before is still whole. Where a process cannot write (a full disk), every
        process raises CheckpointError, and the unfinished folder is gone.
        """
        target = step_folder(self.folder, progress.step)
        temporary = target.with_name(f".{target.name}.tmp")
        is_main = accelerator.is_main_process

        def write() -> None:
            accelerator.save_state(str(temporary))
            save_random_state(temporary / _random_file(accelerator.process_index))
            if is_main and isinstance(task, StatefulTask):
                save_file(dict(task.state_dict()), temporary / TASK_FILE)

        def finish() -> None:
            state = {
                "progress": asdict(progress),
                "identity": self._identity(accelerator),
                "accepted": self.accepted,
            }
            finish_folder(target, state)
            self._point_links(progress)
            self._remove_others()

        try:
            _together(accelerator, lambda: begin_folder(target), only=is_main)
            _together(accelerator, write)
            _together(accelerator, finish, only=is_main)
        except CheckpointError as error:
            free = shutil.disk_usage(self.folder).free / 1e6
            if is_main:
                drop_unfinished(self.folder)
            raise CheckpointError(
                f"{self.folder}: the checkpoint of step {progress.step} cannot be written with"
                f" {free:.1f} MB free: {error}; those before are whole: make room and start the"
                " same command again"
            ) from error

    def resume(self, accelerator: Accelerator, task: Task) -> Progress | None:
        """Load the newest whole checkpoint into what the accelerator prepared; None without any.

        A damaged one is named in a warning and set aside, and the one before counts. Raises
        CheckpointError when none is whole, or when it was made from other settings, labels or
        data than `accept` names, or by another number of processes: each process has random
        numbers of its own.
        """
        found: list[Any] = [None, None]
        if accelerator.is_main_process:
            try:
                found[0] = self._find_newest()
            except CheckpointError as error:
                found[1] = str(error)
        state, problem = broadcast_object_list(found)
        if problem is not None:
            raise CheckpointError(problem)
        if state is None:
            return None
        progress = Progress(**state["progress"])
        checkpoint = step_folder(self.folder, progress.step)
        self._check(checkpoint, state, accelerator)
        self._load(checkpoint, accelerator, task)
        if state["identity"]["processes"] == accelerator.num_processes:
            load_random_state(checkpoint / _random_file(accelerator.process_index))
        else:
            seed_process(torch.initial_seed(), progress.step)
        if accelerator.is_main_process:
            drop_unfinished(self.folder)
            self._point_links(progress)
        accelerator.wait_for_everyone()
        return progress

    def load_best(self, accelerator: Accelerator, task: Task) -> int:
        """Load the best checkpoint's weights; return the step it was made at."""
        try:
            step: int = check_files(self.best.resolve())["progress"]["step"]
        except DamageError as error:
            raise CheckpointError(f"{error}; without checkpoints/best the last one counts") from (
                error
            )
        self._load(self.best.resolve(), accelerator, task)
        return step

    def _load(self, checkpoint: Path, accelerator: Accelerator, task: Task) -> None:
        try:
            accelerator.load_state(str(checkpoint))
            if isinstance(task, StatefulTask):
                task.load_state_dict(load_file(checkpoint / TASK_FILE))
        except (OSError, RuntimeError, ValueError, KeyError, SafetensorError) as error:
            raise CheckpointError(
                f"{checkpoint}: cannot be loaded into what these settings build:"
                f" {_first_line(error)}"
            ) from error

    def _find_newest(self) -> dict[str, Any] | None:
        damaged: list[Path] = []
        for checkpoint in list_steps(self.folder):
            try:
                state = check_files(checkpoint)
            except DamageError as error:
                logger.warning("damaged checkpoint set aside, the one before counts: %s", error)
                damaged.append(checkpoint)
                continue
            for other in damaged:
                set_aside(other)
            return state
        if damaged:
            names = ", ".join(checkpoint.name for checkpoint in damaged)
            raise CheckpointError(
                f"{self.folder}: no checkpoint is whole ({names}); bring one back, or remove the"
                " run's folder to start anew"
            )
        return None

    def _check(self, checkpoint: Path, state: dict[str, Any], accelerator: Accelerator) -> None:
        changes = find_changes(state["identity"], self._identity(accelerator))
        refusal = explain_refusal(checkpoint, changes, self.accept)
        if refusal is not None:
            raise CheckpointError(refusal)
        step = state["progress"]["step"]
        self.accepted = state["accepted"] + [
            {"step": step, **change._asdict()} for change in changes
        ]

    def _identity(self, accelerator: Accelerator) -> dict[str, Any]:
        return {**self.identity, "processes": accelerator.num_processes}

    def _point_links(self, progress: Progress) -> None:
        point(self.last, step_folder(self.folder, progress.step))
        if progress.best_step is not None:
            best = step_folder(self.folder, progress.best_step)
            if best.exists():
                point(self.folder / "best", best)

    def _remove_others(self) -> None:
        """Keep the newest checkpoints, and the best one that each of them knows of."""
        steps = list_steps(self.folder)
        kept = set(steps[: self.keep])
        for checkpoint in steps[: self.keep]:
            best = _best_step(checkpoint)
            if best is not None:
                kept.add(step_folder(self.folder, best))
        for checkpoint in steps:
            if checkpoint not in kept:
                shutil.rmtree(checkpoint)


def _best_step(checkpoint: Path) -> int | None:
    try:
        step: int | None = read_state(checkpoint)["progress"]["best_step"]
    except DamageError:  # said when somebody wants to go on from it
        return None
    return step


def _random_file(process: int) -> str:
    return f"random-{process}.safetensors"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _together(accelerator: Accelerator, write: Callable[[], object], *, only: bool = True) -> None:
    """Write on the processes with `only`; all raise CheckpointError where one of them failed.

    A process that raised alone would leave the others waiting for it.
    """
    problem = None
    if only:
        try:
            write()
        except (OSError, RuntimeError, SafetensorError) as error:
            problem = _first_line(error)
    for each in gather_object([problem]):
        if each is not None:
            raise CheckpointError(each)
