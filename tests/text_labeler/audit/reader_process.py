"""A reader as a process of its own: reads until nothing is left, and says what was acknowledged.

python -m tests.text_labeler.audit.reader_process PLACE READER: each verdict is sent twice.
"""

from __future__ import annotations

import sys

from text_labeler.audit.records import Answer
from text_labeler.audit.store import AuditStore


def read_all(place: str, reader: str) -> None:
    with AuditStore.open(place) as store:
        tell("ready")
        sys.stdin.readline()
        while (given := store.claim(reader, queue="blind")) is not None:
            idem = f"press-{given.item.item_id}"
            events = {store.record(reader, given.item.item_id, ANSWER, idem=idem).seq for _ in "12"}
            tell(given.item.item_id, *events)


def tell(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


ANSWER = Answer("present", seconds=1.5)

if __name__ == "__main__":
    read_all(*sys.argv[1:])
