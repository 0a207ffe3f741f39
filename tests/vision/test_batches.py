"""Batches are a function of seed and epoch, hold what they declare, and leave no row out."""

from __future__ import annotations

import numpy as np
import pytest

from vision.batches import BatchSettings, Sources, plan_batches

LABELLED, UNLABELLED, NONE = np.arange(10), np.arange(10, 45), np.arange(0)


def plan(share, size=8, epoch=0, seed=1):
    settings = BatchSettings(size=size, labelled_share=share)
    return plan_batches(Sources(LABELLED, NONE, UNLABELLED), settings, seed=seed, epoch=epoch)


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
    batches = plan_batches(Sources(np.arange(3), NONE, UNLABELLED), settings, seed=0, epoch=0)
    assert all(len(set(rows)) == 16 for rows in batches[:1])
    assert all((rows < 3).sum() == 3 for rows in batches)


def test_the_plan_depends_on_seed_and_epoch_alone():
    first = np.concatenate(plan(0.5))
    assert (first == np.concatenate(plan(0.5))).all()
    assert (first != np.concatenate(plan(0.5, epoch=1))).any()
    assert (first != np.concatenate(plan(0.5, seed=2))).any()


def test_a_share_without_unlabelled_rows_deals_all_rows_alike():
    settings = BatchSettings(size=4, labelled_share=0.5)
    batches = plan_batches(Sources(LABELLED, NONE, NONE), settings, seed=0, epoch=0)
    assert sorted(np.concatenate(batches)) == list(range(10))


@pytest.mark.parametrize(
    ("size", "shares", "expected"),
    [
        (8, (0.25, 0.25), (2, 2, 4)),
        (8, (0.5, 0.25), (4, 2, 2)),
        (3, (0.9, 0.05), (1, 1, 1)),
        (64, (0.25, 0.25), (10, 6, 48)),  # never a row twice where there are few
        (512, (0.25, 0.25), (10, 6, 184)),
    ],
)
def test_three_sources_have_the_declared_shares(size, shares, expected):
    settings = BatchSettings(size=size, labelled_share=shares[0], image_only_share=shares[1])
    sources = Sources(np.arange(10), np.arange(10, 16), np.arange(16, 200))
    batches = plan_batches(sources, settings, seed=0, epoch=0)
    for rows in batches:
        counts = np.histogram(rows, [0, 10, 16, 200])[0]
        assert tuple(counts) == expected
    assert set(np.concatenate(batches)) == set(range(200))


def test_without_unlabelled_pairs_labels_alone_fill_the_batch():
    settings = BatchSettings(size=8, labelled_share=0.25, image_only_share=0.25)
    batches = plan_batches(Sources(LABELLED, UNLABELLED, NONE), settings, seed=0, epoch=0)
    assert {int((rows < 10).sum()) for rows in batches} == {2}
    assert {len(rows) for rows in batches} == {8}


@pytest.mark.parametrize("share", [None, 0.25])
def test_a_length_window_puts_like_lengths_together_and_leaves_no_row_out(share):
    lengths = np.random.default_rng(0).integers(10, 200, 800)
    sources = Sources(np.arange(200), NONE, np.arange(200, 800))
    spread = {}
    for window in (1, 10):
        settings = BatchSettings(size=16, labelled_share=share, length_window=window)
        batches = plan_batches(sources, settings, seed=0, epoch=0, lengths=lengths)
        assert {len(rows) for rows in batches} == {16}
        assert set(np.concatenate(batches)) == set(range(800))
        longest = np.array([lengths[rows].max() for rows in batches])
        spread[window] = longest.sum() * 16 / sum(lengths[rows].sum() for rows in batches)
        assert np.abs(np.corrcoef(longest, np.arange(len(longest)))[0, 1]) < 0.5
    assert spread[10] < 1.25
    assert spread[1] > 1.6


@pytest.mark.parametrize("window", [2, 8, 64])
def test_few_labelled_rows_are_not_repeated_within_a_batch_of_like_length(window):
    lengths = np.random.default_rng(0).integers(10, 200, 2000)
    sources = Sources(np.arange(64), NONE, np.arange(64, 2000))
    settings = BatchSettings(size=64, labelled_share=0.25, length_window=window)
    batches = plan_batches(sources, settings, seed=0, epoch=0, lengths=lengths)
    assert {len(set(rows)) for rows in batches} == {64}
    assert {int((rows < 64).sum()) for rows in batches} == {16}
    assert np.ptp(np.bincount(np.concatenate(batches), minlength=2000)[:64]) <= 1


def test_a_window_of_one_leaves_the_order_as_it_was_drawn():
    sources, settings = Sources(LABELLED, NONE, UNLABELLED), BatchSettings(size=8)
    drawn = plan_batches(sources, settings, seed=0, epoch=0)
    lengths = np.arange(45)[::-1].copy()
    assert np.array_equal(
        np.concatenate(plan_batches(sources, settings, seed=0, epoch=0, lengths=lengths)),
        np.concatenate(drawn),
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"image_only_share": 0.5},
        {"image_only_share": 0.5, "labelled_share": 0.5},
        {"size": 2, "image_only_share": 0.2, "labelled_share": 0.5},
        {"size": 1, "labelled_share": 0.5},
    ],
)
def test_shares_that_leave_no_room_are_refused(wrong):
    with pytest.raises(ValueError, match=r"share|size"):
        BatchSettings(**wrong)
