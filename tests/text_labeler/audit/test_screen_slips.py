"""What hands, keyboards, tabs and clocks do by mistake costs no read and makes none."""

import pytest

from tests.text_labeler.audit.browsing import press_and_wait, wait_for_next
from tests.text_labeler.audit.served import SECRET, log_in, make_app, plant_audit, serve
from text_labeler.audit.web.sessions import SESSION_SECONDS, Sessions

HELD = """key => { for (const repeat of [false, true, true, true]) document.body.dispatchEvent(
  new KeyboardEvent('keydown', {key, code: 'Digit' + key, repeat, bubbles: true, cancelable: true})
) }"""
TYPED = """event => document.body.dispatchEvent(
  new KeyboardEvent('keydown', {bubbles: true, cancelable: true, ...event}))"""
SETTLE = 400  # ms: any second read would be on the disk


@pytest.fixture
def store(tmp_path):
    with plant_audit(tmp_path / "audit", studies=12, repair=0) as store:
        yield store


@pytest.fixture
def page(run, open_page):
    return open_page(run())


def verdicts(store) -> list[str]:
    return [read.verdict for read in store.reads()]


def test_a_key_that_bounces_or_is_held_reads_one_item(store, page) -> None:
    before = page.get_attribute("#screen", "data-item")
    page.keyboard.press("2")
    wait_for_next(page, before)
    page.keyboard.press("2")
    page.wait_for_timeout(SETTLE)
    assert verdicts(store) == ["absent"]
    page.evaluate(HELD, "1")
    page.wait_for_timeout(SETTLE)
    assert verdicts(store) == ["absent", "present"]
    page.locator(".verdicts button").nth(2).dblclick()
    page.wait_for_timeout(SETTLE)
    assert verdicts(store) == ["absent", "present", "uncertain"]
    page.locator(".verdicts button").nth(1).focus()
    for repeat in (False, True, True):
        page.evaluate(TYPED, {"key": "Enter", "repeat": repeat})
    page.keyboard.press("Enter")
    page.wait_for_timeout(SETTLE)
    assert verdicts(store)[3:] == ["absent"]
    # Who works with the tab key goes on at the next report, and not at the top of the page.
    assert page.evaluate("document.activeElement.id") == "report"


@pytest.mark.parametrize(
    ("event", "read"),
    [
        ({"key": "&", "code": "Digit1"}, ["present"]),
        ({"key": "2", "code": "Numpad2"}, ["absent"]),
        ({"key": "1", "code": "Digit1", "isComposing": True}, []),
        ({"key": "Process", "code": "KeyU"}, []),
        ({"key": "1", "code": "Digit1", "ctrlKey": True}, []),
        ({"key": "!", "code": "Digit1", "shiftKey": True}, []),
    ],
    ids=str,
)
def test_each_keyboard_and_input_method_reads_what_was_meant(store, page, event, read) -> None:
    page.evaluate(TYPED, event)
    page.wait_for_timeout(SETTLE)
    assert verdicts(store) == read


def test_enter_in_a_box_sends_no_verdict(store, page) -> None:
    page.locator("input[name=flag]").click()
    page.keyboard.press("Enter")
    page.wait_for_timeout(SETTLE)
    assert page.is_checked("input[name=flag]")
    assert verdicts(store) == []


def test_caps_lock_changes_no_key_and_a_held_n_types_nothing(store, page) -> None:
    press_and_wait(page, "1")
    page.evaluate(TYPED, {"key": "N", "code": "KeyN"})
    assert page.evaluate("document.activeElement.name") == "note"
    page.keyboard.down("Escape")
    page.keyboard.up("Escape")
    page.keyboard.down("n")
    page.keyboard.down("n")
    page.keyboard.up("n")
    page.keyboard.type("no")
    assert page.input_value("textarea") == "no"
    page.keyboard.press("Escape")
    before = page.get_attribute("#screen", "data-item")
    page.evaluate(TYPED, {"key": "U", "code": "KeyU"})
    wait_for_next(page, before)
    assert verdicts(store) == []


