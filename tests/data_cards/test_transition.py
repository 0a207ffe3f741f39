"""The report→image transition: its object and its estimate."""

import json
import logging

import numpy as np
import pandas as pd
import pytest

from data_cards.consensus import Consensus, read_consensus
from data_cards.study import CorpusError
from data_cards.transition import TransitionError, read_transition, write_transition
from data_cards.transition_estimate import (
    EstimateSettings,
    estimate_transition,
    named_transition,
)
from tests.data_cards.planted_reads import SOURCE, TRUTH, plant


def bounds(cells):
    return np.array(cells.low), np.array(cells.values), np.array(cells.high)


def test_the_named_prior_gives_back_what_was_published() -> None:
    found = named_transition("mimic_edema").grade
    counts, said = np.array(found.counts), np.array(found.report_counts) / 6211
    assert counts.sum(axis=1).tolist() == [39, 36, 30, 36]
    assert np.trace(counts) / 141 == pytest.approx(0.433, abs=5e-4)
    assert np.tril(counts, -1).sum() / 141 == pytest.approx(0.418, abs=5e-4)
    assert np.triu(counts, 1).sum() / 141 == pytest.approx(0.149, abs=5e-4)
    per_report = np.diag(counts) / counts.sum(axis=1)
    assert said @ per_report == pytest.approx(0.502, abs=5e-4)
    published = [[0.64, 0.15, 0.15, 0.06], [0.32, 0.3, 0.3, 0.07], [0, 0.27, 0.58, 0.15]]
    published.append([0.14, 0.33, 0.22, 0.30])
    low, values, high = bounds(found.report_given_image)
    assert abs(values - published).max() < 0.03
    assert ((low <= published) & (published <= high)).all()


def test_an_unknown_prior_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TransitionError, match=r"'other'.*Known: mimic_edema"):
        named_transition("other")


def test_intervals_cover_the_planted_truth() -> None:
    covered = []
    for seed in range(60):
        found = estimate_transition(*plant(seed), SOURCE, settings=EstimateSettings(draws=400))
        low, _, high = bounds(found.grade.report_given_image)
        covered.append((low <= TRUTH) & (high >= TRUTH))
    assert np.mean(covered) >= 0.9
    assert np.mean(covered, axis=0).min() >= 0.75


def test_the_estimate_nears_the_truth_as_reads_grow() -> None:
    errors = []
    for reads in (35, 300, 2500):
        planted = plant(1, reads_per_grade=reads, studies=40_000)
        found = estimate_transition(*planted, SOURCE)
        errors.append(abs(found.grade.matrix - TRUTH).max())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.03


def test_a_set_stratified_by_report_grade_is_reweighted() -> None:
    labels, consensus = plant(0, reads_per_grade=300, studies=40_000)
    found = estimate_transition(labels, consensus, SOURCE).grade
    joint = np.array(found.counts).T
    unweighted = joint / joint.sum(axis=1, keepdims=True)
    assert abs(unweighted - TRUTH).max() > 3 * abs(found.matrix - TRUTH).max()


def test_images_of_one_patient_that_look_alike_widen_the_intervals() -> None:
    labels, alone = plant(0, reads_per_grade=42)
    frame = alone.frame.copy()
    said = frame.merge(labels, on="study_id")["edema_severity"]
    in_order = frame.assign(said=said).sort_values(["said", "severity"], kind="stable")
    grades, rank = in_order["said"].astype(str), in_order.groupby("said").cumcount() // 6
    in_order["cluster"] = grades + "-" + rank.astype(str)
    together = Consensus(in_order, (), True, "consensus.csv", "11")
    widths = []
    for consensus in (alone, together):
        found = estimate_transition(labels, consensus, SOURCE)
        low, _, high = bounds(found.grade.image_given_report)
        widths.append((high - low).mean())
    assert widths[1] > widths[0]


def test_one_image_per_patient_gives_the_dirichlet_posterior() -> None:
    labels, consensus = plant(0)
    settings = EstimateSettings(prior_strength=0, draws=20_000)
    found = estimate_transition(labels, consensus, SOURCE, settings=settings).grade
    low, values, high = bounds(found.image_given_report)
    from scipy.stats import beta

    counts = np.array(found.counts, float)
    shape = counts + 0.25
    rest = shape.sum(axis=1, keepdims=True) - shape
    np.testing.assert_allclose(values, shape / (shape + rest), atol=1e-9)
    seen = counts > 0
    np.testing.assert_allclose(low[seen], beta(shape, rest).ppf(0.025)[seen], atol=0.01)
    np.testing.assert_allclose(high, beta(shape, rest).ppf(0.975), atol=0.01)
    assert (low[~seen] == 0).all()


