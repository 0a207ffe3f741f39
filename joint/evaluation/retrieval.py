"""Does an image find its report among all reports of the test set, and a report its image?"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from joint.evaluation.closeness import Closeness, closeness
from vision.intervals import Interval, bootstrap
from vision.weighted_metrics import ratio

CUTOFFS = (1, 5, 10)
QUERIES_AT_ONCE = 256

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class RetrievalError(ValueError):
    """Embeddings that cannot be compared; the message names the shapes."""


@dataclass(frozen=True)
class Retrieval:
    """R@k in one direction: the share of queries with a right answer among the first k.

    recall: by k, with the interval over patients (the candidates stay as they are; None where
    there is no query). chance: by k, what a random order of the same candidates reaches on
    average. median_rank: of the best right answer, 1 is best. shared: queries with more than
    one right answer, since other studies have a report of the same words.
    """

    direction: str
    recall: dict[int, Interval | None]
    chance: dict[int, float]
    median_rank: float
    queries: int
    shared: int


class StudyPlaces(NamedTuple):
    """Where images and reports of the same studies lie: [studies, width] each, row i of one study.

    groups: [studies], equal for reports of the same words. measure: of how close two rows are.
    """

    images: FloatArray
    reports: FloatArray
    groups: IntArray
    measure: Closeness = "product"


def measure_retrieval(
    places: StudyPlaces, patients: Sequence[Hashable], *, seed: int, resamples: int = 1000
) -> tuple[Retrieval, Retrieval]:
    """Measure image→report and report→image among studies that have both.

    Each report of a group is a right answer for each of its studies, since nothing tells them
    apart. patients: one id per study. Raises RetrievalError for shapes that do not fit.
    """
    images, reports, groups, measure = places
    if images.shape != reports.shape or not len(images) == len(groups) == len(patients):
        raise RetrievalError(
            f"images {images.shape}, reports {reports.shape}, {len(groups)} groups,"
            f" {len(patients)} patients; expected one row of each per study"
        )
    pairs = (("image → report", images, reports), ("report → image", reports, images))
    right = np.bincount(groups, minlength=1)[groups]
    found = []
    for direction, queries, candidates in pairs:
        ranks = rank_best(queries, candidates, groups, measure)
        recall = _recall_intervals(ranks, patients, seed, resamples)
        chance = {k: float(chance_recall(right, len(groups), k).mean()) for k in CUTOFFS}
        found.append(
            Retrieval(
                direction,
                recall,
                chance,
                float(np.median(ranks)) if len(ranks) else float("nan"),
                len(ranks),
                int((right > 1).sum()),
            )
        )
    return found[0], found[1]


def rank_best(
    queries: FloatArray, candidates: FloatArray, groups: IntArray, measure: Closeness = "product"
) -> IntArray:
    """Give the rank of the best right candidate of each query, [queries]; 1 is best.

    Candidate j is right for query i where their groups are equal. Wrong candidates that are as
    close as the best right one stand before it: a model that gives all the same embedding
    must not look perfect.
    """
    ranks = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), QUERIES_AT_ONCE):
        rows = slice(start, start + QUERIES_AT_ONCE)
        close = closeness(queries[rows], candidates, measure)
        is_right = groups[rows, None] == groups[None, :]
        best = np.where(is_right, close, -np.inf).max(axis=1, keepdims=True)
        ranks[rows] = 1 + ((close >= best) & ~is_right).sum(axis=1)
    return ranks


def chance_recall(right: IntArray, candidates: int, k: int) -> FloatArray:
    """Give the chance that k of `candidates` in random order hold one of `right`, per query.

    1 - C(N - c, k) / C(N, k), the hypergeometric chance of at least one.
    """
    drawn = np.arange(min(k, candidates))
    missed = np.clip(candidates - right[:, None] - drawn, 0, None) / (candidates - drawn)
    return np.asarray(1 - missed.prod(axis=1), np.float64)


def average_by_study(
    embeddings: FloatArray, studies: IntArray, count: int, *, unit_length: bool
) -> FloatArray:
    """Average the embeddings of each study's images: [images, width] to [count, width].

    studies: the study's number of each image. unit_length: scale the mean back to length one.
    """
    sums = np.zeros((count, embeddings.shape[1]))
    np.add.at(sums, studies, embeddings)
    mean = sums / np.maximum(np.bincount(studies, minlength=count), 1)[:, None]
    if not unit_length:
        return mean
    lengths = np.linalg.norm(mean, axis=1, keepdims=True)
    return np.asarray(mean / np.maximum(lengths, 1e-12), np.float64)


def _recall_intervals(
    ranks: IntArray, patients: Sequence[Hashable], seed: int, resamples: int
) -> dict[int, Interval | None]:
    def recall(weights: FloatArray) -> dict[str, FloatArray]:
        total = weights.sum(axis=1)
        return {str(k): ratio(weights @ (ranks <= k), total) for k in CUTOFFS}

    found = bootstrap(recall, patients, images=len(ranks), seed=seed, resamples=resamples)
    return {k: found[str(k)] for k in CUTOFFS}
