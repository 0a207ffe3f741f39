"""Every row of the security list: what a page of ours never sends is refused."""

import hashlib
import re
import stat
from pathlib import Path

import pytest

from tests.text_labeler.audit.served import (
    SECRET,
    START,
    StoredPixels,
    enter,
    find_field,
    find_item,
    make_app,
    make_client,
    make_pixels,
    page_headers,
    plant_audit,
)
from text_labeler.audit.web.sessions import Sessions, find_secret

STATIC = Path(__file__).parents[3] / "text_labeler" / "audit" / "static"
TEMPLATES = STATIC.parent / "templates"


@pytest.fixture
def store(tmp_path):
    with plant_audit(tmp_path / "audit", studies=12, images=(("/x/a.dcm", "PA"),)) as store:
        yield store


@pytest.fixture
def client(store):
    return make_client(make_app(store, read_picture=lambda path: StoredPixels(make_pixels())))


def read(client, headers, **changes):
    page = client.get("/read/blind").text
    form = {"verdict": "absent", "idem": find_field(page, "idem")} | changes
    return client.post(f"/items/{find_item(page)}/read", data=form, headers=headers)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"x-kerley-token": "0" * 64},
        {"x-kerley-token": ""},
        {"host": "evil.example:8450"},
        {"host": "127.0.0.1.evil.example"},
        {"transfer-encoding": "chunked", "content-length": ""},
    ],
    ids=str,
)
def test_a_write_that_no_page_of_ours_sends_is_refused(store, client, wrong) -> None:
    headers = enter(client)
    assert read(client, headers | wrong).status_code in (403, 413, 421)
    assert store.reads() == []
    right = {"origin": "http://127.0.0.1:8450", "sec-fetch-site": "same-origin"}
    assert read(client, headers | right).status_code == 200
    assert len(store.reads()) == 1


def test_another_sessions_token_does_not_open_a_write(store, client) -> None:
    enter(client)
    other = enter(make_client(client.app))
    assert read(client, other).status_code == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(client, method) -> None:
    assert client.request(method, "/read/blind", headers=enter(client)).status_code == 405


def test_a_name_that_points_here_from_elsewhere_is_refused(client) -> None:
    enter(client)
    assert client.get("/read/blind", headers={"host": "rebound.example:8450"}).status_code == 421
    for host in ("localhost:8450", "127.0.0.1:8450", "[::1]:8450"):
        assert client.get("/guidelines", headers={"host": host}).status_code == 200, host


def test_there_are_no_uploads_and_no_long_bodies(store, client) -> None:
    headers = enter(client)
    assert read(client, headers, note="x" * 70_000).status_code == 413
    assert read(client, headers, note="x" * 10_001).status_code == 400
    page = client.get("/read/blind").text
    file = {"file": ("a.html", b"<script>", "text/html")}
    form = {"verdict": "absent", "idem": find_field(page, "idem")}
    answer = client.post(f"/items/{find_item(page)}/read", data=form, files=file, headers=headers)
    assert "<script>" not in answer.text
    assert not [route for route in client.app.routes if "upload" in str(route)]


def test_every_answer_forbids_what_pages_do_not_need(client) -> None:
    enter(client)
    item = find_item(client.get("/read/blind").text)
    addresses = ("/login", "/read/blind", "/static/keys.js", "/nothing", "/history")
    for address in (*addresses, f"/items/{item}/pictures/0/pixels"):
        headers = client.get(address).headers
        assert headers["content-security-policy"].startswith("default-src 'self';"), address
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers


def test_nobody_comes_in_without_the_start_link(client) -> None:
    assert client.get("/start", params={"token": "guess"}).status_code == 401
    assert client.get("/start").status_code == 401
    for address in ("/", "/read/blind", "/history", "/guidelines", "/progress"):
        answer = client.get(address)
        assert answer.status_code in (303, 401), address
        assert "study" not in answer.text
    cookie = client.get("/start", params={"token": START}).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax"} <= set(cookie.split("; "))
    assert client.get("/read/blind").status_code == 200


@pytest.mark.parametrize("place", ["name", "expiry", "nonce", "signature"])
def test_a_cookie_that_was_changed_is_nobodys(place) -> None:
    sessions = Sessions(SECRET)
    parts = sessions.open("ann").split(".")
    number = ["name", "expiry", "nonce", "signature"].index(place)
    parts[number] = parts[number][:-1] + ("1" if parts[number][-1] != "1" else "2")
    assert sessions.read(sessions.open("ann")) == "ann"
    assert sessions.read(".".join(parts)) is None
    assert sessions.read("") is None
    assert Sessions(b"o" * 32).read(sessions.open("ann")) is None


def test_a_session_ends_by_itself_and_by_leaving(client) -> None:
    now = [1000.0]
    sessions = Sessions(SECRET, clock=lambda: now[0])
    cookie = sessions.open("ann")
    now[0] += 13 * 3600
    assert sessions.read(cookie) is None
    headers = enter(client)
    kept = dict(client.cookies)
    assert client.post("/logout", headers=headers).headers["hx-redirect"] == "/login"
    client.cookies.update(kept)
    assert client.get("/read/blind").status_code == 303


