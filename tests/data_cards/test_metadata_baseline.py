"""What metadata alone tell of a class, and how sure that is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from data_cards.metadata_baseline import (
    MetadataBaseline,
    encode_metadata,
    measure_metadata,
    predict_apart,
)
from data_cards.patient_auc import AucInterval, measure_auc

IMAGES = 240
NUMBERS = {"seed": 0, "resamples": 100}


@pytest.fixture
def generator():
    return np.random.default_rng(0)


def make_patients(images=IMAGES):
    return [f"p{n // 2}" for n in range(images)]


def test_macro_auc_is_scikit_learns(generator):
    labels = generator.integers(0, 3, IMAGES)
    scores = generator.random((IMAGES, 3)).round(1) + np.eye(3)[labels] * 0.3
    found = measure_auc(scores, labels, make_patients(), **NUMBERS)
    slow = [roc_auc_score(labels == k, scores[:, k]) for k in range(3)]
    assert found.by_class == pytest.approx(slow)
    assert found.value == pytest.approx(np.mean(slow))
    assert found.low < found.value < found.high
    assert found.patients == IMAGES // 2


def test_what_tells_strata_apart_counts_for_nothing_within_them(generator):
    views = generator.random(IMAGES) < 0.5
    labels = (generator.random(IMAGES) < np.where(views, 0.8, 0.2)).astype(int)
    scores = np.stack([~views, views], axis=1).astype(float)
    patients = make_patients()
    assert measure_auc(scores, labels, patients, **NUMBERS).value > 0.7
    within = measure_auc(scores, labels, patients, strata=list(views), **NUMBERS)
    assert within.value == within.low == within.high == 0.5


def test_an_auc_without_one_class_is_not_given():
    assert measure_auc(np.ones((4, 2)), np.zeros(4, int), list("abcd"), **NUMBERS) is None


@pytest.mark.parametrize(
    ("column", "is_suspect"),
    [("source", True), ("pattern", True), ("noise", False)],
)
def test_a_label_that_metadata_give_away_is_suspect(generator, column, is_suspect):
    labels = generator.integers(0, 2, IMAGES)
    noise = generator.normal(size=IMAGES)
    table = {
        "source": pd.Series(np.where(labels, "clinic", "hospital")),
        # Neither large nor small, so that only boosting sees it.
        "pattern": pd.Series(np.where(labels, noise.clip(-0.3, 0.3), np.sign(noise))),
        "noise": pd.Series(noise),
    }
    found = measure_metadata(
        pd.DataFrame({column: table[column]}), labels, make_patients(), **NUMBERS
    )
    assert found.is_suspect() is is_suspect
    assert found.columns == (column,)


def test_metadata_are_held_against_the_model(generator):
    labels = generator.integers(0, 2, IMAGES)
    table = pd.DataFrame({"age": labels * 0.3 + generator.normal(size=IMAGES)})
    found = measure_metadata(table, labels, make_patients(), **NUMBERS)
    assert 0.52 < found.auc.value < 0.7
    assert not found.is_suspect(0.9)
    assert found.is_suspect(found.auc.value + 0.04)


@pytest.mark.parametrize(
    ("auc", "low", "of_model", "is_suspect"),
    [
        (0.52, 0.47, 0.50, False),  # neither metadata nor the model tell anything
        (0.58, 0.53, 0.60, True),
        (0.58, 0.53, 0.70, False),
        (0.71, 0.60, 0.95, True),
    ],
)
def test_metadata_are_close_to_a_model_only_where_they_tell_something(
    auc, low, of_model, is_suspect
):
    measured = AucInterval(auc, low, 2 * auc - low, 100, 100, (auc,))
    assert MetadataBaseline(measured, "logistic regression", ("age",)).is_suspect(of_model) is (
        is_suspect
    )


def test_patients_are_kept_together(generator):
    """A number that only names the patient says nothing of another patient's class."""
    owner = np.repeat(np.arange(60), 4)
    labels = generator.integers(0, 2, 60)[owner]
    values = np.eye(60)[owner]
    scores = predict_apart(values, labels, [str(number) for number in owner], seed=0)
    assert abs(measure_auc(scores, labels, list(owner), **NUMBERS).value - 0.5) < 0.15


def test_missing_values_and_rare_words_are_encoded():
    table = pd.DataFrame(
        {
            "age": [30.0, np.nan, 50.0, 40.0],
            "view": ["AP", None, "PA", "AP"],
            "device": [f"made by {letter}" for letter in "abcd"],
            "same": "x",
        }
    )
    values = encode_metadata(table)
    assert values.shape == (4, 1 + 1 + 3 + 4)
    assert not np.isnan(values).any()


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 0, 0, 1]])
def test_too_few_patients_of_a_class_give_no_baseline(labels):
    table = pd.DataFrame({"age": [1.0, 2.0, 3.0, 4.0]})
    assert measure_metadata(table, np.array(labels), list("abcd"), **NUMBERS) is None


def test_metadata_that_never_vary_give_no_baseline():
    table = pd.DataFrame({"age": [1.0] * 8, "view": [None] * 8})
    assert measure_metadata(table, np.arange(8) % 2, list("abcdefgh"), **NUMBERS) is None
