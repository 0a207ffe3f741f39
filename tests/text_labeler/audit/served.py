"""A small audit as it is served: planned, stored, and asked over HTTP or by a real browser."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import uvicorn
from starlette.testclient import TestClient

from text_labeler.audit.app import AppSettings, create_app
from text_labeler.audit.planning import AuditedLabels, AuditRequest, draw_items, plan_audit
from text_labeler.audit.promises import parse_promises
from text_labeler.audit.records import Document, Item
from text_labeler.audit.store import AuditStore

SECRET = b"s" * 32
START = "start-token"
RULE = "edema-words-of-the-labeler"
HOSTILE = (
    "FINDINGS:\r\n\tNo <img src=x onerror=\"document.title='run'\"> edema &amp; </div><script>"
    "document.title='run'</script>.\r\r"
    "שלום עולם: מעט נוזל.\u202eabc\u202c "
    "e\u0301\U0001f469\u200d\U0001f4bb\U0001fac1 {{ 7 * 7 }}\n\n"
    + "Lungs are clear. " * 1200
    + "\r\nIMPRESSION: Mild interstitial edema. "
)
WORDS = ("Mild interstitial edema", "Mild")


def make_report(number: int) -> str:
    return HOSTILE if number == 0 else f"FINDINGS: {WORDS[0]} is seen.\r\nReport number {number}."


def make_evidence(report: str) -> dict[str, object]:
    start = report.index(WORDS[0])
    return {
        "finding": "Edema",
        "section": "findings",
        "start": start,
        "end": start + len(WORDS[0]),
        "assertion": "positive",
        "rule": RULE,
        "cue_start": start,
        "cue_end": start + len(WORDS[1]),
        "change": "",
        "grade": "",
        "laterality": "",
        "anatomy": "",
    }


def plant_audit(place: Path | str, *, studies: int = 60, images=(), repair: int = 3) -> AuditStore:
    """An audit of all `studies`, of which every fourth is called positive."""
    names = [f"study-{number:03}" for number in range(studies)]
    reports = [make_report(number) for number in range(studies)]
    evidence = [[make_evidence(report)] for report in reports]
    calls = [1 if number % 4 == 0 else 0 for number in range(studies)]
    table = pd.DataFrame(
        {"study_id": names, "Edema": pd.array(calls, "Int8"), "evidence": evidence}
    )
    request = AuditRequest(
        findings=("Edema",),
        promises=parse_promises("precision >= .9, recall >= .8"),
        salt="salt",
        reads=(studies,),
    )
    labels = AuditedLabels(
        name="t", table_hash="0", labeler="l", labeler_version="1", corpus="c", corpus_hash="0"
    )
    plan = plan_audit(request, labels, table)
    items = [replace(item, needed=1) for item in draw_items(plan, table)]
    items += [_repair(item, number) for number, item in enumerate(items[:repair])]
    store = AuditStore.create(place)
    documents = [
        Document(name, report, tuple(images), tuple(found))
        for name, report, found in zip(names, reports, evidence, strict=True)
    ]
    store.add_plan(plan.model_dump_json(), items, documents)
    return store


def _repair(item: Item, number: int) -> Item:
    reason = "the labelers differ most here"
    return replace(
        item,
        item_id=f"repair{number}",
        queue="repair",
        pool="tune",
        score=1.0,
        reason=reason,
        place=10_000 + number,
    )


@dataclass(frozen=True)
class StoredPixels:
    """A picture as vision gives it."""

    pixels: np.ndarray
    slope: float = 1.0
    intercept: float = 0.0
    window: tuple[float, float] = (2000.0, 1000.0)
    curve: str = "LINEAR"
    inverted: bool = False
    padding: tuple[int, int] | None = None


def make_pixels(rows: int = 300, columns: int = 260) -> np.ndarray:
    """A ramp from 0 to 4095 from left to right."""
    return np.tile(np.linspace(0, 4095, columns).round().astype(np.uint16), (rows, 1))


def make_app(store: AuditStore, *, read_picture=None, start: str | None = START):
    settings = AppSettings(secret=SECRET, start_token=start)
    return create_app(store, read_picture=read_picture, settings=settings)


def make_client(app) -> TestClient:
    return TestClient(app, base_url="http://127.0.0.1:8450", follow_redirects=False)


def enter(client: TestClient) -> dict[str, str]:
    """Come in by the start link; return the headers that a page of ours sends."""
    client.get("/start", params={"token": START})
    return page_headers(client)


def page_headers(client: TestClient, path: str = "/read/blind") -> dict[str, str]:
    client.headers.pop("hx-request", None)
    page = client.get(path)
    found = re.search(r'"x-kerley-token": "([0-9a-f]+)"', page.text)
    assert found, page.text[:500]
    return {"x-kerley-token": found[1], "hx-request": "true"}


def find_field(html: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found, name
    return found[1]


def find_item(html: str) -> str:
    found = re.search(r'data-item="([^"]+)"', html)
    assert found, html[:300]
    return found[1]


class Recorder:
    """An application that keeps what it sent: every answer's path, headers and body."""

    def __init__(self, app) -> None:
        self.app = app
        self.sent: list[tuple[str, bytes]] = []

    async def __call__(self, scope, receive, send) -> None:
        parts = []

        async def keep(message) -> None:
            parts.append(repr(message.get("headers", "")).encode() + message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self.sent.append((scope["path"], b"".join(parts)))
            await send(message)

        await self.app(scope, receive, keep)


@contextmanager
def serve(app, port: int = 0) -> Iterator[str]:
    """Run an app on this machine, on a free port where none is named; give its address."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    config = uvicorn.Config(app, log_level="error", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join()


def log_in(page, name: str) -> None:
    """Fill in a browser's log-in page."""
    page.fill("#name", name)
    page.fill("#password", f"the password of {name}")
    page.keyboard.press("Enter")
    page.wait_for_selector(".top")
