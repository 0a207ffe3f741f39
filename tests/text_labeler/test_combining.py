"""Many labelers' votes as one probability: what is fitted and what is implied."""

from __future__ import annotations

import numpy as np
import pytest

from data_cards.findings import PARENTS
from tests.text_labeler.planted_matrix import NOBODY, make_matrix, plant
from text_labeler.combining import (
    NO_MODEL,
    CombineError,
    CombineSettings,
    choose_codes,
    combine_votes,
)
from text_labeler.implications import PATHOLOGIES, imply_codes, imply_probabilities


def positive(values):
    """Probabilities [studies, 2] of these P(positive)."""
    values = np.array(values, dtype=float)
    return np.stack([1 - values, values], axis=1)


def unread(probabilities):
    return {name: np.full(len(values), NOBODY, np.int8) for name, values in probabilities.items()}


def test_each_column_has_its_own_model():
    truth, matrix = plant(0, columns=("Edema", "edema_severity"))
    combined = combine_votes(matrix, CombineSettings(implications=False))
    right = (combined.probabilities["edema_severity"].argmax(axis=1) == truth[1]).mean()
    assert right > (matrix.column("edema_severity")[:, 1] == truth[1]).mean()
    confusion = combined.fits["edema_severity"].parameters.confusion[0]
    assert confusion[1, 2] / confusion[1, 1] == pytest.approx(confusion[2, 3] / confusion[2, 2])
    assert combined.fits["Edema"].accuracies[0] == pytest.approx(0.95, abs=0.03)
    assert not combined.warnings


def test_where_nobody_votes_nothing_is_known():
    _, matrix = plant(1, columns=("Edema", "edema_severity"))
    matrix.votes[:, :3] = NOBODY
    reads = np.full(matrix.votes.shape[:2], NOBODY, np.int8)
    reads[0, 1] = 1
    combined = combine_votes(matrix, CombineSettings(implications=False), audited=reads)
    assert np.isnan(combined.probabilities["Edema"][:3, 1]).tolist() == [True, False, True]
    assert combined.codes["Edema"][:3].tolist() == [-1, 1, -1]
    assert np.isnan(combined.probabilities["edema_severity"][:3]).all()
    assert (combined.codes["edema_severity"][:3] == -1).all()


def test_silence_speaks_where_it_may_and_all_silent_is_still_nothing():
    """Labelers that are silent on most studies without the finding, and rarely with it."""
    truth, matrix = plant(12, accuracies=(0.8, 0.8, 0.8))
    drawn = np.random.default_rng(1).random((2000, 3))
    matrix.votes[0][drawn < np.where(truth[0] == 1, 0.1, 0.8)[:, None]] = NOBODY
    alone = (matrix.votes[0] == 1).any(axis=1) & ((matrix.votes[0] != NOBODY).sum(axis=1) == 1)
    silent = (matrix.votes[0] == NOBODY).all(axis=1)
    ignored = combine_votes(matrix).probabilities["Edema"]
    informative = combine_votes(matrix, CombineSettings(abstention="informative")).probabilities
    assert informative["Edema"][alone, 1].max() < ignored[alone, 1].min() - 0.2
    assert np.isnan(informative["Edema"][silent]).all()
    assert np.isnan(ignored[silent]).all()


def test_the_seed_is_that_of_the_starts():
    _, matrix = plant(13, 200)
    one, other = (
        combine_votes(matrix, CombineSettings(seed=seed)).fits["Edema"].convergence.starts
        for seed in (0, 1)
    )
    assert one[0] == other[0]  # majority vote
    assert one != other


def test_one_labeler_alone_has_no_model():
    _, matrix = plant(2, accuracies=(0.9, 0.8))
    matrix.votes[0, :, 1] = NOBODY
    matrix.votes[0, 0, 0] = -2
    combined = combine_votes(matrix)
    assert combined.warnings == (("Edema", NO_MODEL),)
    assert not combined.fits
    assert combined.probabilities["Edema"][0, 1] == 0.5
    assert combined.codes["Edema"].tolist() == matrix.votes[0, :, 0].tolist()
    grouped = CombineSettings(same_rules=(("labeler 0", "labeler 1"),))
    assert combine_votes(plant(2, accuracies=(0.9, 0.8))[1], grouped).warnings[0][1] == NO_MODEL


