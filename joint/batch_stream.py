"""The batches of this process, in the order of the plan, each read while the one before is used."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from accelerate import Accelerator

from joint.checkpoints import Progress
from joint.task import Batch, Rows, Task


class GlobalBatch(NamedTuple):
    """A batch's place in the run: its rows over all processes, epoch, number in it, and step."""

    rows: Rows
    epoch: int
    number: int
    step: int


def stream_batches(
    task: Task, accelerator: Accelerator, progress: Progress, steps: int
) -> Iterator[tuple[GlobalBatch, Batch]]:
    """Yield each global batch after `progress` with this process's share of it, up to `steps`.

    The share lies on the device and is padded to the largest one (see `share_rows`).
    """
    plan = _walk(task, progress, steps)

    def load_next() -> tuple[GlobalBatch, Batch] | None:
        place = next(plan, None)
        if place is None:
            return None
        own = share_rows(place.rows, accelerator.process_index, accelerator.num_processes)
        return place, task.load(own, step=place.step)

    with ThreadPoolExecutor(1, thread_name_prefix="load") as reader:
        waiting = reader.submit(load_next)
        while (loaded := waiting.result()) is not None:
            place, batch = loaded
            waiting = reader.submit(load_next)
            yield place, move_batch(batch, accelerator)


def share_rows(rows: Rows, rank: int, processes: int) -> Rows:
    """Deal rows in turn; pad short shares with a row of theirs, for equal work on all processes.

    The loop cuts the padding off before any loss sees it. Equal work keeps FSDP in step and
    lets a process without any row of its own take part in every collective call.
    """
    share = rows[rank::processes]
    largest = -(-len(rows) // processes)
    padding = np.repeat(share[:1] if len(share) else rows[:1], largest - len(share))
    return np.concatenate([share, padding])


def move_batch(batch: Batch, accelerator: Accelerator) -> Batch:
    """Copy a batch to this process's device, without waiting where memory can be pinned."""
    device = accelerator.device
    if device.type == "cuda":
        batch = {name: value.pin_memory() for name, value in batch.items()}
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}


def _walk(task: Task, progress: Progress, steps: int) -> Iterator[GlobalBatch]:
    epoch, first, step = progress.epoch, progress.batch, progress.step
    while step < steps:
        for number, rows in enumerate(task.plan_epoch(epoch)):
            if number >= first and step < steps:
                yield GlobalBatch(rows, epoch, number, step)
                step += 1
        epoch, first = epoch + 1, 0
