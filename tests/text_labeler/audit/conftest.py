"""Fixtures of the audit's store: the same tests run on SQLite and on PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.text_labeler.audit.postgres import start_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with start_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path) -> str:
    """Where an audit can be created: a folder, then a schema of its own on a server."""
    if request.param == "sqlite":
        return str(tmp_path / "audit")
    return make_schema(request.getfixturevalue("postgres"))


def make_schema(url: str) -> str:
    """Give an empty place on the server; a schema is made quicker than a database."""
    name = f"audit_{uuid.uuid4().hex}"
    admin = sa.create_engine(url)
    with admin.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
    admin.dispose()
    return f"{url}&options=-csearch_path%3D{name}"
