"""Who is given what to read, and what an answer does, on SQLite and PostgreSQL."""

from __future__ import annotations

import pytest

from tests.text_labeler.audit.planted import plant, plant_items, read_all, read_next
from text_labeler.audit.records import Answer, AuditError
from text_labeler.audit.store import AuditStore


@pytest.fixture
def store(place):
    with plant(place) as made:
        yield made


def test_readers_get_different_items_until_each_is_read_once(store):
    given = [store.claim(reader, queue="blind").item.item_id for reader in ("anna", "ben", "cleo")]
    assert given == ["item-0", "item-1", "item-2"]
    assert [read_all(store, reader) for reader in ("anna", "ben", "cleo", "dora")] == [4, 1, 1, 0]
    assert len(store.reads()) == 6


def test_an_item_planned_for_two_is_read_by_two(place):
    with plant(place, plant_items(3, needed=2)) as store:
        assert [read_all(store, reader) for reader in ("anna", "ben", "cleo")] == [3, 3, 0]
        assert [read.purpose for read in store.reads()] == ["first"] * 3 + ["second"] * 3


def test_a_page_shown_again_shows_the_same_item(store):
    first = store.claim("anna", queue="blind")
    assert store.claim("anna", queue="blind").item == first.item
    ahead = store.claim("anna", queue="blind", skip=[first.item.item_id])
    assert ahead.item.item_id == "item-1"
    assert store.claim("anna", queue="blind").item == first.item


def test_an_abandoned_item_returns(store):
    times = [1000.0]
    store.clock = lambda: times[0]
    assert store.claim("anna", queue="blind").item.item_id == "item-0"
    times[0] += store.lease_seconds - 1
    assert store.claim("ben", queue="blind").item.item_id == "item-1"
    times[0] += 2
    assert store.claim("cleo", queue="blind").item.item_id == "item-0"
    with pytest.raises(AuditError, match="held too long, and another reader has taken it"):
        store.record("anna", "item-0", Answer("present"), idem="late")
    store.record("cleo", "item-0", Answer("present"), idem="in time")


def test_an_answer_after_the_lease_counts_while_nobody_took_the_item(store):
    times = [1000.0]
    store.clock = lambda: times[0]
    store.claim("anna", queue="blind")
    times[0] += 10 * store.lease_seconds
    store.record("anna", "item-0", Answer("present"), idem="late")
    assert [read.item_id for read in store.reads()] == ["item-0"]


def test_a_key_pressed_twice_is_one_event(store):
    store.claim("anna", queue="blind")
    first = store.record("anna", "item-0", Answer("present", 1.5, "clear"), idem="key")
    assert store.record("anna", "item-0", Answer("present", 1.5, "clear"), idem="key") == first
    assert store.record("anna", "item-0", Answer("present", 1.9, "clear"), idem="key") == first
    for other in (
        Answer("absent", 1.5, "clear"),
        Answer("present"),
        Answer("present", flags=("x",)),
    ):
        with pytest.raises(AuditError, match="recorded already with another answer"):
            store.record("anna", "item-0", other, idem="key")
    # The same key of another reader is another key.
    store.claim("ben", queue="blind")
    assert store.record("ben", "item-1", Answer("present"), idem="key").seq > first.seq
    assert len(store.reads()) == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer("2"), "Edema: no such verdict; expected one of present, absent"),
        (Answer("present", seconds=-1.0), "seconds: expected a number of at least 0"),
        (Answer("present", seconds=float("nan")), "seconds: expected a number"),
        (Answer("present", note="x" * 10_001), "note: 10001 characters"),
        (Answer("present", flags=("f" * 101,)), "flags: expected at most 20"),
        (Answer("present", error_class="edge_case"), "only an adjudicator gives one"),
    ],
)
def test_an_answer_that_cannot_be_is_refused(store, answer, said):
    store.claim("anna", queue="blind")
    with pytest.raises(AuditError, match=said):
        store.record("anna", "item-0", answer, idem="key")
    assert store.reads() == []
    store.record("anna", "item-0", Answer("present"), idem="key")


def test_only_who_holds_an_item_reads_it(store):
    store.claim("anna", queue="blind")
    for item_id, said in (("item-0", "was not given to this reader"), ("item-9", "no item of")):
        with pytest.raises(AuditError, match=said):
            store.record("ben", item_id, Answer("present"), idem="key")
    store.record("anna", "item-0", Answer("present"), idem="key")
    with pytest.raises(AuditError, match="has read the item already"):
        store.record("anna", "item-0", Answer("absent"), idem="other")


def test_undo_goes_back_over_items_and_both_events_stay(store):
    read = [read_next(store, "anna").item_id for _ in range(4)]
    read_next(store, "ben")
    undone = [store.undo("anna", idem=f"undo-{n}") for n in range(3)]
    assert [event.item_id for event in undone] == read[:0:-1]
    assert store.undo("anna", idem="undo-2") == undone[2]
    assert [(read.reader, read.item_id) for read in store.reads()] == [
        ("anna", "item-0"),
        ("ben", "item-4"),
    ]
    again = [read_next(store, "anna", "uncertain").item_id for _ in range(3)]
    assert again == ["item-1", "item-2", "item-3"], "they come back, the last undone first"
    assert [past.stands for past in store.history("anna", 9)] == [True] * 3 + [False] * 3 + [True]
    assert store.verify() == store.events()[-1].hash


def test_undo_stops_at_the_first_read(store):
    with pytest.raises(AuditError, match="no read of this reader to undo"):
        store.undo("anna", idem="undo")


def test_queues_are_never_mixed(place):
    items = plant_items(2) + [
        item.__class__(**{**vars(item), "item_id": f"repair-{item.place}", "queue": "repair"})
        for item in plant_items(2)
    ]
    with plant(place, items) as store:
        assert store.claim("anna", queue="repair").item.item_id == "repair-0"
        assert store.claim("anna", queue="blind").item.item_id == "item-0"
        assert read_all(store, "anna") == 2
        assert store.claim("anna", queue="repair").item.item_id == "repair-0"
        assert store.progress("anna").planned == store.progress("anna").done == 2
        assert store.progress("anna", queue="repair").done == 0


def test_a_second_store_sees_what_the_first_wrote(place):
    with plant(place) as first, AuditStore.open(place) as second:
        read_next(first, "anna")
        assert read_next(second, "ben").item_id == "item-1"
        assert second.reads() == first.reads()
        assert second.plan() == '{"seed": 3}'
        assert second.document("study-0").report == "FINDINGS: the report of study-0."


def test_an_audit_has_one_plan(store):
    with pytest.raises(AuditError, match="has its plan already"):
        store.add_plan("{}", [], [])


@pytest.mark.parametrize(
    ("plan", "number", "said"),
    [
        ("[]", 0, "no JSON object"),
        ("{", 0, "not JSON"),
        ("{}", 1, "1 studies of the plan have no"),
    ],
)
def test_a_plan_that_cannot_be_read_is_refused_whole(place, plan, number, said):
    with AuditStore.create(place) as store:
        with pytest.raises(AuditError, match=said):
            store.add_plan(plan, plant_items(number), [])
        assert store.items() == []
        with pytest.raises(AuditError, match="has no plan yet"):
            store.plan()
