"""The steps of a real run, timed: the run's own loader, batches, model and optimizer."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator

from joint.batch_stream import GlobalBatch, ReadAhead, batch_reader, move_batch
from joint.checkpoints import Progress
from joint.loop import Loop
from joint.prepare import prepare_data
from joint.random_state import seed_process
from joint.run import build_task, make_accelerator
from joint.run_folder import RunFolder
from joint.run_settings import RunSettings
from joint.step_timing import StepTimes, Training, time_training
from joint.task import Batch

Placed = tuple[GlobalBatch, Batch]
ENDLESS = 10**9


@dataclass(frozen=True)
class TimedRun:
    """What `time_run` found. rows: of a batch, in the mean. padding_share: of the tokens that the
    text encoder reads, those that are padding; None without reports."""

    times: StepTimes
    rows: float
    padding_share: float | None
    device: str
    threads: int
    mixed_precision: str

    @property
    def samples_per_second(self) -> float:
        """Rows per second of real steps."""
        return self.rows / self.times.medians()["real"]

    def to_json(self) -> str:
        """Give every number; times in seconds."""
        values: dict[str, Any] = dict(vars(self)) | self.times.summary()
        del values["times"]
        values |= {"samples_per_second": self.samples_per_second, "steps": len(self.times.real)}
        return json.dumps(values, indent=1) + "\n"

    def lines(self) -> list[str]:
        """Give a table in lines of text."""
        found = self.times.summary()
        rows = [(label, f"{1000 * found[name]:.1f} ms") for name, label in MILLISECOND_LABELS]
        rows += [(label, f"{found[name]:.3f}") for name, label in SHARE_LABELS]
        rows.append(("samples per second", f"{self.samples_per_second:.1f}"))
        if self.padding_share is not None:
            rows.append(("tokens that are padding", f"{100 * self.padding_share:.1f} %"))
        head = (
            f"{len(self.times.real)} steps of {self.rows:g} rows on {self.device}, {self.threads}"
            f" threads, mixed precision {self.mixed_precision}; medians"
        )
        lines = [head, *(f"{label:42}{value:>12}" for label, value in rows)]
        if found["exposed_error"] > (found["load"] + found["copy"]) / 2:
            lines.append("chance weighs more than reading does: the hidden share says nothing")
        return lines


MILLISECOND_LABELS = (
    ("real", "S   real step"),
    ("replayed", "C   the same batches replayed"),
    ("beside_loader", "C'  replayed beside the loader"),
    ("load", "L   loader alone, a batch"),
    ("copy", "H   copy to the device, a batch"),
    ("exposed", "S - C   exposed"),
    ("exposed_error", "±   what chance may do to it"),
    ("contention", "C' - C  lost to sharing the processor"),
)
SHARE_LABELS = (
    ("ratio_to_limit", "ratio to limit, C / S"),
    ("hidden_share", "hidden share, 1 - (S - C) / (L + H)"),
    ("overlap_efficiency", "overlap efficiency, max(C, L) / S"),
    ("straggler_index", "p95 of S by its median"),
)


def time_run(
    settings: RunSettings,
    *,
    steps: int = 200,
    kept: int = 16,
    done: Callable[[int], object] = lambda steps: None,
) -> TimedRun:
    """Time at least `steps` training steps of a run, in one process; nothing of it is kept.

    What the run needs and isn't there yet (labels, image cache) is made first, where the run
    would make it. kept: batches that are replayed; as many lie on the device.
    """
    prepared = prepare_data(settings.data)
    accelerator = make_accelerator(settings)
    tally = Tally()
    with tempfile.TemporaryDirectory() as temporary:
        folder = RunFolder(Path(temporary))
        task, _ = build_task(settings, prepared, folder, accelerator)
        loop = Loop(task, accelerator, settings.loop, settings.optimizer)
        seed_process(settings.seed, 0)
        loop.model.train()
        times = _time_loop(loop, tally, steps=steps, kept=kept, done=done)
    return TimedRun(
        times=times,
        rows=tally.rows / tally.batches,
        padding_share=tally.padding_share,
        device=_name_device(accelerator),
        threads=torch.get_num_threads(),
        mixed_precision=settings.loop.mixed_precision,
    )


@dataclass
class Tally:
    """Counts what was read: batches, their rows, and places of tokens with and without one."""

    batches: int = 0
    rows: int = 0
    tokens: int = 0
    places: int = 0

    def add(self, batch: Batch, rows: int) -> None:
        """Count a batch of so many rows."""
        self.batches += 1
        self.rows += rows
        if "token_mask" in batch:
            self.tokens += int(batch["token_mask"].sum())
            self.places += batch["token_mask"].numel()

    @property
    def padding_share(self) -> float | None:
        """The share of token places that hold no token; None without reports."""
        return 1 - self.tokens / self.places if self.places else None


def _time_loop(
    loop: Loop, tally: Tally, *, steps: int, kept: int, done: Callable[[int], object]
) -> StepTimes:
    accelerator = loop.accelerator
    read_next = batch_reader(loop.task, accelerator, Progress(), ENDLESS)

    def read() -> Placed:
        place, batch = cast(Placed, read_next())  # never None: the plan has no end
        tally.add(batch, len(place.rows))
        return place, batch

    with ReadAhead(read) as reader:
        training: Training[Placed, Placed] = Training(
            read=read,
            reader=reader,
            copy=lambda placed: (placed[0], move_batch(placed[1], accelerator)),
            step=lambda placed: loop.take_step(placed[1], placed[0]),
            finish=_finish(accelerator),
            clock=time.perf_counter,
        )
        return time_training(training, steps=steps, kept=kept, done=done)


def _finish(accelerator: Accelerator) -> Callable[[], object]:
    if accelerator.device.type == "cuda":
        return torch.cuda.synchronize
    return lambda: None


def _name_device(accelerator: Accelerator) -> str:
    if accelerator.device.type == "cuda":
        return torch.cuda.get_device_name(accelerator.device)
    return str(accelerator.device)
