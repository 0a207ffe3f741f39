"""The steps of a real run, timed: the run's own loader, batches, model and optimizer."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import Accelerator

from joint.batch_stream import GlobalBatch, ReadAhead, batch_reader, move_batch
from joint.loop import Loop
from joint.model import JointModel
from joint.prepare import prepare_data
from joint.resuming.checkpoints import Progress
from joint.resuming.random_state import seed_process
from joint.run import build_task
from joint.run_folder import RunFolder
from joint.run_settings import RunSettings
from joint.speed.step_flops import StepFlops, count_flops, measure_peak
from joint.speed.step_timing import StepTimes, Training, time_training
from joint.task import Batch
from joint.training.launch import make_accelerator

Placed = tuple[GlobalBatch, Batch]
ENDLESS = 10**9


@dataclass(frozen=True)
class TimedRun:
    """What `time_run` found. rows: of a batch, in the mean. padding_share: of the tokens that the
    text encoder reads, those that are padding; None without reports.
    flops: of one batch; None where a step computes anything twice (micro-batches, checkpointed
    activations) or by compiled kernels, which cannot be counted: time such a run without them
    for the count. peak: operations a second of large matrix products in the run's precision."""

    times: StepTimes
    rows: float
    padding_share: float | None
    device: str
    threads: int
    mixed_precision: str
    flops: StepFlops | None
    peak: float

    @property
    def share_of_peak(self) -> float | None:
        """Useful operations of a real step by what matrix products alone would reach in it."""
        if self.flops is None:
            return None
        return self.flops.useful / (self.times.medians()["real"] * self.peak)

    @property
    def samples_per_second(self) -> float:
        """Rows per second of real steps."""
        return self.rows / self.times.medians()["real"]

    def to_json(self) -> str:
        """Give every number; times in seconds."""
        values: dict[str, Any] = dict(vars(self)) | self.times.summary()
        del values["times"]
        values |= {"samples_per_second": self.samples_per_second, "steps": len(self.times.real)}
        values |= {"flops": self.flops and asdict(self.flops), "share_of_peak": self.share_of_peak}
        return json.dumps(values, indent=1) + "\n"

    def lines(self) -> list[str]:
        """Give a table in lines of text."""
        found = self.times.summary()
        rows = [(label, f"{1000 * found[name]:.1f} ms") for name, label in MILLISECOND_LABELS]
        rows += [(label, f"{found[name]:.3f}") for name, label in SHARE_LABELS]
        rows.append(("samples per second", f"{self.samples_per_second:.1f}"))
        if self.padding_share is not None:
            rows.append(("tokens that are padding", f"{100 * self.padding_share:.1f} %"))
        flops, share = self.flops, self.share_of_peak
        if flops is not None and share is not None:
            useful = f"{flops.useful / 1e9:.1f} of {flops.total / 1e9:.1f} G"
            rows.append(("useful operations of a step", useful))
            rows.append(("their share of the matrix peak", f"{100 * share:.1f} %"))
        rows.append(("matrix peak", f"{self.peak / 1e12:.3f} T/s"))
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
    accelerator = make_accelerator(settings.loop)
    tally = Tally()
    with tempfile.TemporaryDirectory() as temporary:
        folder = RunFolder(Path(temporary))
        task, _ = build_task(settings, prepared, folder, accelerator)
        loop = Loop(task, accelerator, settings.loop, settings.optimizer)
        seed_process(settings.seed, 0)
        loop.model.train()
        times = _time_loop(loop, tally, steps=steps, kept=kept, done=done)
        flops = _count_step(loop)
    return TimedRun(
        times=times,
        rows=tally.rows / tally.batches,
        padding_share=tally.padding_share,
        device=_name_device(accelerator),
        threads=torch.get_num_threads(),
        mixed_precision=settings.loop.mixed_precision,
        flops=flops,
        peak=measure_peak(accelerator),
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


def _count_step(loop: Loop) -> StepFlops | None:
    settings = loop.settings
    speed = settings.speed
    if speed.compile or speed.checkpoint_activations or settings.micro_batch is not None:
        return None
    tally = Tally()
    place, batch = cast(Placed, batch_reader(loop.task, loop.accelerator, Progress(), 1)())
    tally.add(batch, len(place.rows))
    batch = move_batch(batch, loop.accelerator)
    total = count_flops(lambda: loop.take_step(batch, place))
    model = loop.accelerator.unwrap_model(loop.model)
    if tally.padding_share is None or not isinstance(model, JointModel):
        return StepFlops(total, 0, 0.0)
    ids, mask = batch["token_ids"], batch["token_mask"]
    text = count_flops(lambda: model.text(ids, mask).sum().backward())
    return StepFlops(total, text, tally.padding_share)


def _finish(accelerator: Accelerator) -> Callable[[], object]:
    if accelerator.device.type == "cuda":
        return torch.cuda.synchronize
    return lambda: None


def _name_device(accelerator: Accelerator) -> str:
    if accelerator.device.type == "cuda":
        return torch.cuda.get_device_name(accelerator.device)
    return str(accelerator.device)
