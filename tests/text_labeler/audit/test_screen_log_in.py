"""Guessing passwords is slow, and whatever is refused says so in words, on a page of ours."""

import re

import pytest

from tests.text_labeler.audit.served import (
    enter,
    find_field,
    find_item,
    make_app,
    make_client,
    page_headers,
    plant_audit,
)
from text_labeler.audit.web import attempts
from text_labeler.audit.web.attempts import Attempts


@pytest.fixture
def store(tmp_path):
    with plant_audit(tmp_path / "audit", studies=4, repair=0) as store:
        yield store


class Clock:
    """Time that goes on when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def tries(clock):
    return Attempts(clock=clock)


def test_the_wait_grows_with_each_wrong_try_and_ends(tries, clock) -> None:
    assert [tries.begin("ann", "1.2.3.4") for _ in range(5)] == [0.0] * 5
    waits = []
    for _ in range(12):
        waits.append(tries.begin("ann", "1.2.3.4"))
        clock.now += waits[-1]
        assert tries.begin("ann", "1.2.3.4") == 0
    assert waits[:4] == [2, 4, 8, 16]
    assert waits[-1] == attempts.LONGEST_WAIT
    clock.now += attempts.LONGEST_WAIT + attempts.FORGET_SECONDS
    assert [tries.begin("ann", "1.2.3.4") for _ in range(5)] == [0.0] * 5


def test_another_name_and_another_address_do_not_wait_with_one_that_guesses(tries) -> None:
    while not tries.begin("ann", "1.2.3.4"):
        pass
    assert tries.begin("bob", "1.2.3.4") == 0
    assert tries.begin("ann", "5.6.7.8") == 0


def test_many_names_from_one_address_and_one_name_from_many_wait_too(tries) -> None:
    assert any(tries.begin(f"name{number}", "1.2.3.4") for number in range(30))
    assert any(tries.begin("ann", f"1.2.3.{number}") for number in range(60))


def test_a_right_password_forgets_the_wrong_ones(tries) -> None:
    for _ in range(40):
        assert tries.begin("ann", "1.2.3.4") == 0
        tries.forgive("ann", "1.2.3.4")


def test_what_is_kept_has_an_end(tries, monkeypatch) -> None:
    monkeypatch.setattr(attempts, "MOST_KEPT", 20)
    for number in range(100):
        tries.begin(f"name{number}", f"address{number}")
    assert len(tries._counts) == 20


def test_a_guesser_is_told_to_wait_though_the_next_try_were_right(store) -> None:
    store.accounts.add("ann", "reader", "the password of ann")
    client = make_client(make_app(store, start=None))
    headers = page_headers(client, "/login")

    def log_in(password):
        form = {"name": "ann", "password": password}
        return client.post("/login", data=form, headers=headers)

    assert [log_in("x").status_code for _ in range(5)] == [401] * 5
    refused = log_in("the password of ann")
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 2
    assert re.search("too many wrong tries: wait [12] seconds?, then try again", refused.text)
    assert refused.headers["hx-retarget"] == "#message"
    assert client.get("/read/blind").status_code == 303


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/nothing", 404, "nothing at this address"),
        ("/read/other", 400, "cannot read"),
        ("/read/disputes", 403, "an adjudicator does"),
        ("/items/x/read", 405, "not asked for in this way"),
    ],
)
def test_what_is_not_there_is_told_on_a_page_of_ours(store, address, status, words) -> None:
    client = make_client(make_app(store))
    enter(client)
    answer = client.get(address)
    assert answer.status_code == status
    assert words in answer.text
    assert 'href="/"' in answer.text
    assert "detail" not in answer.text


def test_every_refusal_goes_into_the_line_for_messages_and_leaves_the_item(store) -> None:
    client = make_client(make_app(store))
    headers = enter(client)
    page = client.get("/read/blind").text
    address = f"/items/{find_item(page)}/read"
    form = {"verdict": "absent", "idem": find_field(page, "idem")}
    refused = [
        client.post(address, data=form, headers=headers | {"x-kerley-token": "0" * 64}),
        client.post(address, data=form | {"note": "x" * 70_000}, headers=headers),
        client.post(address, data=form | {"verdict": "3"}, headers=headers),
        client.post("/items/none/read", data=form, headers=headers),
        client.post("/nowhere", data=form, headers=headers),
        client.post("/undo", data={"idem": "an-undo-of-nothing"}, headers=headers),
    ]
    assert [answer.status_code for answer in refused] == [403, 413, 409, 409, 404, 409]
    for answer in refused:
        assert answer.headers["hx-retarget"] == "#message"
        assert 'class="told"' in answer.text


def test_a_server_that_fails_says_so_and_not_why(store, monkeypatch) -> None:
    client = make_client(make_app(store))
    headers = enter(client)

    def fail(*_):
        raise OSError("words of a report")

    monkeypatch.setattr(store, "history", fail)
    client._transport.raise_server_exceptions = False
    answer = client.get("/history", headers=headers)
    assert answer.status_code == 500
    assert "words of a report" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'self';")
    assert answer.headers["hx-retarget"] == "#message"
