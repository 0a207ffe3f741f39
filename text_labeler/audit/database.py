"""Opens an audit's database, SQLite or PostgreSQL, and gives transactions that tell of faults."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from text_labeler.audit.records import AuditError
from text_labeler.audit.tables import (
    ABOUT,
    APPEND_ONLY,
    EVENTS,
    METADATA,
    SCHEMA_VERSION,
    write_guards,
)

FILE_NAME = "audit.sqlite"
BUSY_SECONDS = 30
_WRITES = "kerley_writes"


class Database:
    """One audit's database: SQLite `FOLDER/audit.sqlite`, or PostgreSQL by its URL."""

    def __init__(self, place: str | Path) -> None:
        url, self.place = _find(place)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        # Statements' values are report texts: an error never shows them.
        try:
            self.engine = sa.create_engine(
                url, hide_parameters=True, pool_pre_ping=not self.is_sqlite
            )
        except ModuleNotFoundError as error:
            raise AuditError("PostgreSQL needs a driver: pip install 'kerley[postgres]'") from error
        if self.is_sqlite:
            sa.event.listen(self.engine, "connect", _set_up)
            sa.event.listen(self.engine, "begin", _begin)

    @property
    def file(self) -> Path | None:
        """The SQLite file, None of a server."""
        return Path(self.engine.url.database or "") if self.is_sqlite else None

    def create(self) -> None:
        """Make the tables, unless a plan that broke off left them without one.

        Raises AuditError where an audit stands already.
        """
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with suppress(FileExistsError):
                os.close(os.open(self.file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            self.file.chmod(0o600)
        with self.telling(), self.engine.begin() as connection:
            if sa.inspect(connection).has_table(ABOUT.name):
                about = [tuple(row) for row in connection.execute(sa.select(ABOUT))]
                if about != [("schema", SCHEMA_VERSION)]:
                    raise AuditError(f"{self.place}: an audit's database is there already")
                return
            METADATA.create_all(connection)
            for table in APPEND_ONLY:
                for statement in write_guards(table, is_sqlite=self.is_sqlite):
                    connection.exec_driver_sql(statement)
            connection.execute(sa.insert(ABOUT).values(name="schema", value=SCHEMA_VERSION))

    def check(self) -> None:
        """Raise AuditError unless a whole audit of this schema version is there."""
        if self.file is not None and not self.file.is_file():
            raise AuditError(f"{self.place}: no audit there; expected the file {FILE_NAME}")
        with self.reading() as connection:
            if not sa.inspect(connection).has_table(ABOUT.name):
                raise AuditError(f"{self.place}: a database without an audit's tables")
            found = connection.scalar(sa.select(ABOUT.c.value).where(ABOUT.c.name == "schema"))
            if found != SCHEMA_VERSION:
                raise AuditError(
                    f"{self.place}: an audit of schema version {found}; this Kerley reads "
                    f"{SCHEMA_VERSION}: open it with the Kerley that made it"
                )
            if self.is_sqlite:
                said = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
                if said != "ok":
                    raise AuditError(f"{self.place}: the database is damaged: {said}")

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a connection that sees one state of the audit."""
        with self.telling(), self.engine.connect() as connection:
            if not self.is_sqlite:  # there each statement else sees what was written before it
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """Give the one transaction that may write; it is on the disk when the block has ended."""
        with self.telling(), self.engine.connect() as plain:
            connection = plain.execution_options(**{_WRITES: True})
            with connection.begin():
                if not self.is_sqlite:
                    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
                    connection.exec_driver_sql(
                        f"LOCK TABLE {EVENTS.name} IN SHARE ROW EXCLUSIVE MODE"
                    )
                yield connection

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Turn what a database says into an AuditError without statement and values."""
        try:
            yield
        except DBAPIError as error:
            said = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
            raise AuditError(f"{self.place}: {said[0]}") from error
        except SQLAlchemyError as error:
            raise AuditError(f"{self.place}: {type(error).__name__}") from error

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _find(place: str | Path) -> tuple[sa.URL, str]:
    """Return a database's URL and the name to call it by, which has no password."""
    if isinstance(place, str) and "://" in place:
        try:
            url = sa.make_url(place)
        except (SQLAlchemyError, ValueError) as error:
            raise AuditError("the store's URL cannot be read; " + _EXPECTED) from error
        if url.get_backend_name() != "postgresql":
            raise AuditError(f"{url.drivername}: no such store; {_EXPECTED}")
        if url.password is not None or any("password" in name for name in url.query):
            raise AuditError(
                "the store's URL holds a password, which the plan would publish; give it by"
                " PGPASSWORD or ~/.pgpass"
            )
        return url.set(drivername="postgresql+psycopg"), url.render_as_string()
    folder = Path(place).absolute()
    return sa.URL.create("sqlite", database=str(folder / FILE_NAME)), str(place)


_EXPECTED = "expected a folder, or postgresql+psycopg://USER@HOST/DATABASE"


def _set_up(connection: Any, _: object) -> None:
    # The driver's own transactions begin too late (at the first write); _begin gives them.
    connection.isolation_level = None
    for pragma in (f"busy_timeout = {BUSY_SECONDS * 1000}", "journal_mode = WAL"):
        connection.execute(f"PRAGMA {pragma}").close()
    connection.execute("PRAGMA synchronous = FULL").close()


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
