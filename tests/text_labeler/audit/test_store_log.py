"""The log cannot be changed in silence, and a database that is none is told of, on both stores."""

from __future__ import annotations

import random
import sqlite3
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.text_labeler.audit.planted import plant, plant_items, read_all, read_next
from text_labeler.audit.database import Database
from text_labeler.audit.records import Answer, AuditError
from text_labeler.audit.store import AuditStore
from text_labeler.audit.tables import APPEND_ONLY, EVENTS


@pytest.fixture
def store(place):
    with plant(place) as made:
        read_next(made, "anna", "absent")
        read_all(made, "anna")
        made.undo("anna", idem="undo")
        yield made


def drop_guards(store: AuditStore) -> None:
    with store.database.writing() as connection:
        for table in APPEND_ONLY:
            if store.database.is_sqlite:
                for what in ("update", "delete", "insert"):
                    connection.exec_driver_sql(f"DROP TRIGGER {table.name}_no_{what}")
            else:
                connection.exec_driver_sql(f"DROP TRIGGER {table.name}_no_change ON {table.name}")


def change(value, generator: random.Random):
    """Another value of the same kind that differs by one byte, or by one."""
    if isinstance(value, int):
        return value + 1000
    place = generator.randrange(len(value))
    other = chr(ord(value[place]) ^ 1)
    return value[:place] + other + value[place + 1 :]


@pytest.mark.parametrize("table", APPEND_ONLY, ids=lambda table: table.name)
def test_the_database_refuses_changes(store, table):
    for statement in (
        f"UPDATE {table.name} SET {table.columns[1].name} = '1'",
        f"DELETE FROM {table.name}",
    ):
        with (
            pytest.raises(AuditError, match=f"{table.name} is append-only"),
            store.database.writing() as connection,
        ):
            connection.exec_driver_sql(statement)
    store.verify()


def test_sqlite_refuses_to_replace_an_event(tmp_path):
    with plant(tmp_path) as store:
        read_next(store, "anna")
        row = "SELECT 1, at, 'eve', item_id, kind, body, supersedes, 'x', previous, hash"
        with (
            pytest.raises(AuditError, match="append-only"),
            store.database.writing() as connection,
        ):
            connection.exec_driver_sql(
                f"INSERT OR REPLACE INTO audit_event {row} FROM audit_event WHERE seq = 1"
            )
        assert store.events()[0].reader != "eve"


def test_any_changed_byte_of_an_event_is_found(store):
    generator = random.Random(0)
    drop_guards(store)
    numbers = [event.seq for event in store.events() if event.item_id]
    head = store.verify()
    for column in EVENTS.columns:
        number = generator.choice(numbers)
        with store.database.reading() as connection:
            old = connection.scalar(sa.select(column).where(EVENTS.c.seq == number))
        new = 7 if column.name == "supersedes" and old is None else change(old, generator)
        write_cell(store, column, number, new)
        with pytest.raises(AuditError, match=rf"the log is broken: event {number} (is|does)"):
            store.verify()
        write_cell(store, column, new if column.name == "seq" else number, old)
        assert store.verify() == head


def write_cell(store: AuditStore, column, number: int, value) -> None:
    with store.database.writing() as connection:
        is_it = EVENTS.c.seq == number
        connection.execute(sa.update(EVENTS).where(is_it).values({column.name: value}))


@pytest.mark.parametrize("table", APPEND_ONLY[:3], ids=lambda table: table.name)
def test_a_changed_plan_item_or_report_is_found(store, table):
    drop_guards(store)
    key, body = list(table.columns)
    with store.database.writing() as connection:
        chosen = connection.scalar(sa.select(sa.func.min(key)).where(key != "schema"))
        old = connection.scalar(sa.select(body).where(key == chosen))
        new = old.replace("study-", "study_", 1) if "study-" in old else old + " "
        connection.execute(sa.update(table).where(key == chosen).values({body.name: new}))
    with pytest.raises(AuditError, match="are not those that event 1 logged"):
        store.verify()


