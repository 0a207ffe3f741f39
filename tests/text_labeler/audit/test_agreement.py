"""Agreement against the established packages, and where it means nothing."""

import warnings

import krippendorff
import numpy as np
import pytest
from statsmodels.stats.inter_rater import aggregate_raters, cohens_kappa, fleiss_kappa

from tests.text_labeler.audit.planted import VERDICT_OF_CALL
from tests.text_labeler.audit.sampled import make_plan, make_read, plant_table, read_items
from text_labeler.audit.agreement import measure_agreement, rate_agreement
from text_labeler.audit.kappa import (
    adjust_for_prevalence,
    weigh_agreement,
    weigh_cohen,
    weigh_fleiss,
    weigh_krippendorff,
)
from text_labeler.audit.planning import draw_items

ONCE = np.ones((1, 80))


def plant_ratings(raters=2, categories=3, agree=0.8, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.choice([0, 0, 0, 1, 1, categories - 1], 80)
    said = rng.integers(categories, size=(80, raters))
    return np.where(rng.random((80, raters)) < agree, truth[:, None], said)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_cohen_is_statsmodels(seed):
    ratings = plant_ratings(seed=seed)
    table = np.zeros((3, 3))
    np.add.at(table, tuple(ratings.T), 1)
    expected = cohens_kappa(table, return_results=False)
    assert weigh_cohen(ratings, 3, ONCE)[0] == pytest.approx(expected)
    weighted = cohens_kappa(table, weights=np.arange(3), wt="quadratic", return_results=False)
    assert weigh_cohen(ratings, 3, ONCE, is_ordinal=True)[0] == pytest.approx(weighted)


@pytest.mark.parametrize("raters", [2, 5])
def test_fleiss_is_statsmodels(raters):
    ratings = plant_ratings(raters)
    expected = fleiss_kappa(aggregate_raters(ratings)[0])
    assert weigh_fleiss(ratings, 3, ONCE)[0] == pytest.approx(expected)


@pytest.mark.parametrize("level", ["nominal", "ordinal"])
def test_krippendorff_is_krippendorffs_also_with_missing_ratings(level):
    ratings = plant_ratings(3)
    ratings[::4, 2] = ratings[1::9, 0] = -1
    ratings[5] = (-1, 1, -1)
    data = np.where(ratings < 0, np.nan, ratings.astype(float)).T
    expected = krippendorff.alpha(data, level_of_measurement=level, value_domain=[0, 1, 2])
    found = weigh_krippendorff(ratings, 3, ONCE, is_ordinal=level == "ordinal")[0]
    assert found == pytest.approx(expected)


def test_weights_are_repeated_items():
    ratings, weights = plant_ratings(), np.random.default_rng(1).integers(0, 4, (1, 80))
    repeated = np.repeat(ratings, weights[0], axis=0)
    once = np.ones((1, len(repeated)))
    for weigh in (weigh_cohen, weigh_fleiss, weigh_krippendorff):
        found = weigh(ratings, 3, weights.astype(float))
        assert found == pytest.approx(weigh(repeated, 3, once))


def test_pabak_is_two_agreed_less_one_of_two_categories():
    ratings = plant_ratings(categories=2)
    agreed = weigh_agreement(ratings, ONCE)
    assert agreed == pytest.approx((ratings[:, 0] == ratings[:, 1]).mean())
    assert adjust_for_prevalence(agreed, 2) == pytest.approx(2 * agreed - 1)


def rate(ratings, finding="Edema"):
    studies = [str(row) for row in range(len(ratings))]
    return rate_agreement(finding, ratings, studies, np.random.default_rng(0))


def test_every_coefficient_has_an_interval_and_n():
    found = rate(plant_ratings())
    assert found.items == 80
    assert len(found.values) == 4
    for one in (found.agreed, *found.values):
        assert one.lower < one.value < one.upper
    widths = [rate(plant_ratings()[:n]).values[0] for n in (20, 80)]
    assert widths[0].upper - widths[0].lower > widths[1].upper - widths[1].lower


def test_severity_is_ordinal_too():
    names = [one.name for one in rate(plant_ratings(categories=4), "edema_severity").values]
    assert names[-2:] == ["Cohen's kappa, quadratic weights", "Krippendorff's alpha, ordinal"]


def test_unanimous_readers_of_one_kind_are_explained():
    with warnings.catch_warnings(action="error"):
        found = rate(np.zeros((30, 2), dtype=int))
    cohen = found.values[0]
    assert cohen.value is None
    assert cohen.reason == "undefined: all readers say the same of all 30 items"
    assert found.agreed.value == 1
    assert 0.85 < found.agreed.lower < 0.95


def test_full_agreement_does_not_make_an_interval_of_no_width():
    found = rate(np.array([[0, 0]] * 20 + [[2, 2]] * 10))
    assert found.values[0].value == 1
    assert 0.5 < found.values[0].lower < 0.95


def test_too_few_of_a_kind_give_no_interval():
    found = rate(np.array([[0, 0]] * 29 + [[2, 2]])).values[0]
    assert (found.value, found.lower) == (1, None)
    assert "no interval" in found.reason


def test_only_items_planned_for_two_count_and_no_adjudication():
    table = plant_table()
    items = draw_items(make_plan(table), table)
    twice = [item for item in items if item.needed > 1]
    once = next(item for item in items if item.needed == 1)
    reads = read_items(items, lambda item: VERDICT_OF_CALL[item.call])
    assert measure_agreement("Edema", items, reads, 0) is None
    reads += read_items(twice, lambda item: VERDICT_OF_CALL[item.call], "bob", start=300)
    reads[300] = make_read(300, twice[0], "unclear", "bob")
    reads.append(make_read(900, once, "uncertain", "bob", purpose="conflict"))
    reads.append(make_read(901, twice[1], "uncertain", "cid", purpose="adjudication"))
    found = measure_agreement("Edema", items, reads, 0)
    assert (found.items, found.unclear, found.agreed.value) == (99, 1, 1)
