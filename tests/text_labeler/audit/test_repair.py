"""The repair queue: its order, its reasons, and that it never meets the blind sample."""

import numpy as np
import pandas as pd
import pytest

from tests.text_labeler.audit.sampled import make_plan, plant_table
from text_labeler.audit.planning import draw_items
from text_labeler.audit.promises import parse_promises
from text_labeler.audit.records import AuditError
from text_labeler.audit.repair import RepairTables, rank_repairs


@pytest.fixture(scope="module")
def table():
    return plant_table(200)


def find_row(table, column, code):
    return int(np.flatnonzero((table[column] == code).fillna(False))[0])


def rank(table, by, number=5, others=None, predictions=None, blind=(), plan=None):
    tables = RepairTables(table, others or {}, predictions)
    return rank_repairs(plan or make_plan(table, 40), tables, by, number, blind=blind)


def test_the_least_sure_label_comes_first(table):
    items = rank(table, "entropy")
    assert {item.study_id for item in items[:2]} == {"study-00099", "study-00100"}
    assert items[0].reason == "unsure: present 50%, 1.00 bits"
    assert [item.place for item in items] == list(range(5))
    assert {(item.queue, item.needed) for item in items} == {("repair", 1)}
    assert [item.score for item in items] == sorted((item.score for item in items), reverse=True)


def test_where_labelers_disagree_says_who_says_what(table):
    row = find_row(table, "Edema", 0)
    other = table.copy()
    other.loc[row, "Edema"] = 1
    items = rank(table, "disagreement", others={"theirs": other, "same": table})
    assert [item.study_id for item in items] == [table["study_id"][row]]
    assert items[0].score == 0.5
    assert items[0].reason == "labelers disagree: this one says absent, theirs says present"


def test_the_image_against_the_report(table):
    row = find_row(table, "Edema", 1)
    study = table["study_id"][row]
    predictions = pd.DataFrame({"study_id": [study, study], "Edema_p": [0.1, 0.3]})
    items = rank(table, "image", predictions=predictions)
    assert [item.study_id for item in items] == [study]
    assert items[0].score == pytest.approx(0.8)
    assert items[0].reason == "the image says present 20%, the report present"


def test_the_image_against_a_grade(table):
    row = find_row(table, "edema_severity", 2)
    shares = {f"p{grade}": [share] for grade, share in enumerate((0.7, 0.1, 0.15, 0.05))}
    predictions = pd.DataFrame({"study_id": [table["study_id"][row]], **shares})
    plan = make_plan(
        table, 40, findings=("edema_severity",), promises=parse_promises("accuracy >= .8")
    )
    items = rank(table, "image", predictions=predictions, plan=plan)
    assert items[0].score == pytest.approx(0.85)
    assert items[0].reason.endswith("grade 3 5%, the report grade 2")


def test_any_column_of_scores_orders(table):
    scored = table.assign(label_issue=np.arange(200) % 50)
    items = rank(scored, "label_issue", 4)
    assert {item.reason for item in items} == {"label_issue is 49"}
    predictions = pd.DataFrame({"study_id": ["study-00007"], "loss": [2.5]})
    assert [item.reason for item in rank(table, "loss", predictions=predictions)] == ["loss is 2.5"]


def test_studies_of_the_sample_and_of_other_audits_are_left_out(table):
    plan = make_plan(table, 40, excluded={"study-00099"})
    blind = draw_items(plan, table)
    items = rank(table, "entropy", 200, blind=blind, plan=plan)
    drawn = {item.study_id for item in blind} | {"study-00099"}
    assert drawn.isdisjoint(item.study_id for item in items)
    assert {item.item_id for item in items}.isdisjoint(item.item_id for item in blind)
    assert len(items) == 200 - len(drawn) - 2 + len(drawn & {"study-00000", "study-00199"})


def test_a_study_that_is_read_blind_for_one_finding_is_repaired_for_none(table):
    both = make_plan(
        table,
        40,
        40,
        findings=("Edema", "edema_severity"),
        promises=parse_promises("accuracy >= .8"),
    )
    blind = draw_items(both, table)
    scored = table.assign(suspect=1.0)
    items = rank(scored, "suspect", 200, blind=blind, plan=both)
    assert {item.finding for item in items} == {"Edema", "edema_severity"}
    assert {item.study_id for item in items}.isdisjoint(item.study_id for item in blind)


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ("disagreement", "--other"),
        ("image", "--predictions"),
        ("label_issue", "no order of repairs"),
        ("evidence", "not a column of numbers"),
    ],
)
def test_an_order_without_what_it_needs_is_refused(table, by, words):
    with pytest.raises(AuditError, match=words):
        rank(table, by)
    with pytest.raises(AuditError, match="has no probabilities"):
        rank(table.drop(columns="Edema_p"), "entropy")


def test_a_score_without_end_is_none(table):
    scored = table.assign(loss=[np.inf, -np.inf, np.nan, 2.0, *[0.0] * (len(table) - 4)])
    items = rank(scored, "loss")
    assert [(item.study_id, item.score) for item in items] == [("study-00003", 2.0)]
