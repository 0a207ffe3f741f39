"""What an audit's store does when it is cut off, forged, or looked at meanwhile."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.text_labeler.audit.planted import plant, plant_documents, plant_items, read_next
from tests.text_labeler.audit.test_store_log import drop_guards
from text_labeler.audit.records import Answer, AuditError
from text_labeler.audit.store import AuditStore
from text_labeler.audit.tables import ACCOUNTS, EVENTS


def test_a_plan_that_broke_off_can_be_made_again(place):
    items = plant_items(2)
    with AuditStore.create(place) as store, pytest.raises(RuntimeError, match="broke off"):
        store.add_plan("{}", items, break_off(items))
    with AuditStore.create(place) as store:
        store.add_plan("{}", items, plant_documents(items))
        assert len(store.items()) == 2
    with pytest.raises(AuditError, match="is there already"):
        AuditStore.create(place)


def break_off(items):
    yield plant_documents(items)[0]
    raise RuntimeError("broke off")


def test_an_empty_file_of_a_plan_that_was_killed_is_taken(tmp_path):
    (tmp_path / "audit.sqlite").touch(0o644)
    with plant(tmp_path) as store:
        assert store.database.file.stat().st_mode & 0o777 == 0o600
        store.verify()


def test_a_log_that_was_emptied_is_found(place):
    with plant(place) as store:
        drop_guards(store)
        with store.database.writing() as connection:
            connection.execute(sa.delete(EVENTS))
        with pytest.raises(AuditError, match="does not tell of the audit's plan"):
            store.verify()


@pytest.mark.parametrize(
    ("name", "values"),
    [("ben", {"role": "lead"}), ("anna", {"is_enabled": True}), ("ben", {"name": "eve"})],
)
def test_an_account_that_was_changed_behind_the_log_is_found(place, name, values):
    with plant(place) as store:
        for reader in ("anna", "ben"):
            store.accounts.add(reader, "reader")
        store.accounts.make_token("ben", ["read"])
        store.accounts.disable("anna")
        store.verify()
        with store.database.writing() as connection:
            connection.execute(sa.update(ACCOUNTS).where(ACCOUNTS.c.name == name).values(values))
        with pytest.raises(AuditError, match="is not what the log tells of it"):
            store.verify()


def test_one_look_at_an_audit_sees_one_state_of_it(place):
    with plant(place) as store, AuditStore.open(place) as other:
        count = sa.select(sa.func.count()).select_from(EVENTS)
        with store.database.reading() as connection:
            before = connection.scalar(count)
            read_next(other, "anna")
            assert connection.scalar(count) == before
        with store.database.reading() as connection:
            assert connection.scalar(count) > before


@pytest.mark.parametrize("name", ["password", "sslpassword"])
def test_a_password_in_any_part_of_the_url_is_refused(name):
    with pytest.raises(AuditError, match="holds a password") as raised:
        AuditStore.create(f"postgresql://eve@host/audit?{name}=SECRET")
    assert "SECRET" not in str(raised.value)


@pytest.mark.parametrize("first", ["anna", "ben"])
def test_a_clock_set_back_lets_no_item_be_read_too_often(place, first):
    times = [5000.0]
    with plant(place, plant_items(1)) as store:
        store.clock = lambda: times[0]
        store.claim("anna", queue="blind")
        times[0] += store.lease_seconds + 100
        store.claim("ben", queue="blind")
        times[0] -= 200
        told = []
        for reader in (first, "ben" if first == "anna" else "anna"):
            try:
                store.record(reader, "item-0", Answer("present"), idem="key")
            except AuditError as error:
                told.append(str(error))
        assert [read.reader for read in store.reads()] == ["ben"], "who was given it last"
        assert told == ["the item was held too long, and another reader has taken it"]


@pytest.mark.parametrize("first", ["anna", "ben"])
def test_an_item_held_by_a_clock_that_ran_ahead_is_given_and_read_once(place, first):
    times = [1_000_000.0]
    with plant(place, plant_items(1)) as store:
        store.clock = lambda: times[0]
        store.claim("anna", queue="blind")
        times[0] = 5000.0
        assert store.claim("ben", queue="blind").item.item_id == "item-0"
        told = []
        for reader in (first, "ben" if first == "anna" else "anna"):
            try:
                store.record(reader, "item-0", Answer("present"), idem="key")
            except AuditError as error:
                told.append(str(error))
        assert len(store.reads()) == len(told) == 1
