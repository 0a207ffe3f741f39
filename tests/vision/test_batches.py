"""Batches are a function of seed and epoch, hold what they declare, and leave no row out."""

from __future__ import annotations

import numpy as np
import pytest

from vision.batches import BatchSettings, plan_batches

LABELLED, UNLABELLED = np.arange(10), np.arange(10, 45)


def plan(share, size=8, epoch=0, seed=1):
    settings = BatchSettings(size=size, labelled_share=share)
    return plan_batches(LABELLED, UNLABELLED, settings, seed=seed, epoch=epoch)


def test_without_a_share_each_row_comes_once_and_the_last_batch_is_smaller():
    batches = plan(None)
    assert [len(rows) for rows in batches] == [8, 8, 8, 8, 8, 5]
    assert sorted(np.concatenate(batches)) == list(range(45))


@pytest.mark.parametrize(("share", "labelled"), [(0.25, 2), (0.5, 4), (0.01, 1), (0.99, 7)])
def test_each_batch_holds_the_declared_share_of_labelled_rows(share, labelled):
    batches = plan(share)
    assert {len(rows) for rows in batches} == {8}
    assert {int((rows < 10).sum()) for rows in batches} == {labelled}
    assert set(np.concatenate(batches)) == set(range(45))


def test_a_kind_that_runs_out_starts_over_and_goes_on_in_the_next_epoch():
    seen = np.concatenate([rows[:4] for epoch in range(10) for rows in plan(0.5, epoch=epoch)])
    assert np.ptp(np.bincount(seen, minlength=10)) <= 1


def test_few_labelled_rows_are_not_repeated_within_a_batch():
    settings = BatchSettings(size=16, labelled_share=0.75)
    batches = plan_batches(np.arange(3), UNLABELLED, settings, seed=0, epoch=0)
    assert all(len(set(rows)) == 16 for rows in batches[:1])
    assert all((rows < 3).sum() == 3 for rows in batches)


def test_the_plan_depends_on_seed_and_epoch_alone():
    first = np.concatenate(plan(0.5))
    assert (first == np.concatenate(plan(0.5))).all()
    assert (first != np.concatenate(plan(0.5, epoch=1))).any()
    assert (first != np.concatenate(plan(0.5, seed=2))).any()


def test_a_share_without_unlabelled_rows_deals_all_rows_alike():
    settings = BatchSettings(size=4, labelled_share=0.5)
    batches = plan_batches(LABELLED, UNLABELLED[:0], settings, seed=0, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(10))