def test_audited_reads_teach_one_labeler():
    truth, matrix = plant(3, accuracies=(0.8,))
    reads = np.where(np.arange(2000) < 1000, truth, NOBODY).astype(np.int8)
    combined = combine_votes(matrix, audited=reads)
    assert (combined.codes["Edema"][:1000] == truth[0, :1000]).all()
    assert combined.fits["Edema"].accuracies[0] == pytest.approx(0.8, abs=0.04)


def test_labelers_of_the_same_rules_count_once():
    truth, matrix = plant(4)
    copied = make_matrix(
        ("Edema",), np.concatenate([matrix.votes, *[matrix.votes[:, :, 3:]] * 3], 2)
    )
    same = CombineSettings(same_rules=(tuple(f"labeler {n}" for n in range(3, 7)),))
    grouped, alone = combine_votes(copied, same), combine_votes(matrix)
    moved = np.abs(grouped.probabilities["Edema"] - alone.probabilities["Edema"])
    assert moved.max() < 0.02
    assert np.abs(combine_votes(copied).probabilities["Edema"] - truth.T).mean() > 2 * (
        np.abs(grouped.probabilities["Edema"][:, 1] - truth[0]).mean()
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"same_rules": (("labeler 0", "x"),)}, "no labeler 'x'; the labelers: labeler 0"),
        ({"same_rules": (("labeler 0",),)}, "one labeler is no group"),
        ({"same_rules": (("labeler 0", "labeler 1"), ("labeler 1", "labeler 2"))}, "twice"),
        ({"sure": 0.4}, "sure must be in 0.5..1"),
    ],
)
def test_refuses_settings_that_do_not_fit(settings, message):
    with pytest.raises(CombineError, match=message):
        combine_votes(plant(5, 10)[1], CombineSettings(**settings))


def test_an_even_chance_is_no_label():
    even = choose_codes(positive([0.5, 0.51, 0.49]), 0.5, votes=np.ones((3, 1), np.int8))
    assert even.tolist() == [-2, 1, 0]


@pytest.mark.parametrize(
    ("probabilities", "votes", "expected"),
    [
        (positive([0.9, 0.7, 0.6, 0.3, 0.1]), [1, 1, 1, 0, 0], [1, 1, -2, 0, 0]),
        (positive([0.9, 0.1, np.nan, 1, 0]), [-2, -2, -1, -2, -2], [-2, -2, -1, 1, 0]),
        (np.array([[0.1, 0.8, 0.1, 0], [0.5, 0.5, 0, 0]]), [1, 0], [1, -1]),
    ],
)
def test_a_code_is_the_class_that_is_probable_enough(probabilities, votes, expected):
    codes = choose_codes(probabilities, 0.7, votes=np.array(votes, np.int8)[:, None])
    assert codes.tolist() == expected


@pytest.mark.parametrize(("read", "code"), [(29, -2), (30, 0)])
def test_reads_of_a_labelers_uncertain_votes_make_them_a_label(read, code):
    truth, matrix = plant(11)
    matrix.votes[0, :200] = NOBODY
    matrix.votes[0, :200, 1] = -2
    truth[0, :200] = 0
    reads = np.where(np.arange(2000) < read, truth, NOBODY).astype(np.int8)
    assert (combine_votes(matrix, audited=reads).codes["Edema"][100:200] == code).all()


def test_a_graded_edema_is_an_edema():
    grade = np.array([[0.1, 0.5, 0.3, 0.1], [0.9, 0.1, 0, 0], [0.2, 0.8, 0, 0], [0.9, 0.1, 0, 0]])
    given = {"edema_severity": grade, "Edema": positive([0.2, 0.4, np.nan, np.nan])}
    edema = imply_probabilities(given, unread(given)).probabilities["Edema"]
    assert edema[:3, 1] == pytest.approx([0.9, 0.4, 0.8])
    assert np.isnan(edema[3]).all()


