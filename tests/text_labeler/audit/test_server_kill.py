"""A killed `kerley audit serve` loses no acknowledged read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
import uuid
from contextlib import contextmanager, suppress
from http.client import HTTPException

from configs.files import write_text
from tests.text_labeler.audit.audited import plan_table
from tests.text_labeler.audit.planted import plant_documents
from text_labeler.audit.place import PLAN_FILE, open_folder
from text_labeler.audit.planning import draw_items
from text_labeler.audit.store import AuditStore

READERS = ("anna", "ben")
ENOUGH = 15


class Unreachable(Exception):
    """Nobody answers, as against an answer that refuses."""


def make_folder(folder, place):
    """Plan an audit; return a token for each reader."""
    plan, table = plan_table(folder.parent / "labels.parquet")
    items = draw_items(plan, table)
    if "://" in place:
        plan = plan.model_copy(update={"store": place})
    with AuditStore.create(plan.store or folder) as store:
        store.add_plan(plan.to_json(), items, plant_documents(items))
        for reader in READERS:
            store.accounts.add(reader, "reader")
        tokens = [store.accounts.make_token(reader, ["read"]) for reader in READERS]
    write_text(folder / PLAN_FILE, plan.to_json())
    return tokens


@contextmanager
def serve(folder):
    """Run the command as a user does; give its process and its address."""
    command = [sys.executable, "-m", "kerley", "audit", "serve", str(folder), "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            said = process.stdout.readline()
            yield process, re.search(r"http://\S+:\d+", said)[0]
        finally:
            process.kill()


def ask(address, token, path, **form):
    data = urllib.parse.urlencode(form).encode() if form else None
    headers = {"authorization": f"Bearer {token}"}
    request = urllib.request.Request(address + path, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError:
        raise
    except urllib.error.URLError as error:
        raise Unreachable from error


def read_on(address, token, acknowledged):
    """Read until the server is gone; an item is acknowledged when the next one is shown."""
    with suppress(HTTPException, ConnectionError, Unreachable):
        page = ask(address, token, "/read/blind")
        while found := re.search(r"/items/(\w+)/read", page):
            verdict = "0" if 'name="verdict" value="0"' in page else "present"
            form = {"verdict": verdict, "idem": uuid.uuid4().hex, "seconds": "1"}
            page = ask(address, token, found[0], **form)
            acknowledged.append(found[1])


def test_a_killed_server_loses_no_acknowledged_read(place, tmp_path):
    folder = tmp_path / "audit"
    tokens = make_folder(folder, place)
    acknowledged = {reader: [] for reader in READERS}
    with serve(folder) as (process, address):
        reading = [
            threading.Thread(target=read_on, args=(address, token, acknowledged[reader]))
            for reader, token in zip(READERS, tokens, strict=True)
        ]
        for thread in reading:
            thread.start()
        while sum(map(len, acknowledged.values())) < ENOUGH and any(
            thread.is_alive() for thread in reading
        ):
            reading[0].join(0.01)
        process.kill()
        for thread in reading:
            thread.join()
    assert sum(map(len, acknowledged.values())) >= ENOUGH
    with open_folder(folder) as store:
        store.verify()
        for reader in READERS:
            kept = [read.item_id for read in store.reads() if read.reader == reader]
            # Beside them at most the one whose answer was under way.
            assert kept[: len(acknowledged[reader])] == acknowledged[reader]
            assert len(kept) <= len(acknowledged[reader]) + 1
