"""What an audit's store does when it is cut off, forged, or looked at meanwhile."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from tests.text_labeler.audit.planted import plant, plant_documents, plant_items, read_next
from tests.text_labeler.audit.test_store_log import drop_guards
from text_labeler.audit.records import AuditError
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
