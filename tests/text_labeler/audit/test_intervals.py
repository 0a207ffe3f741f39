"""Bounds and exact posteriors against tables, brute force and simulation."""

import itertools

import numpy as np
import pytest
from scipy import stats

from benchmarks.audit_coverage import CORPORA, cover, peek
from text_labeler.audit.anytime import LIMIT, bound_share, bound_sum
from text_labeler.audit.intervals import (
    bound_always,
    bound_errors,
    count_clean_reads,
    count_reads_for_width,
    weigh_evidence,
    wilson,
)
from text_labeler.audit.measures import CalledTally, measure_finding
from text_labeler.audit.posterior import Tally, add_counts, find_share_quantile, infer_count

READ_OUT = [
    CalledTally(True, Tally(120, 60, 56)),
    CalledTally(True, Tally(60, 40, 28)),
    CalledTally(False, Tally(900, 80, 1)),
    CalledTally(False, Tally(150, 60, 6)),
    CalledTally(False, Tally(2621, 120, 0)),
]


@pytest.mark.parametrize(
    ("rate", "needed"),
    [
        (0.1, (29, 29, 28)),
        (0.05, (59, 58, 56)),
        (0.03, (99, 97, 91)),
        (0.02, (149, 144, 132)),
        (0.01, (299, 281, 238)),
        (0.005, (598, 531, 393)),
    ],
)
def test_clean_reads_that_prove_an_error_rate(rate, needed):
    assert tuple(count_clean_reads(rate, studies) for studies in (None, 4000, 1000)) == needed


@pytest.mark.parametrize(
    ("share", "needed"),
    [
        (0.5, (93, 381, 1064, 2398)),
        (0.8, (60, 245, 681, 1535)),
        (0.9, (34, 141, 384, 864)),
        (0.95, (24, 82, 208, 465)),
        (0.98, (16, 51, 108, 213)),
    ],
)
def test_reads_that_a_half_width_needs(share, needed):
    widths = (0.1, 0.05, 0.03, 0.02)
    assert tuple(count_reads_for_width(share, width) for width in widths) == needed


def test_wilson_is_scipys_and_knows_no_reads():
    for hits, reads in ((0, 7), (3, 50), (50, 50)):
        expected = stats.binomtest(hits, reads).proportion_ci(method="wilson")
        assert wilson(hits, reads) == pytest.approx((expected.low, expected.high))
    assert wilson(0, 0) == (0, 1)


def test_the_bound_of_errors_is_the_largest_number_that_the_reads_allow():
    bound = bound_errors(2, 50, 400)
    assert (
        stats.hypergeom.cdf(2, 400, bound, 50) > 0.05 >= stats.hypergeom.cdf(2, 400, bound + 1, 50)
    )


def test_the_worked_read_out_of_360_reads():
    measured = measure_finding(READ_OUT)
    shown = {
        name: tuple(round(end, 3) for end in (one.value, one.lower, one.upper))
        for name, one in measured.items()
        if one is not None
    }
    assert shown["precision"] == (0.856, 0.806, 0.889)
    assert shown["recall"] == (0.803, 0.622, 0.904)
    assert shown["error_rate"] == (0.017, 0.011, 0.031)
    assert shown["accuracy"] == (0.983, 0.969, 0.989)


def test_exact_quantiles_are_those_of_drawn_posteriors():
    rng = np.random.default_rng(0)
    found = missed = np.zeros(100_000)
    for is_called, (population, reads, hits) in READ_OUT:
        share = rng.beta(hits + 0.5, reads - hits + 0.5, 100_000)
        drawn = hits + rng.binomial(population - reads, share)
        found, missed = (found + drawn, missed) if is_called else (found, missed + drawn)
    counts = [
        add_counts(infer_count(cell.tally) for cell in READ_OUT if cell.is_called == one)
        for one in (True, False)
    ]
    for level in (0.025, 0.2, 0.5, 0.8, 0.975):
        assert find_share_quantile(*counts, level) == pytest.approx(
            np.quantile(found / (found + missed), level), abs=0.004
        )
        assert counts[1].find_quantile(level) == pytest.approx(np.quantile(missed, level), abs=1.5)


