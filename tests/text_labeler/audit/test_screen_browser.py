"""The reading screen in a real browser: keys only, two readers at once, hostile text, X-rays."""

import re
from collections import Counter

import numpy as np
import pytest

from tests.joint.test_html_report import CONTRAST
from tests.text_labeler.audit.browsing import (
    INVERTED,
    WINDOW,
    press,
    press_and_wait,
    wait_for_next,
)
from tests.text_labeler.audit.served import (
    HOSTILE,
    RULE,
    WORDS,
    make_evidence,
    make_pixels,
    plant_audit,
)


@pytest.fixture
def studies():
    return 60


@pytest.fixture
def store(tmp_path, studies):
    images = (("/x/frontal.dcm", "PA"), (str(INVERTED), "LATERAL"))
    with plant_audit(tmp_path / "audit", studies=studies, images=images) as store:
        yield store


TOLD = [RULE, "<mark class", "pos_certain", "neg_negated", "no_mention", "stratum", "purpose"]
TOLD += ["conflict", "decoy", "study-", "/x/frontal", "hold_out", "labelers differ"]


def test_fifty_reports_by_keys_only_and_nothing_of_the_labeler_before_them(store, run, open_page):
    page = open_page(run())
    read = [press_and_wait(page, key) for key in ["1", "2", "3", "4", "5"] * 10]
    verdicts = ["present", "absent", "uncertain", "not_mentioned", "unclear"] * 10
    assert {one.item_id: one.verdict for one in store.reads()} == dict(
        zip(read, verdicts, strict=True)
    )
    assert all(0 < one.seconds < 60 for one in store.reads())
    sent = [(path, body) for path, body in run.sent if not path.startswith("/static/")]
    assert len(sent) > 100
    for path, body in sent:
        if not path.endswith("/pixels"):
            assert not [word for word in TOLD if word.encode() in body], path


def test_two_readers_at_once_read_each_item_once(store, run, open_page):
    for name in ("ann", "bob"):
        store.accounts.add(name, "reader", f"the password of {name}")
    address = run(start=None)
    pages = []
    for name in ("ann", "bob"):
        page = open_page(address, "/")
        page.fill("#name", name)
        page.fill("#password", f"the password of {name}")
        page.keyboard.press("Enter")
        page.wait_for_selector("#screen[data-shown]")
        pages.append(page)
    for _ in range(8):
        before = [press(page, "2") for page in pages]
        for page, item in zip(pages, before, strict=True):
            wait_for_next(page, item)
    reads = store.reads()
    assert {read.reader for read in reads} == {"ann", "bob"}
    assert len(reads) == 16
    assert set(Counter((read.item_id, read.purpose) for read in reads).values()) == {1}
    assert len({(read.item_id, read.reader) for read in reads}) == 16


def test_undo_goes_back_over_ten_items_and_keeps_both_events(store, run, open_page):
    page = open_page(run())
    read = [press_and_wait(page, "2") for _ in range(11)]
    for item in reversed(read):
        press_and_wait(page, "u")
        assert page.get_attribute("#screen", "data-item") == item
    assert store.reads() == []
    press_and_wait(page, "1")
    assert [one.verdict for one in store.reads()] == ["present"]
    assert Counter(event.kind for event in store.events())["undo"] == 11
    assert store.verify()


def find_hostile(page) -> None:
    while "<img" not in page.inner_text("#report"):
        press_and_wait(page, "2")


@pytest.mark.parametrize("studies", [4])
def test_a_hostile_report_is_shown_exactly_and_runs_nothing(run, open_page):
    page = open_page(run())
    find_hostile(page)
    assert page.text_content("#report") == HOSTILE
    assert page.locator("#report *").count() == 0
    press_and_wait(page, "1")
    page.keyboard.press("e")
    page.wait_for_selector("#panel[open] mark")
    assert page.text_content("#panel .report") == HOSTILE
    spans = page.evaluate(
        """() => [...document.querySelectorAll('#panel .report mark')].map(mark => {
            const range = document.createRange();
            range.setStart(document.querySelector('#panel .report'), 0);
            range.setEndBefore(mark);
            const start = Array.from(range.toString()).length;
            return [start, start + Array.from(mark.textContent).length];
        })"""
    )
    start = HOSTILE.index(WORDS[0])
    end = make_evidence(HOSTILE)["end"]
    assert spans == [[start, start + len(WORDS[1])], [start + len(WORDS[1]), end]]
    assert page.title() == "Reading · Kerley"
    assert page.locator("img").count() == 0


