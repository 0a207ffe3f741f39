"""Every page can be read: light and dark, on a telephone, and what is empty or broken says so."""

from pathlib import Path

import pytest

from tests.joint.test_html_report import CONTRAST
from tests.text_labeler.audit import browsing, served
from tests.text_labeler.audit.browsing import press_and_wait
from tests.text_labeler.audit.served import plant_audit
from text_labeler.audit.records import AuditError

SIZES = ((390, 844), (640, 400), (1280, 800))


@pytest.fixture
def store(tmp_path):
    images = (("/x/frontal.dcm", "PA"),)
    with plant_audit(tmp_path / "audit", studies=3, repair=0, images=images) as store:
        yield store


def look(page) -> None:
    page.wait_for_timeout(150)  # until the buttons' colours have changed
    assert page.evaluate(CONTRAST) == []
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_and_panel_is_legible_and_fits(run, open_page, scheme) -> None:
    address = run()
    page = open_page(address, color_scheme=scheme, reduced_motion="reduce")
    press_and_wait(page, "1")
    for key in "gh?e":
        page.keyboard.press(key)
        page.wait_for_selector("dialog[open]")
        look(page)
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog[open]", state="detached")
    for key in "23":
        press_and_wait(page, key)
    look(page)
    page.goto(f"{address}/progress")
    for key, words in (("l", "prove an error rate"), ("o", "always")):
        page.keyboard.press(key)
        page.wait_for_selector(f"text={words}")
        look(page)
    moving = "[...document.querySelectorAll('*')].filter(e => getComputedStyle(e).transition"
    assert page.evaluate(f"{moving}.match(/[1-9]/)).length") == 0


def test_focus_goes_through_the_page_in_its_order_and_is_trapped_nowhere(run, open_page) -> None:
    page = open_page(run())
    order = []
    for _ in range(60):
        page.keyboard.press("Tab")
        order.append(page.evaluate("document.activeElement.outerHTML.slice(0, 90)"))
        if order[-1].startswith("<body"):
            break
    places = [
        next(number for number, one in enumerate(order) if part in one)
        for part in (
            "/read/blind",
            'data-key="g"',
            'id="report"',
            "<canvas",
            'data-key="i"',
            "flag",
        )
    ]
    assert places == sorted(places)
    assert order[-1].startswith("<body")
    shown = page.evaluate(
        "document.querySelector('#report').focus({focusVisible: true}),"
        " getComputedStyle(document.activeElement).outlineStyle"
    )
    assert shown == "solid"


def test_an_empty_report_and_an_unreadable_picture_say_so(
    store, browser, run, monkeypatch, tmp_path
) -> None:
    def refuse(_: Path):
        raise AuditError("the picture cannot be read")

    monkeypatch.setattr(browsing, "read_picture", refuse)
    monkeypatch.setattr(served, "make_report", lambda number: " \r\n")
    monkeypatch.setattr(served, "make_evidence", lambda report: {**EVIDENCE, "start": 0, "end": 1})
    with plant_audit(tmp_path / "empty", studies=2, images=(("/x/a.dcm", "PA"),)) as empty:
        run.store = empty
        page = browser.new_page()
        page.goto(f"{run()}/start?token={served.START}")
        page.wait_for_selector("figure.unread")
        assert "cannot be read" in page.inner_text("figcaption")
        assert page.text_content("#report") == " \r\n"
        words = page.evaluate(
            "getComputedStyle(document.querySelector('#report'), '::before').content"
        )
        assert "no words" in words
        press_and_wait(page, "5")
        assert [read.verdict for read in empty.reads()] == ["unclear"]
        page.close()


EVIDENCE = {
    "finding": "Edema",
    "section": "findings",
    "assertion": "positive",
    "rule": "r",
    "cue_start": None,
    "cue_end": None,
}
