"""Batches are read ahead by one thread, without worker processes that could be killed unseen."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from joint.resuming.checkpoints import Checkpoints
from tests.joint.tiny import tiny_grading_task, tiny_loop
from vision.cache import CacheError


def children() -> list[str]:
    """The processes that this one has started and that still run."""
    threads = Path(f"/proc/{os.getpid()}/task").iterdir()
    return [child for each in threads for child in (each / "children").read_text().split()]


def run(task, folder, **changes):
    task.evaluate = lambda predict: {"score": None}
    loop = tiny_loop(task, **changes)
    loop.run(Checkpoints(folder, {}), lambda kind, step, values: None)
    return loop


def test_training_starts_no_process_and_one_thread_that_ends(tmp_path) -> None:
    task = tiny_grading_task()
    load, readers, started = task.load, set(), set()
    before = set(children())

    def watched(rows, *, step):
        readers.add(threading.current_thread().name)
        started.update(children())
        return load(rows, step=step)

    task.load = watched
    run(task, tmp_path)
    assert started <= before
    assert readers == {"load_0"}
    assert not any(thread.name.startswith("load") for thread in threading.enumerate())


def test_an_image_that_cannot_be_read_ends_training_with_its_own_error(tmp_path) -> None:
    task = tiny_grading_task()
    read = task.data.cache.read
    calls = []

    def broken(rows):
        calls.append(rows)
        if len(calls) == 3:
            raise CacheError("pixels.u8, row 7: not the pixels that were written")
        return read(rows)

    task.data.cache.read = broken
    with pytest.raises(CacheError, match="row 7"):
        run(task, tmp_path)
    assert len(calls) == 3


def test_the_next_batch_is_read_while_the_one_before_is_used(tmp_path) -> None:
    task = tiny_grading_task()
    load, prepare, log, was_read = task.load, task.prepare, [], threading.Event()

    def logged_load(rows, *, step):
        batch = load(rows, step=step)
        log.append(step)
        if step == 1:
            was_read.set()
        return batch

    def logged_prepare(batch):
        # The first step waits here until the second batch lies ready; a reader that only begins
        # when it is asked would never come to it.
        assert was_read.wait(timeout=60)
        return prepare(batch)

    task.load, task.prepare = logged_load, logged_prepare
    run(task, tmp_path, steps=3, evaluate_every=3)
    assert log == [0, 1, 2]


def test_batches_travel_as_bytes_and_become_float_on_the_device() -> None:
    task = tiny_grading_task()
    batch = task.load(np.arange(4), step=0)
    assert str(batch["images"].dtype) == "torch.uint8"
    prepared = task.prepare(batch)["images"]
    assert (str(prepared.dtype), prepared.shape[1]) == ("torch.float32", 1)
