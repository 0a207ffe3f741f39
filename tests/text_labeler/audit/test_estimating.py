"""What the reads of an audit say, of the planned and of later labels."""

import numpy as np
import pytest

from benchmarks.audit_coverage import CORPORA, read_with_errors
from tests.text_labeler.audit.planted import VERDICT_OF_CALL
from tests.text_labeler.audit.sampled import (
    LABELS,
    make_plan,
    make_read,
    plant_table,
    read_items,
)
from text_labeler.audit.estimating import estimate
from text_labeler.audit.judging import judge_promises
from text_labeler.audit.more_reads import count_more_reads
from text_labeler.audit.planning import draw_items
from text_labeler.audit.promises import parse_promises
from text_labeler.audit.records import AuditError
from text_labeler.audit.rescoring import read_later
from text_labeler.audit.units import judge_items, tally_cells


@pytest.fixture(scope="module")
def table():
    return plant_table()


@pytest.fixture(scope="module")
def plan(table):
    return make_plan(table)


@pytest.fixture(scope="module")
def items(plan, table):
    return draw_items(plan, table)


def agree(item):
    return VERDICT_OF_CALL[item.call]


def read_twice(items, say):
    first = read_items(items, say)
    second = [item for item in items if item.needed > 1]
    return first + read_items(second, say, "bob", start=len(first))


def test_a_labeler_who_is_always_right_keeps_its_promises(table):
    plan = make_plan(table, 600)
    items = draw_items(plan, table)
    found = estimate(plan, items, read_twice(items, agree)).findings[0]
    assert (found.read, found.waiting, found.open, found.unclear) == (600, 0, 0, 0)
    assert found.find("precision").upper == 1
    assert found.find("recall").value > 0.9
    assert [one.state for one in found.promises] == ["proved", "proved"]
    assert [one.promise.measure for one in found.promises] == ["precision", "recall"]
    assert judge_promises(plan, items, read_twice(items, agree))["Edema"] == found.promises


def test_without_a_read_nothing_is_known(plan, items):
    found = estimate(plan, items, []).findings[0]
    assert found.find("precision").lower < 0.05
    assert found.find("recall").always_upper == 1
    assert {one.state for one in found.promises} == {"open"}
    assert "cells that nobody has read" in found.warnings[0]