def test_what_is_wholly_read_is_exact():
    cells = [CalledTally(True, Tally(20, 20, 15)), CalledTally(False, Tally(80, 80, 5))]
    measured = measure_finding(cells)
    for name, truth in (("precision", 0.75), ("recall", 0.75), ("prevalence", 0.2)):
        one = measured[name]
        ends = (one.value, one.lower, one.upper, one.always_lower, one.always_upper)
        assert ends == pytest.approx([truth] * 5)


def test_measures_without_a_study_to_judge_by_are_not_defined():
    silent = [CalledTally(False, Tally(80, 30, 0))]
    measured = measure_finding(silent)
    assert measured["precision"] is None
    assert measured["recall"] is None
    assert measured["error_rate"].upper < 0.1


@pytest.mark.parametrize("corpus", list(CORPORA))
def test_intervals_hold_in_simulated_audits(corpus):
    covered = cover(CORPORA[corpus], 0, 400, seed=11)
    for measure, one in covered.items():
        assert one.inside >= 0.92
        assert one.break_promise(measure) <= 0.035


def test_an_auditor_who_looks_is_not_misled():
    strata = tuple(one._replace(reads=(20, 20)) for one in next(iter(CORPORA.values())))
    missed = peek(strata, 0, audits=40, every=4, seed=2)
    assert missed["any of both"] <= 0.05


def test_evidence_at_the_truth_does_not_grow_by_chance():
    population, hits, prior = 12, 5, (0.5, 0.5)
    # After 12 of 12 reads the prior has lost what it gave to all other numbers.
    for reads, lost in ((1, 0), (4, 0), (12, 0.9)):
        expected = 0.0
        for k in range(max(0, reads - population + hits), min(reads, hits) + 1):
            start, against = weigh_evidence(k, reads, population, prior)
            expected += stats.hypergeom.pmf(k, population, hits, reads) * np.exp(
                against[hits - start]
            )
        assert (expected == pytest.approx(1)) if not lost else (expected < 1 - lost)


def test_bounds_while_reading_are_those_of_the_prior_posterior_ratio():
    assert bound_always(3, 50, 1000) == (5, 228)
    assert bound_always(2, 9, 9) == (2, 2)


def test_reads_that_decide_an_error_rate_while_looking():
    rng = np.random.default_rng(4)
    stops = []
    for errors in (0, 10):
        found = []
        for _ in range(9):
            wrong = np.cumsum(rng.permutation(np.arange(1000) < errors))
            found.append(
                next(
                    n
                    for n in range(10, 1000, 10)
                    if bound_always(int(wrong[n - 1]), n, 1000)[1] <= 50
                )
            )
        stops.append(np.median(found))
    assert stops[0] == pytest.approx(150, abs=20)
    assert stops[1] == pytest.approx(230, abs=60)


def test_the_joint_bounds_are_those_of_every_combination():
    called = [Tally(6, 3, 2), Tally(5, 2, 1)]
    silent = [Tally(7, 4, 1), Tally(4, 1, 0)]
    sequences = []
    for population, reads, hits in (*called, *silent):
        start, against = weigh_evidence(hits, reads, population, (0.5, 0.5))
        sequences.append([(start + n, weight) for n, weight in enumerate(against)])
    kept = [
        [number for number, _ in combination]
        for combination in itertools.product(*sequences)
        if sum(weight for _, weight in combination) < LIMIT
    ]
    found = [a + b for a, b, _, _ in kept]
    assert bound_sum(called, silent) == (min(found), max(found))
    shares = [(a + b) / (a + b + c + d) for a, b, c, d in kept]
    assert bound_share(called, silent) == pytest.approx((min(shares), max(shares)))
