"""Which items are read again, among which decoys, and when a verdict stands."""

import pytest

from tests.text_labeler.audit.planted import plant_items
from tests.text_labeler.audit.sampled import make_read
from text_labeler.audit.conflicts import is_conflict, name_call, plan_rereads, settle


def ask(items, reads, seed=3):
    return plan_rereads(items, reads, seed)


def of(asked, purpose):
    return [one.item_id for one in asked if one.purpose == purpose]


@pytest.mark.parametrize(
    ("finding", "call", "verdict", "differs"),
    [
        ("Edema", 1, "present", False),
        ("Edema", 1, "uncertain", True),
        ("Edema", None, "absent", False),
        ("Edema", 0, "not_mentioned", False),
        ("Edema", None, "present", True),
        ("Edema", 1, "unclear", False),
        ("edema_severity", 0, "not_mentioned", True),
        ("edema_severity", 2, "2", False),
        ("edema_severity", None, "not_mentioned", False),
    ],
)
def test_what_contradicts_the_labeler(finding, call, verdict, differs):
    item = plant_items(1, finding=finding, call=call)[0]
    assert is_conflict(item, verdict) == differs


@pytest.mark.parametrize(
    ("needed", "verdicts", "final"),
    [
        (1, [], None),
        (1, ["present"], "present"),
        (2, ["present"], None),
        (2, ["present", "present"], "present"),
        (1, ["absent"], None),
        (1, ["absent", "not_mentioned"], "absent"),
        (1, ["absent", "present"], None),
        (1, ["unclear"], "unclear"),
        (2, ["unclear", "present"], None),
    ],
)
def test_when_blind_reads_settle_an_item(needed, verdicts, final):
    item = plant_items(1, needed=needed)[0]
    reads = [make_read(n, item, verdict, str(n)) for n, verdict in enumerate(verdicts)]
    assert settle(item, reads) == final


def test_an_adjudicator_has_the_last_word():
    item = plant_items(1)[0]
    reads = [make_read(0, item, "absent"), make_read(1, item, "present", "bob")]
    third = make_read(2, item, "uncertain", "cid", purpose="adjudication")
    assert settle(item, [third, *reads]) == "uncertain"


def test_each_difference_is_read_again_with_a_decoy_beside_it():
    items = plant_items(10)
    reads = [make_read(n, item, "absent" if n > 6 else "present") for n, item in enumerate(items)]
    asked = ask(items, reads)
    assert of(asked, "conflict") == ["item-7", "item-8", "item-9"]
    decoys = of(asked, "decoy")
    assert len(set(decoys)) == 3
    assert set(decoys) <= {f"item-{n}" for n in range(7)}
    assert of(ask(items, reads, seed=4), "decoy") != decoys


def test_decoys_wait_until_somebody_agreed_and_are_never_changed():
    items = plant_items(30)
    reads = [
        make_read(n, item, "absent" if n % 3 == 0 else "present") for n, item in enumerate(items)
    ]
    assert of(ask(items, reads[:1]), "decoy") == []
    earlier: list = []
    for number in range(1, 31):
        asked = ask(items, reads[:number])
        assert asked[: len(earlier)] == earlier
        assert len(of(asked, "decoy")) == min(
            len(of(asked, "conflict")), number - (number + 2) // 3
        )
        earlier = asked


def test_readers_who_differ_are_adjudicated_also_on_a_decoy():
    items = plant_items(4)
    reads = [make_read(n, item, "absent" if n == 0 else "present") for n, item in enumerate(items)]
    decoy = of(ask(items, reads), "decoy")[0]
    item = next(one for one in items if one.item_id == decoy)
    reads += [
        make_read(4, items[0], "present", "bob", purpose="conflict"),
        make_read(5, item, "absent", "bob", purpose="decoy"),
    ]
    assert set(of(ask(items, reads), "adjudication")) == {"item-0", decoy}
    reads.append(make_read(6, items[0], "absent", "cid", purpose="adjudication"))
    assert settle(items[0], [reads[0], reads[4], reads[6]]) == "absent"


def test_an_item_planned_for_two_needs_no_further_read_for_its_conflict():
    items = plant_items(3, needed=2)
    reads = [make_read(n, item, "absent") for n, item in enumerate(items)]
    assert ask(items, reads) == []
    reads.append(make_read(3, items[0], "present", "bob", purpose="second"))
    assert of(ask(items, reads), "adjudication") == ["item-0"]


def test_the_repair_queue_asks_for_no_re_reads():
    items = plant_items(3, queue="repair", reason="unsure", score=1.0)
    reads = [make_read(n, item, "absent") for n, item in enumerate(items)]
    assert ask(items, reads) == []
    assert settle(items[0], reads[:1]) == "absent"


def test_a_code_is_named_as_readers_name_it():
    assert [name_call("Edema", code) for code in (1, 0, -1, None)] == [
        "present",
        "absent",
        "uncertain",
        "not_mentioned",
    ]
