"""Keeps what stands in an audit in memory, brought up to date inside of each transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from text_labeler.audit.database import Database
from text_labeler.audit.events import read_events
from text_labeler.audit.plan_store import read_items, read_plan, read_seed
from text_labeler.audit.standing import Standing


class Mirror:
    """A database's transactions, each with what stands at its begin; one thread at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._standing: Standing | None = None
        self._lock = threading.Lock()

    @contextmanager
    def writing(self) -> Iterator[tuple[sa.Connection, Standing]]:
        """Give the one transaction that may write; what it did is on the disk after the block."""
        with self._lock:
            # Forgotten where the block or its commit fails: it may hold what was never written.
            known, self._standing = self._standing, None
            with self._database.writing() as connection:
                standing = _catch_up(connection, known)
                yield connection, standing
            self._standing = standing

    @contextmanager
    def reading(self) -> Iterator[tuple[sa.Connection, Standing]]:
        """Give a transaction that only reads."""
        with self._lock, self._database.reading() as connection:
            self._standing = _catch_up(connection, self._standing)
            yield connection, self._standing


def _catch_up(connection: sa.Connection, known: Standing | None) -> Standing:
    if known is None or not known.items:
        plan = read_plan(connection)
        known = Standing(read_items(connection), read_seed(plan) if plan else 0)
    for event in read_events(connection, after=known.seq):
        known.apply(event)
    return known