def test_a_label_is_also_its_parents():
    codes = {
        "edema_severity": np.array([1, 0, -1, 2], np.int8),
        "Edema": np.array([-2, -2, -2, 0], np.int8),
    }
    reads = unread(codes)
    reads["Edema"][3] = 0
    imply_codes(codes, reads)
    assert codes["Edema"].tolist() == [1, -2, -2, 0]


def test_reads_where_all_are_silent_do_not_make_a_finding_rare():
    """A labeler that speaks only of what it sees, and people who read every study."""
    truth = np.zeros((1, 1000), np.int8)
    truth[0, ::10] = 1
    votes = np.where(truth == 1, 1, NOBODY)[..., None]
    votes[0, 5::100] = 1
    reads = truth.copy()
    reads[0, 500:] = NOBODY
    edema = combine_votes(make_matrix(("Edema",), votes), audited=reads).probabilities["Edema"]
    spoken = edema[500:][votes[0, 500:, 0] == 1, 1]
    assert spoken == pytest.approx(10 / 11, abs=0.06)
    assert np.isnan(edema[500:][votes[0, 500:, 0] != 1, 1]).all()


@pytest.mark.parametrize(("child", "parent"), [pair for pair in PARENTS.items() if pair[1]])
def test_a_finding_is_also_its_parent(child, parent):
    given = {child: positive([0.8, 0.1, np.nan]), parent: positive([0.2, 0.4, 0.3])}
    agreed = imply_probabilities(given, unread(given)).probabilities
    assert agreed[parent][:, 1] == pytest.approx([0.8, 0.4, 0.3])
    assert (agreed[child][:2] == given[child][:2]).all()


@pytest.mark.parametrize("pathology", PATHOLOGIES)
def test_no_finding_is_not_beside_a_pathology(pathology):
    given = {"No Finding": positive([0.9, 0.9, np.nan]), pathology: positive([0.8, np.nan, 0.8])}
    normal = imply_probabilities(given, unread(given)).probabilities["No Finding"][:, 1]
    assert normal[:2] == pytest.approx([0.2, 0.9])
    assert np.isnan(normal[2])


def test_devices_are_beside_no_finding():
    given = {"No Finding": positive([0.9]), "Support Devices": positive([0.9])}
    assert imply_probabilities(given, unread(given)).probabilities["No Finding"][0, 1] == 0.9


def test_audited_reads_stay_and_exclude():
    given = {
        "No Finding": positive([0.9, 1, 0.1]),
        "Edema": positive([0, 0.7, 0.6]),
        "Vascular Congestion": positive([0.9, 0.9, np.nan]),
        "edema_severity": np.array([[0.1, 0.9, 0, 0]] * 3),
    }
    reads = unread(given)
    reads["Edema"][0], reads["No Finding"][1] = 0, 1
    agreed = imply_probabilities(given, reads)
    values = agreed.probabilities
    assert values["Edema"][:, 1] == pytest.approx([0, 0, 0.9])
    assert values["Vascular Congestion"][:2, 1] == pytest.approx([0, 0])
    assert values["edema_severity"][:, 0] == pytest.approx([1, 1, 0.1])
    assert values["No Finding"][:, 1] == pytest.approx([0.9, 1, 0.1])
    assert not agreed.contradictions


def test_reads_that_contradict_each_other_stay_and_are_counted():
    given = {
        "No Finding": positive([1, 1]),
        "Edema": positive([1, 0]),
        "edema_severity": np.array([[0, 1, 0, 0], [0, 0, 1, 0.0]]),
    }
    reads = {
        "No Finding": np.array([1, 1], np.int8),
        "Edema": np.array([1, 0], np.int8),
        "edema_severity": np.array([1, 2], np.int8),
    }
    agreed = imply_probabilities(given, reads)
    assert all((agreed.probabilities[name] == given[name]).all() for name in given)
    assert agreed.contradictions == (
        "1 audited reads of edema_severity though not of Edema",
        "1 audited reads of No Finding beside a pathology",
    )
