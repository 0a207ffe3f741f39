"""The batches of this process, in the order of the plan, each read while the one before is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from accelerate import Accelerator

from joint.resuming.checkpoints import Progress
from joint.task import Batch, Rows, Task

Item = TypeVar("Item")


class GlobalBatch(NamedTuple):
    """A batch's place in the run: its rows over all processes, epoch, number in it, and step."""

    rows: Rows
    epoch: int
    number: int
    step: int


class ReadAhead(Generic[Item]):
    """One thread that reads the next item while the one before is used.

    `begin` asks for one more item, `take` waits for the oldest that was asked for. An error of
    `read` is raised by `take`.
    """

    def __init__(self, read: Callable[[], Item]) -> None:
        self._read = read
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._asked: deque[Future[Item]] = deque()

    def __enter__(self) -> ReadAhead[Item]:
        return self

    def __exit__(self, *raised: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    @property
    def is_reading(self) -> bool:
        """Say whether an item that was asked for is not there yet."""
        return any(not item.done() for item in self._asked)

    def begin(self) -> None:
        """Begin to read one more item."""
        self._asked.append(self._thread.submit(self._read))

    def take(self) -> Item:
        """Wait for the oldest item that was asked for."""
        return self._asked.popleft().result()


def stream_batches(
    task: Task, accelerator: Accelerator, progress: Progress, steps: int
) -> Iterator[tuple[GlobalBatch, Batch]]:
    """Yield each global batch after `progress` with this process's share of it, up to `steps`.

    The share lies on the device and is padded to the largest one (see `share_rows`).
    """
    with ReadAhead(batch_reader(task, accelerator, progress, steps)) as ahead:
        ahead.begin()
        while (loaded := ahead.take()) is not None:
            place, batch = loaded
            ahead.begin()
            yield place, move_batch(batch, accelerator)


def batch_reader(
    task: Task, accelerator: Accelerator, progress: Progress, steps: int
) -> Callable[[], tuple[GlobalBatch, Batch] | None]:
    """Make what reads the next batch after `progress` onto the host, and None after `steps`."""
    plan = _walk(task, progress, steps)

    def read() -> tuple[GlobalBatch, Batch] | None:
        place = next(plan, None)
        if place is None:
            return None
        own = share_rows(place.rows, accelerator.process_index, accelerator.num_processes)
        return place, pin_batch(task.load(own, step=place.step), accelerator)

    return read


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
    batch = pin_batch(batch, accelerator)
    return {name: value.to(accelerator.device, non_blocking=True) for name, value in batch.items()}


def pin_batch(batch: Batch, accelerator: Accelerator) -> Batch:
    """Put a batch where a GPU can fetch it itself; done by the thread that reads, it costs none.

    On a CPU, and for a batch that lies there, nothing is done.
    """
    device = accelerator.device
    if device.type != "cuda":
        return batch
    with torch.cuda.device(device):  # a new thread's own device would be the first GPU
        return {name: v if v.is_pinned() else v.pin_memory() for name, v in batch.items()}


def _walk(task: Task, progress: Progress, steps: int) -> Iterator[GlobalBatch]:
    epoch, first, step = progress.epoch, progress.batch, progress.step
    while step < steps:
        for number, rows in enumerate(task.plan_epoch(epoch)):
            if number >= first and step < steps:
                yield GlobalBatch(rows, epoch, number, step)
                step += 1
        epoch, first = epoch + 1, 0
