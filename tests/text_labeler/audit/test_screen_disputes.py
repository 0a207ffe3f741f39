"""Disputes by keys in a real browser: both reads, the labeler, a class of error and a note."""

import pytest

from tests.joint.test_html_report import CONTRAST
from tests.text_labeler.audit.browsing import press_and_wait
from tests.text_labeler.audit.served import RULE, WORDS, log_in, plant_audit
from text_labeler.audit.records import Answer

SAID = {"ann": ("present", "Kerley B lines are named"), "bob": ("uncertain", "it says “may”")}


@pytest.fixture
def store(tmp_path):
    with plant_audit(tmp_path / "audit", studies=12, repair=0) as store:
        yield store


def read_all(store) -> None:
    """Two readers who differ on whatever both of them read."""
    for name, (verdict, note) in SAID.items():
        while (given := store.claim(name, queue="blind")) is not None:
            answer = Answer(verdict, 2.0, note=note)
            store.record(name, given.item.item_id, answer, idem=f"{name}-{given.item.item_id}")


@pytest.fixture
def page(store, run, open_page):
    for name, role in (("ann", "reader"), ("bob", "reader"), ("cy", "adjudicator")):
        store.accounts.add(name, role, f"the password of {name}")
    read_all(store)
    page = open_page(run(start=None), "/")
    log_in(page, "cy")
    page.wait_for_selector("#screen[data-shown]")
    page.keyboard.press("d")
    page.wait_for_url("**/read/disputes")
    page.wait_for_selector("#screen[data-shown] #report")
    return page


def test_an_adjudicator_sees_both_reads_and_the_labeler_and_no_name(page) -> None:
    told = page.inner_text(".labels")
    for verdict, note in SAID.values():
        assert verdict in told
        assert note in told
    assert "The labeler says" in told
    assert "Reader A" in told
    for name in SAID:
        assert name not in page.content().replace("Reader ", "").split()
    assert "wait for an adjudicator" in page.inner_text(".strip")


def test_a_dispute_is_decided_by_keys_and_only_with_class_and_note(store, page) -> None:
    before = page.get_attribute("#screen", "data-item")
    page.keyboard.press("1")
    assert page.evaluate("document.querySelector('#answer').matches(':invalid')")
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("s")
    page.wait_for_timeout(310)
    page.keyboard.press("1")
    page.wait_for_function("document.activeElement.matches('textarea')")
    assert [read for read in store.reads() if read.reader == "cy"] == []
    page.keyboard.type("it says so: 1 d u")
    page.keyboard.press("Escape")
    assert press_and_wait(page, "2") == before
    (read,) = [read for read in store.reads() if read.reader == "cy"]
    assert (read.item_id, read.verdict, read.purpose) == (before, "absent", "adjudication")
    assert (read.error_class, read.note) == ("labeler_error", "it says so: 1 d u")
    assert not page.is_checked("input[value=labeler_error]")
    press_and_wait(page, "u")
    assert page.get_attribute("#screen", "data-item") == before
    assert page.input_value("textarea[name=note]") == "it says so: 1 d u"


def test_a_key_names_the_rule_behind_each_marked_word(page) -> None:
    for words in (WORDS[1], WORDS[0].removeprefix(WORDS[1])):
        page.keyboard.press("r")
        told = page.inner_text(".rule")
        assert f"“{words}”" in told
        for part in (RULE, "in findings", "positive"):
            assert part in told
    page.locator("mark").first.click()
    assert f"“{WORDS[1]}”" in page.inner_text(".rule")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_and_classes_are_legible(page, scheme) -> None:
    page.emulate_media(color_scheme=scheme)
    page.keyboard.press("r")
    page.wait_for_timeout(200)  # until the buttons' colours have changed
    assert page.evaluate(CONTRAST) == []
    for width, height in ((390, 844), (640, 400), (1280, 800)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        box = page.locator("textarea[name=note]").bounding_box()
        assert box["y"] + box["height"] <= height
        assert page.locator(".strip button").first.bounding_box()["x"] < width