def test_the_secret_is_made_once_and_is_the_owners_alone(tmp_path) -> None:
    file = tmp_path / "audit.secret"
    made = find_secret(file)
    assert len(made) == 32
    assert find_secret(file) == made != find_secret(tmp_path / "other")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o640)
    with pytest.raises(PermissionError, match="600"):
        find_secret(file)


@pytest.mark.parametrize(
    "address",
    [
        "/items/{other}/pictures/0",
        "/items/{other}/pictures/0/pixels",
        "/items/{item}/pictures/1",
        "/items/{item}/pictures/..%2f..%2faudit.sqlite",
        "/items/..%2f..%2fetc/pictures/0",
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
    ],
)
def test_files_are_had_by_opaque_id_and_only_when_shown(store, client, address) -> None:
    enter(client)
    item = find_item(client.get("/read/blind").text)
    other = next(one.item_id for one in store.items() if one.item_id != item)
    answer = client.get(address.format(item=item, other=other))
    assert answer.status_code in (400, 404, 409)
    assert len(answer.content) < 1000
    assert client.get(f"/items/{item}/pictures/0").json()["rows"] == 300


def test_accounts_log_in_with_their_password_and_see_what_is_theirs(store) -> None:
    store.accounts.add("ann", "reader", "a long enough password")
    store.accounts.add("bob", "reader", "another long password")
    store.accounts.add("eve", "viewer", "a viewer's long password")
    app = make_app(store, start=None)
    clients = {}
    for name, password in (
        ("ann", "a long enough password"),
        ("bob", "another long password"),
        ("eve", "a viewer's long password"),
    ):
        client = clients[name] = make_client(app)
        headers = page_headers(client, "/login")
        wrong = client.post("/login", data={"name": name, "password": "x"}, headers=headers)
        assert wrong.status_code == 401
        assert client.get("/read/blind").status_code == 303
        right = {"name": name, "password": password}
        assert client.post("/login", data=right, headers=headers).status_code == 200
    assert clients["eve"].get("/read/blind").status_code == 403
    assert clients["ann"].get("/read/disputes").status_code == 403
    assert clients["ann"].get("/progress").status_code == 403
    page = clients["ann"].get("/read/blind").text
    item = find_item(page)
    form = {"verdict": "absent", "idem": find_field(page, "idem"), "note": "said by ann"}
    headers = page_headers(clients["ann"])
    assert clients["ann"].post(f"/items/{item}/read", data=form, headers=headers).is_success
    # Bob holds another item: he can neither answer hers, nor see what she or the labeler said.
    headers = page_headers(clients["bob"])
    for what, sent in (("read", form), ("reveal", {})):
        answer = clients["bob"].post(f"/items/{item}/{what}", data=sent, headers=headers)
        assert answer.status_code == 409
    assert "said by ann" in clients["ann"].get("/history").text
    assert "said by ann" not in clients["bob"].get("/history").text
    store.accounts.disable("ann")
    assert clients["ann"].get("/read/blind").status_code == 303


def test_a_program_comes_in_by_its_token_and_needs_no_cookie(store) -> None:
    store.accounts.add("ann", "reader", "a long enough password")
    token = store.accounts.make_token("ann", {"read"})
    client = make_client(make_app(store, start=None))
    client.headers["authorization"] = f"Bearer {token}"
    assert read(client, {}).status_code == 200
    assert [one.reader for one in store.reads()] == ["ann"]
    client.headers["authorization"] = f"Bearer {token[:-1]}x"
    assert client.get("/read/blind").status_code == 303


def test_no_page_asks_another_host_and_none_has_scripts_or_styles_inside() -> None:
    files = [*STATIC.iterdir(), *TEMPLATES.iterdir()]
    for file in files:
        if file.name in ("VENDORED.md", "htmx.LICENSE", "htmx.min.js", "certificate.html.j2"):
            continue
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        for pattern in (
            r"https?:",
            r"(src|href)=[\"']//",
            "@import",
            r"url\(",
            r"\son\w+=",
            "eval",
        ):
            assert not re.search(pattern, text), (file.name, pattern)
        if file.suffix == ".j2":
            assert not re.search(r"<style|\sstyle=|<script(?![^>]*src=)", text), file.name


def test_the_vendored_script_is_the_one_that_is_named() -> None:
    found = hashlib.sha256((STATIC / "htmx.min.js").read_bytes()).hexdigest()
    named = re.findall(
        r"\| htmx 4\.0\.1 \|.*\| ([0-9a-f]{64}) \|", (STATIC / "VENDORED.md").read_text()
    )
    assert named == [found]


def test_the_icon_that_browsers_ask_for_unasked_is_there(client) -> None:
    answer = client.get("/favicon.ico", follow_redirects=True)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
