"""What the reading screen shows to whom, and when: blind stays blind until it cannot hurt.

All of it on SQLite and on PostgreSQL.
"""

import pytest

from tests.text_labeler.audit.served import (
    RULE,
    enter,
    find_field,
    find_item,
    make_app,
    make_client,
    page_headers,
    plant_audit,
)

LABELED = "The labeler says"


@pytest.fixture
def store(place):
    with plant_audit(place, studies=12, repair=2) as store:
        yield store


@pytest.fixture
def client(store):
    client = make_client(make_app(store))
    client.headers.update(enter(client))
    return client


def answer(client, page, verdict="absent", **more):
    form = {"verdict": verdict, "idem": find_field(page, "idem")} | more
    return client.post(f"/items/{find_item(page)}/read", data=form)


def undo(client, idem="a-new-key-press"):
    return client.post("/undo", data={"idem": idem})


def test_after_the_read_the_labels_are_shown_and_the_read_is_final(store, client) -> None:
    page = client.get("/read/blind").text
    assert client.post(f"/items/{find_item(page)}/reveal").status_code == 409
    after = answer(client, page)
    assert RULE not in after.text
    shown = client.post(f"/items/{find_item(page)}/reveal")
    assert RULE in shown.text
    assert '<mark class="positive"' in shown.text
    assert "final" in shown.text
    refused = undo(client)
    assert refused.status_code == 409
    assert refused.headers["hx-retarget"] == "#message"
    assert len(store.reads()) == 1
    assert [event.kind for event in store.events()].count("reveal") == 1
    assert client.post(f"/items/{find_item(page)}/reveal").is_success
    assert store.verify()


def test_a_read_that_was_not_revealed_is_undone_with_its_note(store, client) -> None:
    page = client.get("/read/blind").text
    answer(client, page, note="why <b>")
    again = undo(client)
    assert find_item(again.text) == find_item(page)
    assert "why &lt;b&gt;" in again.text
    assert store.reads() == []
    assert undo(client, "another-key-press").status_code == 409


def test_a_repair_item_hides_its_labels_while_the_report_is_still_to_be_read_blind(
    store, client
) -> None:
    blind = {item.study_id for item in store.items() if item.queue == "blind"}
    assert all(item.study_id in blind for item in store.items() if item.queue == "repair")
    page = client.get("/read/repair").text
    assert LABELED not in page
    assert "the labelers differ most here" not in page
    after = answer(client, page).text
    assert "the labeler</span>" not in after
    assert client.post(f"/items/{find_item(page)}/reveal").status_code == 409
    undo(client)
    for _ in range(12):
        answer(client, client.get("/read/blind").text)
    page = client.get("/read/repair").text
    assert LABELED in page
    assert "the labelers differ most here" in page
    assert RULE in page
    assert "the labeler</span>" in answer(client, page).text


def test_a_key_pressed_twice_is_one_read_and_another_verdict_is_refused(store, client) -> None:
    page = client.get("/read/blind").text
    assert answer(client, page).status_code == answer(client, page).status_code == 200
    assert answer(client, page, "present").status_code == 409
    assert [read.verdict for read in store.reads()] == ["absent"]


@pytest.mark.parametrize(
    "form",
    [
        {"verdict": "3"},
        {"verdict": "no <b>"},
        {"seconds": "-1"},
        {"seconds": "nan"},
        {"idem": ""},
        {"error_class": "edge_case"},
        {"error_class": "edge_case", "note": "x"},
    ],
    ids=str,
)
def test_what_no_page_sends_is_refused_and_not_repeated(store, client, form) -> None:
    page = client.get("/read/blind").text
    refused = answer(client, page, **form)
    assert refused.status_code in (400, 403, 409)
    assert "<b>" not in refused.text.replace("<b></b>", "")
    assert store.reads() == []


def log_in(app, store, name, role):
    store.accounts.add(name, role, f"the password of {name}")
    client = make_client(app)
    client.headers.update(page_headers(client, "/login"))
    form = {"name": name, "password": f"the password of {name}"}
    assert client.post("/login", data=form).status_code == 200
    client.headers.update(page_headers(client))
    return client


def test_an_adjudicator_sees_both_reads_and_gives_a_class_and_a_note(store) -> None:
    app = make_app(store, start=None)
    ann, bob, cy = (
        log_in(app, store, name, role)
        for name, role in (("ann", "reader"), ("bob", "reader"), ("cy", "adjudicator"))
    )
    for client, verdict in ((ann, "present"), (bob, "uncertain")):
        page = client.get("/read/blind").text
        while 'data-item="' in page:
            page = answer(client, page, verdict, note=f"a note: {verdict}").text
    page = cy.get("/read/disputes").text
    for words in (LABELED, "Reader A", "Reader B", "a note: present", "a note: uncertain"):
        assert words in page
    for hidden in ("ann", "bob", "study-"):
        assert f">{hidden}" not in page
        assert f" {hidden}<" not in page
    assert answer(cy, page).status_code == 409
    assert answer(cy, page, error_class="reader_error").status_code == 403
    assert answer(cy, page, error_class="reader_error", note="it says so").status_code == 200
    (read,) = [read for read in store.reads() if read.reader == "cy"]
    assert (read.purpose, read.error_class) == ("adjudication", "reader_error")


def test_the_lead_sees_progress_and_on_request_the_estimate(store, client) -> None:
    for _ in range(3):
        answer(client, client.get("/read/blind").text)
    page = client.get("/progress").text
    assert "precision ≥ 0.9" in page
    assert "local: 3 reads" in page
    assert "pos certain" not in page
    plan = client.get("/progress/plan").text
    for words in ("12 first reads", "pos certain", "at the measured", "prove an error rate"):
        assert words in plan
    told = client.get("/progress/estimate").text
    for words in ("precision", "recall", "95 %, always", "pos certain", "more clean reads"):
        assert words in told


def test_severity_is_answered_by_the_digit_of_its_grade() -> None:
    from text_labeler.audit.web.screens import list_choices

    assert [(one.key, one.verdict) for one in list_choices("edema_severity")] == [
        *((str(level), str(level)) for level in range(4)),
        ("4", "not_mentioned"),
        ("5", "unclear"),
    ]
    assert [one.key for one in list_choices("Edema")] == ["1", "2", "3", "4", "5"]


def test_the_end_of_a_queue_says_so(tmp_path) -> None:
    with plant_audit(tmp_path / "short", studies=2, repair=0) as store:
        client = make_client(make_app(store))
        client.headers.update(enter(client))
        for _ in range(2):
            page = answer(client, client.get("/read/blind").text).text
        assert "Nothing is left for you here" in page
        assert "The repair queue is empty" in client.get("/read/repair").text
        assert client.get("/read/blind/next").json() == []