def test_removed_events_are_found(store):
    head = store.verify()
    drop_guards(store)
    events = store.events()
    with store.database.writing() as connection:
        connection.execute(sa.delete(EVENTS).where(EVENTS.c.seq == events[-1].seq))
    assert store.verify() == store.verify(events[1].hash) == events[-2].hash
    with pytest.raises(AuditError, match="its end was cut off, or it was written anew"):
        store.verify(head)
    with store.database.writing() as connection:
        connection.execute(sa.delete(EVENTS).where(EVENTS.c.seq == 2))
    with pytest.raises(AuditError, match="event 2 is missing or out of place"):
        store.verify()


def test_an_error_shows_no_report_and_no_note(store):
    given = store.claim("ben", queue="blind")
    drop_guards(store)
    with store.database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE audit_event")
    with pytest.raises(AuditError) as raised:
        store.record("ben", given.item.item_id, Answer("present", note="CANARY"), idem="key")
    assert "audit_event" in str(raised.value)
    assert "CANARY" not in str(raised.value)


def test_an_audit_is_not_made_twice(place):
    plant(place).close()
    with pytest.raises(AuditError, match="is there already"):
        AuditStore.create(place)


def test_another_schema_version_is_told_of(store, place):
    drop_guards(store)
    with store.database.writing() as connection:
        connection.exec_driver_sql("UPDATE audit_about SET value = '99' WHERE name = 'schema'")
    with pytest.raises(AuditError, match="schema version 99; this Kerley reads 1"):
        AuditStore.open(place)


def test_a_database_without_an_audit_is_told_of(place):
    database = Database(place)
    if database.file is not None:
        database.file.parent.mkdir()
        sqlite3.connect(database.file).close()
    database.close()
    with pytest.raises(AuditError, match="without an audit's tables"):
        AuditStore.open(place)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda file: file.unlink(), "no audit there; expected the file audit.sqlite"),
        (lambda file: file.write_bytes(b"not a database" * 100), "file is not a database"),
        (lambda file: file.write_bytes(file.read_bytes()[:-8192]), "malformed|damaged"),
        (lambda file: file.write_bytes(file.read_bytes()[:5000]), "malformed|damaged"),
    ],
)
def test_a_damaged_file_is_told_of(tmp_path, make, said):
    with plant(tmp_path, plant_items(200)) as store:
        file = store.database.file
    make(file)
    with pytest.raises(AuditError, match=said):
        AuditStore.open(tmp_path)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://host/audit", "mysql: no such store; expected a folder, or postgresql"),
        ("postgresql://host:port/audit", "URL cannot be read"),
        ("postgresql://eve:SECRET@host/audit", "holds a password, which the plan would publish"),
        ("postgresql://eve@/audit?host=/nowhere", r"eve@.*connection"),
    ],
)
def test_a_url_that_leads_nowhere_is_told_of(url, said):
    with pytest.raises(AuditError, match=said) as raised:
        AuditStore.open(url)
    assert "SECRET" not in str(raised.value)


def test_a_full_disk_is_told_of_and_nothing_is_acknowledged(tmp_path):
    with plant(tmp_path) as store:
        given = store.claim("anna", queue="blind")
        answer = Answer("present", note="n" * 9_000)
        with store.database.engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(AuditError, match="database or disk is full"):
            store.record("anna", given.item.item_id, answer, idem="key")
        assert store.reads() == []
        store.record("anna", given.item.item_id, Answer("present"), idem="shorter")
    with AuditStore.open(tmp_path) as store:
        assert [read.verdict for read in store.reads()] == ["present"]
        store.verify()


def test_the_file_is_for_its_owner_only(tmp_path):
    with plant(tmp_path / "audit") as store:
        read_next(store, "anna")
        files = list(Path(tmp_path / "audit").iterdir())
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert len(files) == 3
        assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o700
