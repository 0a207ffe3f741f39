"""Strata, promises, allocation, and the published sample."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from tests.text_labeler.audit.sampled import LABELS, make_plan, plant_table
from text_labeler.audit.allocation import (
    FLOOR,
    ExpectedStratum,
    allocate,
    expect_strata,
    share_reads,
)
from text_labeler.audit.forecast import find_sufficient, forecast_plan
from text_labeler.audit.planning import draw_items, hash_sampling, read_plan
from text_labeler.audit.promises import parse_promises, select_promises
from text_labeler.audit.records import AuditError
from text_labeler.audit.strata import count_cells, stratify

STRATA = [
    ExpectedStratum("pos_certain", 120, 120, 0.95),
    ExpectedStratum("neg_negated", 900, 0, 0.01),
    ExpectedStratum("no_mention", 2600, 0, 0.002),
]


def test_strata_say_what_the_labeler_said_and_how():
    table = plant_table(0).reindex(range(5))
    table["study_id"] = list("abcde")
    table["Edema"] = [1, -1, 0, None, None]
    table["evidence"] = [*([[{"finding": "Edema"}]] * 4), [{"finding": "Pneumonia"}]]
    strata = stratify(table, "Edema")
    assert list(strata["stratum"]) == [
        "pos_certain",
        "pos_hedged",
        "neg_negated",
        "word_without_call",
        "no_mention",
    ]
    other = table.assign(Edema=[1, 1, None, 0, 1])
    told = stratify(table, "Edema", [other])["stratum"] == "labelers_disagree"
    assert list(told) == [False, True, False, False, True]


def test_strata_of_severity_are_its_grades():
    cells = count_cells(stratify(plant_table(), "edema_severity"), "edema_severity")
    assert [(cell.stratum, cell.call) for cell in cells] == [
        ("grade_0", 0),
        ("grade_1", 1),
        ("grade_2", 2),
        ("not_mentioned", None),
    ]
    assert sum(cell.population for cell in cells) == 1000


@pytest.mark.parametrize("fault", ["Oedema", "study_id"])
def test_a_column_that_is_no_finding_is_refused(fault):
    with pytest.raises(AuditError, match="no such column"):
        stratify(plant_table(), fault)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("precision ≥ .9, recall >= 80 %", ["precision ≥ 0.9", "recall ≥ 0.8"]),
        ("Error rate <= 5%; accuracy >= 0.95", ["error_rate ≤ 0.05", "accuracy ≥ 0.95"]),
    ],
)
def test_promises_are_read_as_people_write_them(text, told):
    assert [str(promise) for promise in parse_promises(text)] == told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no promise"),
        ("precision .9", "expected MEASURE"),
        ("specificity >= .9", "no such measure"),
        ("recall <= .9", "expected recall ≥ 0.9"),
        ("recall >= 9", "between 0 and 1"),
        ("recall >= .8, recall >= .9", "promised twice"),
    ],
)
def test_a_promise_that_is_none_is_refused(text, words):
    with pytest.raises(AuditError, match=words):
        parse_promises(text)


def test_precision_cannot_be_promised_of_severity():
    promises = parse_promises("precision >= .9, accuracy >= .8")
    assert [one.measure for one in select_promises(promises, "edema_severity")] == ["accuracy"]


def test_reads_go_where_doubt_counts_with_a_floor_for_all():
    given = allocate(STRATA, ["precision", "recall"], 300)
    assert sum(given) == 300
    assert min(given) >= FLOOR
    assert allocate(STRATA, ["precision"], 300)[0] > allocate(STRATA, ["recall"], 300)[0]
    assert allocate(STRATA, ["recall"], 3620) == [120, 900, 2600]
    assert allocate(STRATA, ["recall"], 31) == pytest.approx([10, 10, 11], abs=1)


def test_uncertain_as_positive_is_another_expectation():
    cells = count_cells(stratify(plant_table(), "Edema"), "Edema")
    for choice, positives in (("not_positive", 0), ("positive", 1)):
        hedged = expect_strata(cells, choice, {})[1]
        assert hedged.name == "pos_hedged"
        assert bool(hedged.positives) == bool(positives)
        assert (hedged.share > 0.5) == bool(positives)
    with pytest.raises(AuditError, match="STRATUM=SHARE"):
        expect_strata(cells, "positive", {"pos_certain": 2.0})


def test_a_forecast_says_what_suffices_and_what_never_does():
    promises = parse_promises("recall >= .8")
    enough = find_sufficient("Edema", STRATA, promises, 0)
    kept = [
        forecast_plan("Edema", STRATA, allocate(STRATA, ["recall"], reads), promises, 1)[1].kept
        for reads in (150, enough)
    ]
    assert kept[0] < 0.5
    assert kept[1] > 0.7
    assert find_sufficient("Edema", STRATA, parse_promises("recall >= .95"), 0) is None


def test_no_more_reads_are_forecast_than_other_audits_left():
    promises = parse_promises("precision >= .9")
    left = [dataclasses.replace(stratum, held=stratum.population - 20) for stratum in STRATA]
    assert allocate(left, ["precision"], 60) == [20, 20, 20]
    assert find_sufficient("Edema", STRATA, promises, 0) is not None
    assert find_sufficient("Edema", left, promises, 0) is None


def test_the_sample_is_the_seeds_and_the_same_in_another_order_of_rows():
    table = plant_table()
    plan = make_plan(table)
    items = draw_items(plan, table)
    shuffled = table.sample(frac=1, random_state=1).reset_index(drop=True)
    assert draw_items(read_plan(plan.to_json()), shuffled) == items
    assert len({item.item_id for item in items}) == len(items) == 300
    assert [item.place for item in items] == list(range(300))
    assert hash_sampling(items) == plan.sampling_hash != make_plan(table, seed=1).sampling_hash
    with pytest.raises(AuditError, match="in the plan"):
        draw_items(plan, plant_table(seed=1))


def test_an_item_tells_neither_study_nor_finding():
    table = plant_table()
    first = {item.item_id for item in draw_items(make_plan(table), table)}
    assert not any("study" in name or "dema" in name for name in first)
    other = draw_items(make_plan(table, salt="another"), table)
    assert first.isdisjoint(item.item_id for item in other)
    assert "study-" not in make_plan(table, excluded={"study-00001"}).to_json()


def test_enough_items_are_read_twice():
    table = plant_table()
    for reads, twice in ((60, 60), (300, 100), (900, 180)):
        items = draw_items(make_plan(table, reads), table)
        assert sum(item.needed == 2 for item in items) == twice


def test_any_stretch_of_the_list_holds_every_stratum():
    table = plant_table()
    items = draw_items(make_plan(table), table)
    for half in (items[:150], items[150:]):
        assert {item.stratum for item in half} == {item.stratum for item in items}


def test_each_study_of_a_stratum_is_drawn_as_often():
    table = plant_table(60)
    counts = dict.fromkeys(table["study_id"], 0)
    strata = dict(stratify(table, "Edema")[["study_id", "stratum"]].to_numpy())
    for seed in range(40):
        for item in draw_items(make_plan(table, 20, seed=seed), table):
            counts[item.study_id] += 1
    drawn = [counts[study] for study, stratum in strata.items() if stratum == "no_mention"]
    spread = np.sqrt(np.mean(drawn) * (1 - np.mean(drawn) / 40))
    assert max(abs(np.array(drawn) - np.mean(drawn))) < 4 * spread


def test_another_audits_studies_are_not_drawn_but_stay_in_the_population():
    """Else recall would be that of a rest from which the first audit took most positives."""
    table = plant_table()
    tune = draw_items(make_plan(table, 150, pool="tune"), table)
    held = {item.study_id for item in tune}
    plan = make_plan(table, 300, held=held)
    items = draw_items(plan, table)
    assert held.isdisjoint(item.study_id for item in items)
    assert len(items) == 300
    assert plan.findings[0].cells == make_plan(table).findings[0].cells
    drawn = Counter(item.stratum for item in (*tune, *items))
    for part in plan.findings[0].strata:
        assert drawn[part.stratum] <= part.population
    plan = make_plan(table, 1000, held=held)
    assert len(draw_items(plan, table)) == 1000 - len(held)
    with pytest.raises(AuditError, match="other audits hold"):
        make_plan(table, held=set(table["study_id"]))


def test_studies_without_a_report_leave_the_population():
    table = plant_table()
    silent = set(table["study_id"][:40])
    plan = make_plan(table, 300, excluded=silent)
    assert silent.isdisjoint(item.study_id for item in draw_items(plan, table))
    assert sum(one.population for one in plan.findings[0].strata) == 960


def test_where_labelers_disagree_is_a_stratum_of_its_own():
    table = plant_table()
    other = table.assign(Edema=table["Edema"].fillna(0).replace(-1, 1))
    plan = make_plan(table, others={"other": (LABELS, other)})
    names = [one.stratum for one in plan.findings[0].strata]
    assert "labelers_disagree" in names
    assert "pos_hedged" not in names
    assert len(draw_items(plan, table, [other])) == 300


def test_reads_are_shared_out_to_findings():
    assert share_reads(11, 3) == (4, 4, 3)
    with pytest.raises(AuditError, match="expected one at least"):
        share_reads(1, 2)


def test_one_seed_draws_other_studies_to_tune_by_than_to_measure_by():
    table = plant_table()
    drawn = [
        {
            (item.stratum, item.study_id)
            for item in draw_items(make_plan(table, 200, pool=pool), table)
        }
        for pool in ("tune", "hold_out")
    ]
    sizes = stratify(table, "Edema")["stratum"].value_counts()
    reads = {one.stratum: one.reads for one in make_plan(table, 200).findings[0].strata}
    forced = sum(max(0, 2 * reads[name] - size) for name, size in sizes.items())
    assert len(drawn[0] & drawn[1]) == forced
