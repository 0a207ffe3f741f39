"""One call of `kerley train` on one run: its loop, checkpoints, record and mirror, opened once."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from accelerate import Accelerator

from joint.loop import Loop, LoopReport
from joint.metrics_log import MetricsLog
from joint.resuming.checkpoints import Checkpoints
from joint.resuming.random_state import seed_process
from joint.resuming.stop_request import STOPPED_EXIT_CODE
from joint.run_folder import RunFolder
from joint.task import Task
from joint.tracking.settings import TrackingSettings, public_settings
from joint.tracking.tracker import Tracker
from joint.training.settings import TrainingSettings, hash_recipe, training_values


class RunStart(NamedTuple):
    """A run that can begin: its settings, its folder, and the hashes of what it is made from.

    accept: names of what may differ from the run that began there (`run_changes.CHANGES`).
    """

    settings: TrainingSettings
    folder: RunFolder
    hashes: Mapping[str, str]
    accept: Collection[str] = ()


class Session(NamedTuple):
    """A run that is being trained, as this process has it."""

    task: Task
    loop: Loop
    checkpoints: Checkpoints
    log: MetricsLog
    tracker: Tracker
    accelerator: Accelerator

    def record(self, kind: str, step: int, values: Mapping[str, float | None]) -> None:
        """Write one row of numbers to the record and its mirror; on the main process only."""
        if self.accelerator.is_main_process:
            self.tracker.log(self.log.append(kind, step, values))

    def train(self) -> LoopReport:
        """Train to the last step, or until a stop is asked for; the mirror says which."""
        report = self.loop.run(self.checkpoints, self.record)
        if report.interrupted:
            self.tracker.finish(exit_code=STOPPED_EXIT_CODE)
        return report

    def load_best(self) -> int:
        """Load the best checkpoint's weights; return its step."""
        return self.checkpoints.load_best(self.accelerator, self.task)


@contextmanager
def open_session(task: Task, start: RunStart, accelerator: Accelerator) -> Iterator[Session]:
    """Go on from where the run's folder stands; what its record and mirror held later is dropped.

    The folder is claimed and locked by the caller. Raises CheckpointError where what stands was
    made from something else than `start.accept` names.
    """
    settings, folder = start.settings, start.folder
    loop = Loop(task, accelerator, settings.loop, settings.optimizer)
    # From here on random numbers (dropout) are each process's own; a checkpoint brings its own.
    seed_process(settings.seed, accelerator.process_index)
    checkpoints = Checkpoints(
        folder.checkpoints,
        {**start.hashes, "settings": training_values(settings)},
        keep=settings.loop.keep_checkpoints,
        accept=start.accept,
    )
    step = loop.resume(checkpoints)
    log = MetricsLog(folder.metrics)
    if accelerator.is_main_process:
        log.keep_until(step)
        folder.write_accepted(checkpoints.accepted)
    is_finished = step >= settings.loop.steps and folder.card.is_file()
    mirrored = accelerator.is_main_process and not is_finished
    with _tracking(start, log, is_mirrored=mirrored) as tracker:
        yield Session(task, loop, checkpoints, log, tracker, accelerator)


@contextmanager
def _tracking(start: RunStart, log: MetricsLog, *, is_mirrored: bool) -> Iterator[Tracker]:
    settings = start.settings
    tracker = Tracker(
        start.folder.path,
        settings.tracking if is_mirrored else TrackingSettings(wandb="disabled"),
        config=public_settings(settings) | {f"hash.{k}": v for k, v in start.hashes.items()},
        group=hash_recipe(settings)[:12],
    )
    tracker.catch_up(log.rows())
    try:
        yield tracker
    finally:
        tracker.finish(exit_code=int(sys.exc_info()[0] is not None))
