"""Reads that the store asks for by itself: conflicts among decoys, and what an adjudicator adds."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.text_labeler.audit.planted import plant, plant_items, read_all, read_next
from text_labeler.audit.conflicts import Reread, settle
from text_labeler.audit.records import Answer, AuditError
from text_labeler.audit.revealing import reveal


@pytest.fixture
def store(place):
    with plant(place) as made:
        yield made


def test_a_conflict_is_read_again_among_decoys_by_another(store):
    read_next(store, "anna")
    read_next(store, "anna", "absent")
    assert store.rereads() == [Reread("item-1", "conflict"), Reread("item-0", "decoy")]
    assert read_all(store, "anna") == 4, "never by the first reader"
    asked = [store.claim("ben", queue="blind", skip=skip) for skip in ([], ["item-0"], ["item-1"])]
    assert {(given.item.item_id, given.purpose) for given in asked} == {
        ("item-0", "decoy"),
        ("item-1", "conflict"),
    }
    assert read_all(store, "ben") == 2
    assert read_all(store, "cleo") == 0


def test_progress_does_not_tell_a_reader_of_his_conflicts(store):
    agreeing = [read_next(store, "anna"), store.progress("anna")][1]
    store.undo("anna", idem="undo")
    read_next(store, "anna", "absent")
    assert store.rereads() != []
    assert store.progress("anna") == agreeing


def test_neither_order_nor_progress_tells_a_second_reader_what_he_reads_again(place):
    with plant(place, plant_items(40)) as store:
        for verdict in ["present"] * 20 + ["absent"] * 20:
            read_next(store, "anna", verdict)
        read_all(store, "ben")
        purposes = [read.purpose for read in store.reads()][40:]
        assert sorted(purposes) == ["conflict"] * 20 + ["decoy"] * 20
        assert 5 < purposes[:20].count("conflict") < 15, "not the decoys first, as published"


def test_progress_grows_with_every_read_alike(store):
    read_next(store, "anna")
    read_next(store, "anna", "absent")
    seen = [store.progress("ben").done]
    while read_next(store, "ben"):
        seen.append(store.progress("ben").done)
    assert {read.purpose for read in store.reads()} == {"first", "conflict", "decoy"}
    assert seen == [2, 3, 4, 5, 6, 6, 6], "never more than planned"


def test_a_reread_is_dropped_when_its_cause_is_undone_before_anybody_read_it(store):
    read_next(store, "anna", "absent")
    assert store.rereads() == [Reread("item-0", "conflict")]
    store.undo("anna", idem="undo")
    assert store.rereads() == []
    read_next(store, "anna", "present")
    assert read_all(store, "anna") == 5
    assert read_all(store, "ben") == 0


def test_a_reread_that_was_read_stays_when_its_cause_is_undone(store):
    read_next(store, "anna", "absent")
    store.claim("ben", queue="blind")
    store.undo("anna", idem="undo")
    store.record("ben", "item-0", Answer("present"), idem="held already")
    assert [read.purpose for read in store.reads()] == ["conflict"]
    read_next(store, "anna", "present")
    assert sorted(read.purpose for read in store.reads()) == ["conflict", "first"]


def test_a_decoy_that_was_undone_is_replaced_at_once(store):
    read_next(store, "anna", "absent")
    store.claim("ben", queue="blind")
    read_next(store, "cleo")
    store.claim("dora", queue="blind")
    read_next(store, "anna")
    decoys = [item_id for item_id, purpose in store.rereads() if purpose == "decoy"]
    assert decoys == ["item-1"]
    store.undo("cleo", idem="undo")
    assert store.rereads() == [Reread("item-0", "conflict"), Reread("item-2", "decoy")]


def test_nothing_is_adjudicated_once_readers_agree(place):
    with plant(place, plant_items(1, needed=2)) as store:
        for reader in ("anna", "ben", "dora"):
            store.accounts.add(reader, "adjudicator")
        read_next(store, "anna", "absent")
        read_next(store, "ben", "present")
        assert store.rereads() == [Reread("item-0", "adjudication")]
        store.undo("anna", idem="undo")
        read_next(store, "anna", "present")
        assert store.rereads() == []
        assert store.claim("dora", queue="blind", adjudicate=True) is None


def test_two_who_differ_are_adjudicated_by_a_third(store):
    with pytest.raises(AuditError, match="no account that may adjudicate here"):
        store.claim("dora", queue="blind", adjudicate=True)
    for reader in ("anna", "ben", "cleo", "dora"):
        store.accounts.add(reader, "reader" if reader == "anna" else "adjudicator")
    read_next(store, "anna", "absent")
    assert store.claim("dora", queue="blind", adjudicate=True) is None
    read_next(store, "ben", "present")
    assert store.claim("ben", queue="blind", adjudicate=True) is None, "he read it himself"
    with pytest.raises(AuditError, match="anna: the account may not adjudicate here"):
        store.claim("anna", queue="blind", adjudicate=True)
    assert store.claim("cleo", queue="blind").item.item_id == "item-1", "no ordinary read"
    given = store.claim("dora", queue="blind", adjudicate=True)
    assert (given.item.item_id, given.purpose) == ("item-0", "adjudication")
    assert [read.verdict for read in store.reads_of("item-0")] == ["absent", "present"]
    for wrong in (None, "tired"):
        with pytest.raises(AuditError, match="adjudicator chooses one of ambiguous_text"):
            store.record("dora", "item-0", Answer("absent", error_class=wrong), idem="key")
    answer = Answer("absent", error_class="labeler_error")
    store.record("dora", "item-0", answer, idem="key")
    reads = store.reads_of("item-0")
    assert settle(given.item, reads) == "absent"
    assert reads[-1].error_class == "labeler_error"


def test_an_item_for_two_needs_no_conflict_read(place):
    with plant(place, plant_items(1, needed=2)) as store:
        read_next(store, "anna", "absent")
        assert store.rereads() == []
        read_next(store, "ben", "absent")
        assert read_all(store, "cleo") == 0


def test_grades_have_verdicts_of_their_own(place):
    items = plant_items(2, finding="edema_severity", call=2, stratum="grade_2")
    with plant(place, items) as store:
        read_next(store, "anna", "2")
        with pytest.raises(AuditError, match="edema_severity: no such verdict"):
            read_next(store, "anna", "present")
        read_next(store, "anna", "3")
        assert Reread("item-1", "conflict") in store.rereads()


def test_nothing_is_asked_again_in_the_repair_queue(place):
    items = [dataclasses.replace(item, queue="repair") for item in plant_items(2)]
    with plant(place, items) as store:
        read_next(store, "anna", "absent", queue="repair")
        assert store.rereads() == []


def test_a_read_is_final_once_the_labelers_side_was_shown(store):
    read_next(store, "anna")
    shown = read_next(store, "anna")
    reveal(store, "anna", shown.item_id)
    for _ in range(2):
        with pytest.raises(AuditError, match="was shown: it can't be undone"):
            store.undo("anna", idem="undo")
    read_next(store, "anna")
    assert store.undo("anna", idem="undo").item_id == "item-2"


def test_a_blind_read_is_final_once_the_repair_queue_showed_the_report(place):
    (item,) = plant_items(1)
    repair = dataclasses.replace(item, item_id="repair-0", finding="Fracture", queue="repair")
    with plant(place, [item, repair]) as store:
        read_next(store, "anna")
        store.claim("anna", queue="repair")
        for _ in range(2):
            with pytest.raises(AuditError, match="repair queue showed the labels"):
                store.undo("anna", idem="undo")
        read_next(store, "anna", queue="repair")
        assert store.undo("anna", idem="undo").item_id == "repair-0"
        with pytest.raises(AuditError, match="repair queue showed the labels"):
            store.undo("anna", idem="further")


def test_a_read_is_either_shown_or_undone_never_both(place):
    with plant(place, plant_items(30)) as store, ThreadPoolExecutor(2) as threads:
        for number in range(30):
            item_id = read_next(store, "anna").item_id
            tasks = [
                threads.submit(reveal, store, "anna", item_id),
                threads.submit(store.undo, "anna", idem=f"undo-{number}"),
            ]
            refused = [task.exception() for task in tasks]
            assert [type(error) for error in refused if error] == [AuditError], number
