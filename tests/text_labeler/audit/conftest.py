"""Fixtures of the audit: its store on SQLite and on PostgreSQL, and its pages in a browser."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import sqlalchemy as sa

from tests.text_labeler.audit.browsing import Server
from tests.text_labeler.audit.postgres import start_server
from tests.text_labeler.audit.served import START


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


@pytest.fixture
def run(store):
    """Stops what it served after the pages are closed."""
    with ExitStack() as stack:
        yield Server(store, stack)


def tell(said):
    """What a page says amiss, and where."""
    return f"{said.text} {said.location['url']}"


@pytest.fixture
def open_page(browser, run):
    """Open a page of an audit; whatever it says amiss or asks elsewhere fails the test."""
    problems, contexts = [], []

    def open_one(address: str, path: str = f"/start?token={START}", **options):
        context = browser.new_context(viewport={"width": 1280, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("console", lambda said: said.type == "error" and problems.append(tell(said)))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda sent: sent.url.startswith(address) or problems.append(sent.url))
        page.goto(address + path)
        page.wait_for_selector("#screen[data-shown], #password")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert problems == []