def test_the_prior_counts_as_its_pseudo_studies() -> None:
    labels, consensus = plant(0)
    strengths = (0, 2, 1e6)
    found = [
        estimate_transition(labels, consensus, SOURCE, settings=EstimateSettings(prior_strength=s))
        for s in strengths
    ]
    prior = np.array(named_transition("mimic_edema").grade.counts)
    whole = prior / prior.sum(axis=1, keepdims=True)
    gaps = [abs(np.array(t.grade.image_given_report.values) - whole).max() for t in found]
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 1e-3


def test_other_patients_change_what_a_report_says_of_its_image() -> None:
    grade = named_transition("mimic_edema").grade
    same = grade.invert(np.array(grade.image_prior))
    np.testing.assert_allclose(same, grade.image_given_report.values, atol=1e-9)
    sicker = grade.invert(np.array([0.1, 0.1, 0.2, 0.6]))
    assert sicker[3, 3] > same[3, 3]
    np.testing.assert_allclose(sicker.sum(axis=1), 1)


def test_too_few_matching_studies_are_refused() -> None:
    labels, consensus = plant(0)
    few = labels[labels["study_id"].isin(consensus.frame["study_id"].head(9))]
    with pytest.raises(TransitionError, match=r"9 of its 140 images match.*at least 30"):
        estimate_transition(few, consensus, SOURCE)


def test_a_report_grade_without_reads_is_noted_and_logged(caplog) -> None:
    labels, consensus = plant(0)
    third = labels["study_id"][labels["edema_severity"] == 3]
    frame = consensus.frame[~consensus.frame["study_id"].isin(third)]
    fewer = Consensus(frame, (), True, "consensus.csv", "11")
    with caplog.at_level(logging.WARNING):
        found = estimate_transition(labels, fewer, SOURCE)
    assert "report grade 3 has no consensus read" in found.notes[0]
    assert "report grade 3" in caplog.text


def test_findings_have_a_transition_of_their_own() -> None:
    labels, consensus = plant(0)
    generator = np.random.default_rng(0)
    labels["Edema"] = pd.array(generator.integers(0, 2, len(labels)), dtype="Int8")
    labels.loc[labels.index[5::50], "Edema"] = -1
    said = consensus.frame[["study_id"]].merge(labels, on="study_id")["Edema"]
    frame = consensus.frame.assign(Edema=said.where(said >= 0, 0).astype("Int8"))
    found = estimate_transition(labels, Consensus(frame, ("Edema",), True, "c.csv", "1"), SOURCE)
    counts = np.array(found.findings["Edema"].counts)
    assert counts.shape == (2, 2)
    assert counts.sum() == (said >= 0).sum()
    assert np.diag(found.findings["Edema"].matrix).min() > 0.95


def test_a_file_gives_back_the_same_object(tmp_path) -> None:
    found = estimate_transition(*plant(0), SOURCE)
    path = tmp_path / "transition.json"
    write_transition(path, found)
    assert read_transition(path) == found
    assert read_transition(path).content_hash == found.content_hash


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda value: value["grade"]["report_given_image"]["values"][0].append(0), "grade"),
        (lambda value: value.pop("source"), "source: Field required"),
        (
            lambda value: value["grade"]["report_given_image"]["values"][0].__setitem__(0, 0.99),
            "does not sum to 1",
        ),
    ],
)
def test_a_changed_file_is_refused(tmp_path, change, words) -> None:
    path = tmp_path / "transition.json"
    write_transition(path, named_transition("mimic_edema"))
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    with pytest.raises(TransitionError, match=words):
        read_transition(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("study_id,severity\ns1,4\n", "row 1 .*severity: not one of 0, 1, 2, 3"),
        ("study_id,grade\ns1,2\n", "expected rows with study_id and one of"),
        ("study_id,severity,patient_id\ns1,2,\n", "id is empty"),
        ("study_id,severity,Edema\ns1,2,yes\n", "Edema: not one of"),
    ],
)
def test_a_consensus_table_is_read_strictly(tmp_path, text, words) -> None:
    path = tmp_path / "consensus.csv"
    path.write_text(text)
    with pytest.raises(CorpusError, match=words):
        read_consensus(path)
