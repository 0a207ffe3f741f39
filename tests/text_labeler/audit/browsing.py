"""An audit as a browser sees it: a server that keeps what it sent, and keys that are pressed."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from tests.text_labeler.audit.served import (
    Recorder,
    StoredPixels,
    make_app,
    make_pixels,
    serve,
)
from text_labeler.audit.store import AuditStore

INVERTED = Path("/x/inverted.dcm")
WINDOW = (2000.0, 1000.0)


def read_picture(path: Path) -> StoredPixels:
    return StoredPixels(make_pixels(), window=WINDOW, inverted=path == INVERTED)


class Server:
    """Serves the planted audit when it is called; `sent` is all that it answered."""

    def __init__(self, store: AuditStore, stack: ExitStack) -> None:
        self.store = store
        self.stack = stack
        self.sent: list[tuple[str, bytes]] = []

    def __call__(self, **how) -> str:
        recorder = Recorder(make_app(self.store, read_picture=read_picture, **how))
        recorder.sent = self.sent
        return self.stack.enter_context(serve(recorder))


BOUNCE = 310  # ms: the same key within them is one press


def press(page, key: str) -> str:
    if page.evaluate("key => window.before === (window.before = key)", key):
        page.wait_for_timeout(BOUNCE)
    page.wait_for_selector("#screen[data-shown]")
    before = page.get_attribute("#screen", "data-item")
    page.keyboard.press(key)
    return before


def wait_for_next(page, before: str) -> None:
    page.wait_for_function(
        "before => { const s = document.querySelector('#screen[data-shown]');"
        " return s && (s.dataset.item ?? '') !== before }",
        arg=before,
    )


def press_and_wait(page, key: str) -> str:
    before = press(page, key)
    wait_for_next(page, before)
    return before
