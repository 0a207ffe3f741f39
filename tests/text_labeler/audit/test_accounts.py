"""Accounts, passwords and tokens: what is stored, who gets in, and what they may do."""

from __future__ import annotations

import pytest

from tests.text_labeler.audit.planted import plant
from text_labeler.audit.accounts import RIGHTS
from text_labeler.audit.records import AuditError

PASSWORD = "correct horse battery"


@pytest.fixture
def store(place):
    with plant(place) as made:
        yield made


def everything(store) -> str:
    """All that the database holds of accounts, as text."""
    with store.database.reading() as connection:
        tables = ("audit_account", "audit_token", "audit_event")
        return str([connection.exec_driver_sql(f"SELECT * FROM {t}").all() for t in tables])


def test_only_the_password_opens_an_account(store):
    store.accounts.add("anna", "reader", PASSWORD)
    store.accounts.add("robot", "viewer")
    assert store.accounts.check_password("anna", PASSWORD)
    assert store.accounts.find_role("anna") == "reader"
    for name, password in [
        ("anna", PASSWORD + "!"),
        ("anna", ""),
        ("anna", "x" * 1_000_000),
        ("ben", PASSWORD),
        ("robot", ""),
    ]:
        assert not store.accounts.check_password(name, password)
    assert PASSWORD not in everything(store)


def test_two_accounts_with_one_password_are_stored_apart(store):
    for name in ("anna", "ben"):
        store.accounts.add(name, "reader", PASSWORD)
    with store.database.reading() as connection:
        stored = connection.exec_driver_sql("SELECT password FROM audit_account").scalars().all()
    assert len(set(stored)) == 2


def test_a_token_carries_its_scope_until_it_expires(store):
    times = [1000.0]
    store.accounts._clock = lambda: times[0]
    store.accounts.add("lead", "lead")
    text = store.accounts.make_token("lead", ["view"], days=1)
    assert store.accounts.check_token(text).rights == {"view"}
    assert text.split("_", 2)[2] not in everything(store), "only its hash is stored"
    for other in (text[:-1], text + "x", text.replace("kerley", "other"), "", "kerley__", "ä_b_c"):
        assert store.accounts.check_token(other) is None
    times[0] += 86_400
    assert store.accounts.check_token(text) is None


def test_a_token_has_no_right_that_its_role_has_not(store):
    store.accounts.add("anna", "reader")
    for scope in (["export"], ["read", "adjudicate"], []):
        with pytest.raises(AuditError, match=r"scope: anna may have read$"):
            store.accounts.make_token("anna", scope)
    for days in (0, float("inf"), float("nan")):
        with pytest.raises(AuditError, match="days: expected more than none"):
            store.accounts.make_token("anna", ["read"], days=days)
    with pytest.raises(AuditError, match="ben: no account of this name"):
        store.accounts.make_token("ben", ["read"])


def test_a_disabled_account_is_out_with_its_tokens(store):
    store.accounts.add("anna", "reader", PASSWORD)
    text = store.accounts.make_token("anna", ["read"])
    given = store.claim("anna", queue="blind")
    assert given is not None
    store.accounts.disable("anna")
    assert not store.accounts.check_password("anna", PASSWORD)
    assert store.accounts.find_role("anna") is store.accounts.find_role("ben") is None
    assert store.accounts.check_token(text) is None
    with pytest.raises(AuditError, match="anna: the account may not read here"):
        store.claim("anna", queue="blind")
    assert [(one.name, one.is_enabled) for one in store.accounts.list()] == [("anna", False)]


@pytest.mark.parametrize("role", sorted(RIGHTS))
def test_a_role_reads_if_it_may(store, role):
    store.accounts.add("eve", role)
    if "read" in RIGHTS[role]:
        assert store.claim("eve", queue="blind") is not None
    else:
        with pytest.raises(AuditError, match="eve: the account may not read here"):
            store.claim("eve", queue="blind")
    with pytest.raises(AuditError, match="no account that may read here"):
        store.claim("nobody", queue="blind")


@pytest.mark.parametrize(
    ("name", "role", "password", "said"),
    [
        ("a b", "reader", None, "account: expected a name"),
        ("store", "reader", None, "account: expected a name"),
        ("", "reader", None, "account: expected a name"),
        ("anna", "king", None, "role: expected one of lead"),
        ("anna", "reader", "short", "password: expected 12 characters"),
        ("taken", "reader", None, "taken: there is an account of this name"),
    ],
)
def test_an_account_that_cannot_be_is_refused(store, name, role, password, said):
    store.accounts.add("taken", "viewer")
    with pytest.raises(AuditError, match=said):
        store.accounts.add(name, role, password)
    assert [account.name for account in store.accounts.list()] == ["taken"]


def test_changes_of_accounts_are_in_the_log(store):
    store.accounts.add("anna", "reader", PASSWORD)
    store.accounts.make_token("anna", ["read"])
    store.accounts.disable("anna")
    assert [event.body["what"] for event in store.events() if event.kind == "account"] == [
        "added",
        "token made",
        "disabled",
    ]
    store.verify()
