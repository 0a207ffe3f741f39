from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from data_cards.splits import assign_splits, check_splits, find_shared_patients
from data_cards.study import CorpusError, Listing, list_studies


def make_listing(patients: Sequence[str], splits: Sequence[str | None] = ()) -> Listing:
    splits = splits or [None] * len(patients)
    rows = [
        {
            "corpus": "made",
            "study_id": str(n),
            "patient_id": patient,
            "images": [],
            "split": split,
        }
        for n, (patient, split) in enumerate(zip(patients, splits, strict=True))
    ]
    return list_studies("made", Path(), rows)


def many(sizes: Sequence[int]) -> list[str]:
    return [f"p{n}" for n, size in enumerate(sizes) for _ in range(size)]


def split_by_study(listing: Listing, seed: int = 0, **fractions: float) -> dict[str, str]:
    dataset = assign_splits(listing, seed=seed, **fractions)
    return dict(zip(dataset["study_id"][:], dataset["split"][:], strict=True))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("sizes", "within"),
    [([1] * 1000, 0.001), ([1, 2, 3] * 40, 0.01), ([7, 5, 1, 1, 1, 1] * 5, 0.04), ([1] * 20, 0.03)],
)
def test_fractions_are_met_and_no_patient_is_shared(seed, sizes, within):
    listing = make_listing(many(sizes))
    dataset = assign_splits(listing, seed=seed)
    counts = Counter(dataset["split"][:])
    assert counts["test"] / len(dataset) == pytest.approx(0.2, abs=within)
    assert counts["validate"] / len(dataset) == pytest.approx(0.15, abs=within)
    assert not find_shared_patients(dataset)
    check_splits(dataset)


def test_the_seed_alone_decides():
    listing = make_listing(many([1, 2] * 30))
    assert split_by_study(listing, seed=1) == split_by_study(listing, seed=1)
    assert split_by_study(listing, seed=1) != split_by_study(listing, seed=2)


def test_the_order_of_the_rows_does_not_matter():
    listing = make_listing(many([1, 2, 3] * 10))
    order = list(range(len(listing.studies)))[::-1]
    turned = Listing("made", Path(), listing.studies.select(order))
    assert split_by_study(listing) == split_by_study(turned)


def test_everything_but_the_split_stays():
    listing = make_listing(many([1] * 10))
    dataset = assign_splits(listing.studies, seed=0)
    assert dataset.features == listing.studies.features
    assert dataset.remove_columns("split").to_list() == (
        listing.studies.remove_columns("split").to_list()
    )


def test_an_official_split_stays():
    official = ["train", "validate", "test", "test"]
    assert list(split_by_study(make_listing(many([1] * 4), official)).values()) == official


def test_a_missing_part_is_carved_from_the_training_patients():
    official = ["train"] * 60 + ["test"] * 40
    found = split_by_study(make_listing(many([2] * 50), official))
    assert [split == "test" for split in found.values()] == [split == "test" for split in official]
    # 15% of 60 studies are 9, and patients have two studies each.
    assert Counter(found.values()) == {"train": 52, "validate": 8, "test": 40}


def test_a_study_outside_of_the_official_split_joins_its_patient():
    listing = make_listing(["a", "a", "b", "c", "d", "e"], ["test", None, "train", *[None] * 3])
    found = split_by_study(listing)
    assert found["0"] == found["1"] == "test"
    assert Counter(found.values())["validate"] == 1


def test_a_part_nobody_asked_for_stays_empty():
    found = split_by_study(make_listing(many([1] * 10)), validate=0.0)
    assert Counter(found.values()) == {"train": 8, "test": 2}


def test_three_patients_are_enough_for_three_parts():
    found = split_by_study(make_listing(many([5, 9, 2])))
    assert set(found.values()) == {"train", "validate", "test"}


@pytest.mark.parametrize(
    ("patients", "splits", "fractions", "expected"),
    [
        (["a", "a"], ["train", "test"], {}, "1 patients are in more than one part of the official"),
        (["a", "b"], (), {}, "2 patients cannot be split into train, test, validate"),
        (["a", "b", "c"], (), {"test": 0.9}, "expected at least 0, together below 1"),
        (["a", "b", "c"], (), {"test": -0.1}, "expected at least 0, together below 1"),
    ],
)
def test_what_cannot_be_split_is_refused(patients, splits, fractions, expected):
    with pytest.raises(CorpusError, match=expected):
        assign_splits(make_listing(patients, splits), seed=0, **fractions)


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (["train", "test"], "1 patients are in more than one split"),
        (["train", None], "1 studies are in no split"),
    ],
)
def test_a_leak_is_an_error_that_names_no_patient(splits, expected):
    listing = make_listing(["secret-id", "secret-id"], splits)
    with pytest.raises(CorpusError, match=expected) as caught:
        check_splits(listing.studies)
    assert "secret" not in str(caught.value)
