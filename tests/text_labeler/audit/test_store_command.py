"""`kerley audit verify` and `accounts`, as a user runs them, on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3

import pytest
from typer.testing import CliRunner

import kerley
from configs.files import write_text
from tests.text_labeler.audit.audited import plan_table
from tests.text_labeler.audit.planted import plant_documents, read_next
from text_labeler.audit.place import PLAN_FILE, open_folder
from text_labeler.audit.planning import draw_items
from text_labeler.audit.records import AuditError
from text_labeler.audit.store import AuditStore
from text_labeler.command_error import CommandError


@pytest.fixture
def audit(place, tmp_path):
    """An audit's folder whose plan names its store, with one read."""
    folder = tmp_path / "audit"
    plan, table = plan_table(tmp_path / "labels.parquet")
    items = draw_items(plan, table)
    if "://" in place:
        plan = plan.model_copy(update={"store": place})
    with AuditStore.create(plan.store or folder) as store:
        store.add_plan(plan.to_json(), items, plant_documents(items))
        read_next(store, "anna", "unclear")
    write_text(folder / PLAN_FILE, plan.to_json())
    return folder


def run(*words, stdin=""):
    result = CliRunner().invoke(kerley.app, ["audit", *map(str, words)], input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_verify_says_the_head_and_takes_an_earlier_one(audit):
    said = run("verify", audit).stdout
    with open_folder(audit) as store:
        head = store.verify()
        assert f"2 events, each as it was written; head {head}" in said
        read_next(store, "anna", "unclear")
    assert "3 events" in run("verify", audit, "--head", head).stdout
    with pytest.raises(AuditError, match="its end was cut off, or it was written anew"):
        run("verify", audit, "--head", "0" * 64)


def test_verify_tells_of_a_plan_that_was_changed(audit):
    file = audit / PLAN_FILE
    text = file.read_text()
    file.write_text(text.replace('"seed": 0', '"seed": 1'))
    with pytest.raises(AuditError, match=r"plan\.json: differs from the plan in the store"):
        run("verify", audit)
    file.write_text("{}")
    with pytest.raises(AuditError, match=r"plan\.json: not a plan of an audit: "):
        run("verify", audit)
    file.write_bytes(b"\xff")
    with pytest.raises(AuditError, match="not UTF-8 text"):
        run("verify", audit)
    file.unlink()
    with pytest.raises(AuditError, match=r"no audit; expected plan\.json"):
        run("verify", audit)


def test_verify_finds_a_changed_byte_of_the_file(tmp_path):
    plan, table = plan_table(tmp_path / "labels.parquet")
    items = draw_items(plan, table)
    folder = tmp_path / "audit"
    with AuditStore.create(folder) as store:
        store.add_plan(plan.to_json(), items, plant_documents(items))
        read_next(store, "anna", "unclear")
    write_text(folder / PLAN_FILE, plan.to_json())
    file = folder / "audit.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = file.read_bytes()
    for words in (b"unclear", b"the report of", items[0].item_id.encode(), b'"seconds":1.5'):
        place = content.rindex(words)
        changed = bytearray(content)
        changed[place] ^= 1
        file.write_bytes(changed)
        with pytest.raises(AuditError):
            run("verify", folder)
    file.write_bytes(content)
    assert run("verify", folder).exit_code == 0


def test_accounts_are_added_listed_and_disabled(audit):
    assert run("accounts", audit, "add", "anna", stdin="correct horse battery\n").exit_code == 0
    run("accounts", audit, "add", "robot", "--role", "viewer", "--no-password")
    with open_folder(audit) as store:
        assert store.accounts.check_password("anna", "correct horse battery")
    run("accounts", audit, "disable", "robot")
    lines = [line.split() for line in run("accounts", audit, "list").stdout.splitlines()]
    assert lines == [["anna", "reader"], ["robot", "viewer", "disabled"]]
    with pytest.raises(AuditError, match="password: expected 12 characters or more"):
        run("accounts", audit, "add", "ben", stdin="\n")


def test_a_token_is_printed_once(audit):
    run("accounts", audit, "add", "robot", "--role", "viewer", "--no-password")
    made = run("accounts", audit, "token", "robot", "--scope", "view", "--days", 1)
    token = made.stdout.strip()
    assert "cannot be shown again" in made.stderr
    with open_folder(audit) as store:
        assert store.accounts.check_token(token).name == "robot"
    assert token not in run("accounts", audit, "list").stdout
    with pytest.raises(AuditError, match="scope: robot may have view"):
        run("accounts", audit, "token", "robot", "--scope", "everything")


@pytest.mark.parametrize("words", [("list", "anna"), ("add",), ("disable",), ("token",)])
def test_a_name_is_given_where_one_is_needed(audit, words):
    with pytest.raises(CommandError, match="account name"):
        run("accounts", audit, *words)