def test_back_and_a_second_tab_show_what_is_to_be_read_now(store, page) -> None:
    first = page.get_attribute("#screen", "data-item")
    other = page.context.new_page()
    other.goto(page.url)
    other.wait_for_selector("#screen[data-shown]")
    assert other.get_attribute("#screen", "data-item") == first
    press_and_wait(other, "1")
    other.close()
    page.goto(page.url.replace("/read/blind", "/guidelines"))
    page.go_back()
    page.wait_for_selector("#screen[data-shown]")
    assert page.get_attribute("#screen", "data-item") != first
    press_and_wait(page, "2")
    assert verdicts(store) == ["present", "absent"]


def open_quiet(browser, address):
    """A page that may be refused: its console says so, and that is no fault."""
    page = browser.new_context().new_page()
    page.set_default_timeout(5000)
    page.goto(address)
    return page


def test_a_session_that_ends_in_the_middle_keeps_what_was_typed(store, browser, run) -> None:
    store.accounts.add("ann", "reader", "the password of ann")
    address = run(start=None)
    page = open_quiet(browser, address)
    log_in(page, "ann")
    page.wait_for_selector("#screen[data-shown]")
    before = page.get_attribute("#screen", "data-item")
    (cookie,) = page.context.cookies()
    old = Sessions(SECRET, clock=lambda: 1_000_000.0 - SESSION_SECONDS).open("ann")
    page.context.add_cookies([{**cookie, "value": old}])
    page.keyboard.press("n")
    page.keyboard.type("seen on the lateral")
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    page.keyboard.press("1")
    page.wait_for_selector("#message .told")
    assert "not" in page.inner_text("#message")
    assert "recorded" in page.inner_text("#message")
    assert page.locator("#report").count() == 1
    assert store.reads() == []
    page.keyboard.press("Enter")
    page.wait_for_selector("#password")
    log_in(page, "ann")
    page.wait_for_selector("#screen[data-shown]")
    assert page.get_attribute("#screen", "data-item") == before
    assert page.input_value("textarea") == "seen on the lateral"
    assert page.is_checked("input[name=flag]")
    press_and_wait(page, "1")
    assert [read.note for read in store.reads()] == ["seen on the lateral"]
    assert page.input_value("textarea") == ""
    page.context.close()


def test_a_log_in_page_in_another_tab_ends_no_session(store, browser, run) -> None:
    store.accounts.add("ann", "reader", "the password of ann")
    address = run(start=None)
    page = open_quiet(browser, address)
    second = page.context.new_page()
    second.goto(f"{address}/login")
    log_in(page, "ann")
    page.wait_for_selector("#screen[data-shown]")
    second.goto(f"{address}/login")
    assert second.url.endswith("/read/blind")
    press_and_wait(page, "1")
    assert verdicts(store) == ["present"]
    page.context.close()


def test_a_server_that_starts_again_goes_on_with_the_same_page(store, browser) -> None:
    with serve(make_app(store)) as address:
        page = open_quiet(browser, f"{address}/start?token=start-token")
        page.wait_for_selector("#screen[data-shown]")
    page.keyboard.press("1")
    page.wait_for_selector("#message .told")
    assert "does not answer" in page.inner_text("#message")
    port = int(address.rsplit(":", 1)[1])
    with serve(make_app(store), port=port):
        page.wait_for_timeout(SETTLE)
        press_and_wait(page, "1")
    assert verdicts(store) == ["present"]
    page.context.close()


def test_a_new_item_is_announced_from_outside_of_the_screen_that_is_replaced(page) -> None:
    page.evaluate("document.querySelector('#spoken').textContent = ''")
    press_and_wait(page, "1")
    assert "Edema" in page.inner_text("#spoken")
    assert page.get_attribute("#spoken", "aria-live") == "polite"
    assert page.locator("#screen #spoken").count() == 0