def test_notes_flags_help_history_and_guidelines_have_keys(store, run, open_page):
    page = open_page(run())
    page.keyboard.press("?")
    listed = page.inner_text("#keys")
    for key in page.eval_on_selector_all("[data-key]", "all => all.map(e => e.dataset.key)"):
        assert key in listed
    assert "undefined" not in listed
    page.keyboard.press("Escape")
    page.keyboard.press("n")
    page.keyboard.type("1 u <b>?")
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    press_and_wait(page, "3")
    for key, words in (("g", "What to say"), ("h", "1 u <b>?")):
        page.keyboard.press(key)
        page.wait_for_selector("#panel[open]")
        assert words in page.inner_text("#panel")
        page.keyboard.press("Escape")
        page.wait_for_selector("#panel[open]", state="detached")
    (read,) = store.reads()
    assert (read.verdict, read.note, read.flags) == ("uncertain", "1 u <b>?", ("look again",))


GREY = """canvas => { const c = canvas.getContext('2d');
  const scale = Math.min(canvas.width / 260, canvas.height / 300);
  const left = (canvas.width - 260 * scale) / 2, y = canvas.height / 2;
  return [...Array(26).keys()].map(i =>
    c.getImageData(left + (10 * i + 5.5) * scale, y, 1, 1).data[0]);
}"""


def expect_grey(center: float, width: float) -> np.ndarray:
    values = make_pixels()[0, 5::10].astype(float)
    return 255 * np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1)


def test_an_xray_shows_at_the_window_of_its_header_inverted_where_it_says(store, run, open_page):
    page = open_page(run())
    page.wait_for_function("() => document.querySelectorAll('canvas[data-ready]').length === 2")
    frontal, lateral = page.locator("canvas").all()

    def near(canvas, expected) -> bool:
        return float(np.abs(np.array(canvas.evaluate(GREY)) - expected).max()) < 16

    assert near(frontal, expect_grey(*WINDOW))
    assert near(lateral, 255 - expect_grey(*WINDOW))
    assert page.locator("figcaption .window").first.inner_text() == "C 2000 W 1000"
    page.keyboard.press("i")
    assert near(frontal, 255 - expect_grey(*WINDOW))
    assert near(lateral, expect_grey(*WINDOW))
    page.keyboard.press("i")
    page.keyboard.press("Shift+Digit4")
    assert near(frontal, expect_grey(2047.5, 4095))
    page.keyboard.press("Shift+Digit1")
    page.keyboard.press("ArrowRight")
    assert near(frontal, expect_grey(2000, 1050))
    page.keyboard.press("+")
    assert not near(frontal, expect_grey(2000, 1050))
    assert store.reads() == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_any_screen_in_light_and_dark(store, run, open_page, scheme):
    page = open_page(run(), color_scheme=scheme)
    page.wait_for_selector("#screen[data-shown]")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    darkest = max(int(part) for part in re.findall(r"\d+", ground)[:3])
    assert (darkest < 60) == (scheme == "dark")
    assert page.evaluate(CONTRAST) == []
    # The second is a laptop at 200 %.
    for width, height in ((390, 844), (640, 400), (1280, 800), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for part in page.locator(".verdicts button, .note textarea").all():
            box = part.bounding_box()
            assert box["y"] >= 0
            assert box["x"] + box["width"] <= width
            assert box["y"] + box["height"] <= height
    unnamed = "button:not([aria-label]):empty, canvas:not([aria-label]), textarea:not(label *)"
    assert page.locator(unnamed).count() == 0