def test_more_clean_reads_that_are_counted_do_prove_the_promise(table):
    plan = make_plan(table, 1000, promises=parse_promises("recall >= .8"))
    items = draw_items(plan, table)
    units = judge_items(items, read_items(items[:200], agree))
    tallies = tally_cells(plan.findings[0].cells, units, "not_positive")
    needed = count_more_reads(tallies, plan.promises[0])
    for more, state in ((needed // 2, "open"), (needed * 2, "proved")):
        reads = read_items(items[: 200 + more], agree)
        promise = estimate(plan, items, reads).findings[0].promises[0]
        assert promise.if_planned == state
        assert (promise.more_reads or 0) >= 800 - more


def test_until_all_is_read_only_what_holds_while_looking_decides(table):
    plan = make_plan(table, 600)
    items = draw_items(plan, table)
    reads = read_twice(items, agree)
    last = items[-1].item_id
    early = estimate(plan, items, [read for read in reads if read.item_id != last])
    one = early.findings[0].promises[1]
    assert (one.state, one.if_planned) == ("open", "proved")
    assert one.proved_always is False


def test_an_open_difference_counts_as_first_read_and_is_bounded(plan, items):
    missed = [item for item in items if item.stratum == "no_mention"][:3]
    reads = read_items(items, lambda item: "present" if item in missed else agree(item))
    found = estimate(plan, items, reads).findings[0]
    assert found.open == 3
    recall = next(one for one in found.measures if one.measure == "recall")
    assert recall.interval.value < 0.85 < recall.if_slips.value
    assert found.promises[1].state == "open"
    assert any("not settled" in warning for warning in found.warnings)


def test_an_open_difference_alone_refutes_nothing(plan, items):
    absent = [item for item in items if item.stratum == "pos_certain"]
    reads = read_items(items, lambda item: "absent" if item in absent else agree(item))
    one_reader = estimate(plan, items, reads).findings[0].promises[0]
    again = read_items(absent, lambda _: "absent", "bob", start=len(reads))
    two_readers = estimate(plan, items, reads + again).findings[0].promises[0]
    assert (one_reader.state, two_readers.state) == ("open", "refuted")


def test_what_is_unclear_is_left_out_and_bounded(plan, items):
    unclear = [item for item in items if item.stratum == "pos_certain"][:5]
    reads = read_items(items, lambda item: "unclear" if item in unclear else agree(item))
    found = estimate(plan, items, reads).findings[0]
    assert found.unclear == 5
    precision = next(one for one in found.measures if one.measure == "precision")
    wrong, right = precision.if_unclear
    assert wrong < precision.interval.lower + 0.05
    assert right >= precision.interval.value


@pytest.mark.parametrize(("choice", "precision"), [("not_positive", 0.0), ("positive", 1.0)])
def test_how_uncertain_counts_is_a_choice(table, choice, precision):
    plan = make_plan(table, 1000, uncertain_as=choice)
    items = draw_items(plan, table)
    say = {1: "uncertain", -1: "uncertain", 0: "absent", None: "absent"}
    reads = read_items(items, lambda item: say[item.call])
    again = read_items(items, lambda item: say[item.call], "bob", start=1000)
    found = estimate(plan, items, reads + again)
    assert found.uncertain_as == choice
    assert found.findings[0].find("precision").value == precision


def test_pools_and_queues_are_never_mixed(plan, items):
    for change in ({"pool": "tune"}, {"queue": "repair"}):
        with pytest.raises(AuditError, match="must not be mixed"):
            estimate(plan, items, [make_read(0, items[0], "present", **change)])
    with pytest.raises(AuditError, match="not in the sampling list"):
        estimate(plan, items[1:], [make_read(0, items[0], "present")])
    with pytest.raises(AuditError, match="'2' is no verdict on Edema"):
        estimate(plan, items, [make_read(0, items[0], "2")])


def test_reads_of_the_repair_queue_feed_nothing(plan, items):
    repair = type(items[0])(**{**vars(items[0]), "item_id": "worst", "queue": "repair"})
    reads = read_items(items, agree)
    more = [*reads, make_read(999, repair, "absent")]
    assert estimate(plan, [*items, repair], more) == estimate(plan, items, reads)


def relabel(table, seed):
    """A later version: mends most of what it calls otherwise, and breaks something else."""
    rng = np.random.default_rng(seed)
    later = table.copy()
    moved = rng.random(len(table)) < 0.08
    later.loc[moved, "Edema"] = rng.choice([1, 0], moved.sum())
    return later


def test_a_later_version_needs_no_new_reading(table, plan, items):
    later_table = relabel(table, 1)
    about = LABELS.model_copy(update={"name": "later.parquet", "table_hash": "b" * 64})
    later = read_later(plan, table, later_table, about)
    reads = read_items(items, agree)
    found = estimate(plan, items, reads, later=later)
    assert found.is_later
    assert found.labels.name == "later.parquet"
    truth = (table["Edema"] == 1).fillna(False)
    called = (later_table["Edema"] == 1).fillna(False)
    precision = found.findings[0].find("precision")
    assert precision.lower <= (truth & called).sum() / called.sum() <= precision.upper
    same = estimate(plan, items, reads, later=read_later(plan, table, table, LABELS))
    planned = estimate(plan, items, reads)
    assert same.findings[0].measures == planned.findings[0].measures


def test_intervals_hold_for_later_versions(table):
    """The strata stay the plan's: drawn richly where the old labels said present."""
    truth = (table["Edema"] == 1).fillna(False).to_numpy()
    names = dict(zip(table["study_id"], truth, strict=True))
    covered = dict.fromkeys(("precision", "recall", "error_rate"), 0)
    for seed in range(30):
        plan = make_plan(table, 400, seed=seed)
        items = draw_items(plan, table)
        later_table = relabel(table, seed)
        later = read_later(plan, table, later_table, LABELS)
        reads = read_items(items, lambda item: "present" if names[item.study_id] else "absent")
        called = (later_table["Edema"] == 1).fillna(False).to_numpy()
        wanted = {
            "precision": (truth & called).sum() / called.sum(),
            "recall": (truth & called).sum() / truth.sum(),
            "error_rate": (truth != called).mean(),
        }
        found = estimate(plan, items, reads, later=later).findings[0]
        for measure, value in wanted.items():
            one = found.find(measure)
            covered[measure] += one.lower - 1e-9 <= value <= one.upper + 1e-9
    assert min(covered.values()) >= 0.86 * 30


def test_a_later_version_must_be_of_the_same_studies_and_plan(table, plan):
    with pytest.raises(AuditError, match="lack 10 of the plan's 1000 studies"):
        read_later(plan, table, table[10:], LABELS)
    with pytest.raises(AuditError, match="other strata than the plan"):
        read_later(plan, relabel(table, 0), table, LABELS)
    with pytest.raises(AuditError, match="no such column"):
        read_later(plan, table, table.drop(columns="Edema"), LABELS)


def test_severity_has_grades_over_calls_and_a_confusion(table):
    plan = make_plan(
        table, 1000, findings=("edema_severity",), promises=parse_promises("accuracy >= .9")
    )
    items = draw_items(plan, table)
    grades = {2: "1", 1: "1", 0: "0", None: "not_mentioned"}
    reads = read_items(items, lambda item: grades[item.call])
    again = read_items(items, lambda item: grades[item.call], "bob", start=1000)
    found = estimate(plan, items, reads + again).findings[0]
    twos = (table["edema_severity"] == 2).sum() / 1000
    for measure in ("error_rate", "over_call"):
        assert found.find(measure).value == pytest.approx(twos)
    assert found.find("under_call").value == found.find("off_by_two").value == 0
    assert found.find("precision_2").value == 0
    assert found.find("recall_1").value == pytest.approx(
        (table["edema_severity"] == 1).sum() / table["edema_severity"].isin([1, 2]).sum()
    )
    assert found.find("recall_3") is None
    confusion = {cell.call: cell.verdicts for cell in found.cells}
    assert list(confusion[2]) == ["1"]


def test_readers_are_told_with_their_own_errors(plan, items):
    slips = {item.item_id for item in items if item.needed > 1 and item.call == 0}
    reads = read_items(items, lambda item: "present" if item.item_id in slips else agree(item))
    twice = [item for item in items if item.needed > 1]
    reads += read_items(twice, agree, "bob", start=len(reads))
    undecided = {one.reader: one for one in estimate(plan, items, reads).readers}
    assert undecided["ann"].undecided == len(slips)
    reads += [
        make_read(5000 + n, item, agree(item), "cid", purpose="adjudication")
        for n, item in enumerate(items)
        if item.item_id in slips
    ]
    readers = {one.reader: one for one in estimate(plan, items, reads).readers}
    assert (readers["ann"].checked, readers["ann"].wrong) == (100, len(slips))
    assert (readers["bob"].wrong, set(readers)) == (0, {"ann", "bob"})


def test_re_reads_take_a_readers_errors_out_of_the_recall():
    facts = next(iter(CORPORA.values()))
    biased = read_with_errors(facts, 1, 0.95, 0.99, audits=12, seed=1)
    perfect = read_with_errors(facts, 1, 1.0, 1.0, audits=12, seed=1)
    assert perfect.settled[1] - biased.first[1] > 0.08
    assert abs(perfect.settled[1] - biased.settled[1]) <= 0.03
