"""Readers as processes: six at once read each item as often as needed, and a kill loses nothing."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

from tests.text_labeler.audit.planted import plant, plant_items, read_all
from text_labeler.audit.store import AuditStore

READERS = tuple(f"reader-{number}" for number in range(6))


def start(stack: ExitStack, place: str, reader: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.text_labeler.audit.reader_process", place, reader]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = stack.enter_context(subprocess.Popen(command, **pipes))
    stack.callback(process.kill)
    return process


def release(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        print("go", file=process.stdin, flush=True)


def test_six_processes_read_each_item_as_often_as_needed(place):
    items = [replace(item, needed=1 + (item.place % 5 == 0)) for item in plant_items(400)]
    plant(place, items).close()
    with ExitStack() as stack:
        processes = [start(stack, place, reader) for reader in READERS]
        release(processes)
        said = [process.communicate(timeout=300)[0].splitlines() for process in processes]
        assert [process.returncode for process in processes] == [0] * 6
    with AuditStore.open(place) as store:
        reads = store.reads()
        store.verify()
    assert Counter(read.item_id for read in reads) == {item.item_id: item.needed for item in items}
    assert len(reads) == 480 == len({(read.item_id, read.reader) for read in reads})
    # Both sendings of a verdict were told the same one event.
    told = sorted(tuple(line.split()) for lines in said for line in lines)
    assert told == sorted((read.item_id, str(read.event)) for read in reads)


def test_threads_of_one_store_read_each_item_once(place):
    with plant(place, plant_items(60)) as store, ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(read_all, [store] * 6, READERS)) == 60
        assert len({read.item_id for read in store.reads()}) == 60
        store.verify()


def test_a_killed_process_loses_no_acknowledged_read(place):
    items = plant_items(60)
    plant(place, items).close()
    with ExitStack() as stack:
        killed = start(stack, place, READERS[0])
        release([killed])
        told = [killed.stdout.readline() for _ in range(23)]
        killed.kill()
        told += killed.stdout.read().splitlines()
    acknowledged = {line.split()[0] for line in told if len(line.split()) == 2}
    assert len(acknowledged) >= 23
    with AuditStore.open(place) as store:
        kept = {read.item_id for read in store.reads()}
        assert acknowledged <= kept
        # At most the read whose acknowledgement was under way is there beside them.
        assert len(kept) <= len(acknowledged) + 1
        store.verify()
        store.clock = lambda: 1e11
        read_all(store, "afterwards")
        assert len(store.reads()) == 60, "what it held came back"
