"""The tables of an audit's database, alike on SQLite and PostgreSQL, and what keeps them whole."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

SCHEMA_VERSION = "1"
"""Of this layout; recorded in every audit, and no other is opened."""

METADATA = MetaData()

ABOUT = Table(
    "audit_about",
    METADATA,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)
"""The schema version, the hash of the plan's parts, and the plan itself as published."""

ITEMS = Table(
    "audit_item",
    METADATA,
    Column("item_id", String, primary_key=True),
    Column("body", Text, nullable=False),
)

DOCUMENTS = Table(
    "audit_document",
    METADATA,
    Column("study_id", String, primary_key=True),
    Column("body", Text, nullable=False),
)

EVENTS = Table(
    "audit_event",
    METADATA,
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", String, nullable=False),
    Column("reader", String, nullable=False),
    Column("item_id", String),
    Column("kind", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("supersedes", Integer),
    Column("idem", String, nullable=False),
    Column("previous", String, nullable=False),
    Column("hash", String, nullable=False),
    UniqueConstraint("idem"),
)

LEASES = Table(
    "audit_lease",
    METADATA,
    Column("item_id", String, primary_key=True),
    Column("reader", String, primary_key=True),
    Column("purpose", String, nullable=False),
    Column("turn", Float, nullable=False),
    Column("expires", Float, nullable=False),
)
"""Items held for readers. turn: a reader's own are given back lowest first."""

ACCOUNTS = Table(
    "audit_account",
    METADATA,
    Column("name", String, primary_key=True),
    Column("role", String, nullable=False),
    Column("password", String),
    Column("is_enabled", Boolean, nullable=False),
)

TOKENS = Table(
    "audit_token",
    METADATA,
    Column("token_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("hash", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("expires", Float, nullable=False),
)

APPEND_ONLY = (ABOUT, ITEMS, DOCUMENTS, EVENTS)
"""Tables whose rows are never changed nor removed, by anybody."""


def write_guards(table: Table, *, is_sqlite: bool) -> list[str]:
    """Return the statements that make the database refuse to change or remove a table's rows."""
    name, key = table.name, next(iter(table.primary_key)).name
    words = f"{name} is append-only"
    if not is_sqlite:
        return [
            f"CREATE FUNCTION {name}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{words}'; END $$",
            f"CREATE TRIGGER {name}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {name} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {name}_refuse()",
        ]
    # INSERT OR REPLACE removes a row without its delete trigger.
    taken = f"WHEN EXISTS (SELECT 1 FROM {name} WHERE {key} = NEW.{key}) "  # noqa: S608 - our names
    when = {"update": "", "delete": "", "insert": taken}
    return [
        f"CREATE TRIGGER {name}_no_{what} BEFORE {what.upper()} ON {name} {condition}"
        f"BEGIN SELECT RAISE(ABORT, '{words}'); END"
        for what, condition in when.items()
    ]
