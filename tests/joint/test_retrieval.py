"""Retrieval against a slow reference: one loop per query, one over the candidates."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from joint.evaluation.retrieval import (
    RetrievalError,
    StudyPlaces,
    average_by_study,
    chance_recall,
    measure_retrieval,
    rank_best,
)

GROUPS = np.array([0, 1, 1, 2, 3, 3, 3])
PATIENTS = ["a", "a", "b", "c", "d", "e", "e"]


def draw(seed, *, studies=7, width=4):
    generator = np.random.default_rng(seed)
    return generator.normal(size=(2, studies, width)).round(1)


def slow_rank(query, candidates, right, far=lambda one, other: -(one @ other)):
    """Walk through the candidates from the closest on, wrong ones first among equals."""
    order = sorted(range(len(candidates)), key=lambda j: (far(query, candidates[j]), right[j]))
    return next(rank for rank, j in enumerate(order, start=1) if right[j])


@pytest.mark.parametrize("seed", range(20))
def test_ranks_are_those_of_a_walk_through_the_candidates(seed):
    images, reports = draw(seed)
    expected = [slow_rank(image, reports, GROUPS[i] == GROUPS) for i, image in enumerate(images)]
    assert rank_best(images, reports, GROUPS).tolist() == expected


@pytest.mark.parametrize("seed", range(5))
def test_a_run_trained_on_distances_is_ranked_by_distances(seed):
    images, reports = draw(seed)
    expected = [
        slow_rank(image, reports, GROUPS[i] == GROUPS, far=math.dist)
        for i, image in enumerate(images)
    ]
    assert rank_best(images, reports, GROUPS, "distance").tolist() == expected
    assert expected != rank_best(images, reports, GROUPS, "product").tolist()


def test_equal_reports_are_right_answers_and_equal_embeddings_no_free_ones():
    places = np.eye(4)[[0, 1, 1, 2, 3, 3, 3]]
    assert rank_best(places, places, GROUPS).tolist() == [1] * 7
    alone = np.arange(7)
    assert rank_best(places, places, alone).tolist() == [1, 2, 2, 1, 3, 3, 3]
    assert rank_best(np.ones((7, 2)), np.ones((7, 2)), alone).tolist() == [7] * 7


def test_recall_counts_queries_and_chance_counts_every_draw():
    images, reports = draw(3)
    places = StudyPlaces(images, reports, GROUPS)
    forth, back = measure_retrieval(places, PATIENTS, seed=0, resamples=50)
    ranks = [slow_rank(image, reports, GROUPS[i] == GROUPS) for i, image in enumerate(images)]
    for k in (1, 5, 10):
        assert forth.recall[k].value == np.mean([rank <= k for rank in ranks])
        assert forth.recall[k].low <= forth.recall[k].value <= forth.recall[k].high
        assert forth.recall[k].clusters == 5
    assert (forth.queries, forth.shared, forth.median_rank) == (7, 5, np.median(ranks))
    assert back.direction == "report → image"
    draws = list(combinations(range(7), 5))
    hit = [np.mean([bool({*d} & {*np.flatnonzero(g == GROUPS)}) for d in draws]) for g in GROUPS]
    assert forth.chance[5] == pytest.approx(np.mean(hit))


@pytest.mark.parametrize(
    ("right", "candidates", "k", "chance"),
    [(1, 10, 1, 0.1), (1, 10, 5, 0.5), (2, 4, 2, 5 / 6), (3, 4, 2, 1.0), (1, 3, 10, 1.0)],
)
def test_chance_of_a_random_order(right, candidates, k, chance):
    assert chance_recall(np.array([right]), candidates, k) == pytest.approx([chance])


def test_a_study_is_the_mean_of_its_images():
    places = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    mean = average_by_study(places, np.array([0, 0, 1]), 2, unit_length=False)
    assert mean.tolist() == [[0.5, 0.5], [0.0, 2.0]]
    unit = average_by_study(places, np.array([0, 0, 1]), 2, unit_length=True)
    assert np.linalg.norm(unit, axis=1) == pytest.approx([1, 1])


def test_other_numbers_of_rows_are_refused():
    images, reports = draw(0)
    with pytest.raises(RetrievalError, match=r"images \(7, 4\), reports \(6, 4\)"):
        measure_retrieval(StudyPlaces(images, reports[:6], GROUPS), PATIENTS, seed=0)
