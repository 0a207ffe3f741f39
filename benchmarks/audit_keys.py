"""Times the audit room: from a key to the next item, in a real browser, with each read on disk.

`python benchmarks/audit_keys.py` serves a planted audit with X-rays of 2,500 × 2,048 pixels on
this machine, reads 50 items by keys in Chromium, and prints p50 and p95 from the key to the
next report on the screen, with the requests to other hosts and the errors that the browser saw.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.text_labeler.audit.served import (
    START,
    StoredPixels,
    make_app,
    make_pixels,
    plant_audit,
    serve,
)

LISTEN = """() => {
  window.times = [];
  let pressed = 0;
  addEventListener('keydown', () => { pressed = performance.now(); }, true);
  const isNew = (node) => node.id === 'screen';
  new MutationObserver((changes) => {
    if (!pressed || !changes.some((change) => [...change.addedNodes].some(isNew))) return;
    const start = pressed;
    pressed = 0;
    // The frame after the change: the report is drawn.
    requestAnimationFrame(() => setTimeout(() => times.push(performance.now() - start)));
  }).observe(document.body, { childList: true });
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=50)
    parser.add_argument("--studies", type=int, default=400, help="items of the audit")
    parser.add_argument("--pause", type=int, default=400, help="ms between keys, as a quick reader")
    parser.add_argument(
        "--side", type=int, default=2500, help="pixels of an X-ray from top to foot"
    )
    chosen = parser.parse_args()
    pixels = make_pixels(chosen.side, round(chosen.side * 0.8192))
    images = (("/frontal.dcm", "PA"), ("/lateral.dcm", "LATERAL"))
    with (
        tempfile.TemporaryDirectory() as folder,
        plant_audit(f"{folder}/audit", studies=chosen.studies, images=images) as store,
        serve(make_app(store, read_picture=lambda path: StoredPixels(pixels))) as address,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        errors: list[str] = []
        foreign: list[str] = []
        page.on("console", lambda said: said.type == "error" and errors.append(said.text))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda sent: sent.url.startswith(address) or foreign.append(sent.url))
        page.goto(f"{address}/start?token={START}")
        times = read(page, chosen.reads, chosen.pause)
        browser.close()
        stood = len(store.reads())
    p50, p95 = np.percentile(times, [50, 95])
    print(f"{stood} reads on the disk; key to next item: p50 {p50:.0f} ms, p95 {p95:.0f} ms")
    print(f"foreign requests: {len(foreign)}; console errors: {len(errors)}")


def read(page: Page, reads: int, pause: int) -> list[float]:
    """Read by keys; return the milliseconds from each key to the next item on the screen."""
    page.wait_for_selector("#screen[data-shown]")
    page.evaluate(LISTEN)
    for number in range(reads):
        page.wait_for_timeout(pause)
        page.keyboard.press(str(1 + number % 5))
        page.wait_for_function("number => times.length > number", arg=number)
    times: list[float] = page.evaluate("() => times")
    return times


if __name__ == "__main__":
    main()
