"""The trust report: leaks, duplicates, groups and sources, each on images with a planted fault."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from joint.trust.duplicates import check_duplicates
from joint.trust.external import check_external
from joint.trust.groups import check_ages, check_groups, check_sources, measure_groups
from joint.trust.inputs import ExternalSet
from joint.trust.leaks import check_patients
from joint.trust.report import GROUPS_NAME, NEAR_NAME, REPORT_NAME, check_image_run
from joint.trust.severity_report import check_reports, strip_to_words
from tests.joint.trust_cases import IMAGES, look_at_lungs, make_inputs, stamp, with_model

LONG = f"Edema 12 hours after {' '.join(f'word{chr(97 + n)}' for n in range(26))}."
ALL = (
    "Patients apart",
    "Images apart",
    "Near duplicates",
    "Metadata alone",
    "Lungs blacked out, learned anew",
    "Lungs blacked out, this model",
    "Lungs alone, this model",
    "Subgroups",
    "Sources mixed",
    "One age group",
    "Images from elsewhere",
)


def copy_image(source, target, alter=lambda image: image):
    """Put an altered copy of one image in the place of another."""

    def change(images, labels):
        images[target] = alter(images[source])
        return images

    return change


def test_clean_images_pass_and_what_is_written_names_nobody(tmp_path):
    inputs = with_model(make_inputs(), look_at_lungs)
    checks = check_image_run(inputs, tmp_path)
    assert tuple(check.name for check in checks) == ALL
    assert {check.verdict for check in checks} == {"passed", "not checked"}
    written = (tmp_path / REPORT_NAME).read_text(encoding="utf-8")
    assert "| Patients apart | passed | 0 of 80 patients" in written
    said = written + "".join(check.found for check in checks)
    assert not any(f"{name}1" in said for name in ("p1", "s1", "/made", "images/"))
    assert (tmp_path / NEAR_NAME).read_text() == "group,path,split,class\n"


def test_a_marker_is_flagged_by_the_whole_report():
    checks = {check.name: check for check in check_image_run(make_inputs(pixels=stamp))}
    flagged = [name for name, check in checks.items() if check.verdict == "warning"]
    assert flagged == ["Lungs blacked out, learned anew"]


@pytest.mark.parametrize(
    ("alter", "verdicts"),
    [
        (lambda image: image, ("error", "warning")),
        (lambda image: image[:, ::-1], ("passed", "warning")),
        (lambda image: 255 - image, ("passed", "warning")),
        (lambda image: (255 * (image / 255) ** 0.7).astype(np.uint8), ("passed", "warning")),
        (np.rot90, ("passed", "passed")),
    ],
)
def test_a_copy_across_splits_is_an_error_and_an_altered_one_a_warning(alter, verdicts):
    exact, near, listed = check_duplicates(make_inputs(pixels=copy_image(3, IMAGES - 1, alter)))
    assert (exact.verdict, near.verdict) == verdicts
    if verdicts[1] == "warning":
        assert list(listed["path"]) == ["images/3.png", f"images/{IMAGES - 1}.png"]
        assert list(listed["split"]) == ["train", "test"]
        assert "2 in 1 groups" in near.found


def test_a_copy_within_a_split_is_no_leak():
    exact, near, listed = check_duplicates(make_inputs(pixels=copy_image(3, 4)))
    assert (exact.verdict, near.verdict, len(listed)) == ("passed", "passed", 0)
    assert near.found.endswith("1 groups in all")


def test_the_same_file_is_found_by_its_bytes():
    rows = make_inputs().rows
    rows.loc[IMAGES - 1, "sha256"] = rows.loc[0, "sha256"]
    exact, _, _ = check_duplicates(replace(make_inputs(), rows=rows))
    assert exact.verdict == "error"
    assert "2 are in more than one split byte for byte, 0 pixel for pixel" in exact.found


def test_a_patient_in_two_splits_is_an_error():
    rows = make_inputs().rows
    assert check_patients(rows).verdict == "passed"
    rows.loc[IMAGES - 1, "patient_id"] = "p0"
    assert check_patients(rows).found == "1 of 80 patients are in more than one split"
    assert check_patients(rows).verdict == "error"


def grade_women_alone(inputs):
    """Predictions that are right for one sex and drawn for the other."""
    generator = np.random.default_rng(3)
    rows = inputs.held_out
    right = inputs.rows["sex"].to_numpy()[rows] == "F"
    chance = np.where(right, inputs.labels[rows] * 0.8 + 0.1, generator.random(len(rows)))
    return replace(inputs, probabilities=np.stack([1 - chance, chance], axis=1))


def test_a_group_that_the_model_fails_is_named():
    def rows(labels):
        sexes = np.where(np.arange(IMAGES) // 2 % 2, "F", "M")
        return {"split": "test", "sex": sexes}

    inputs = grade_women_alone(make_inputs(rows=rows))
    groups = measure_groups(inputs)
    assert [(group.attribute, group.value, group.images) for group in groups] == [
        ("sex", "F", 80),
        ("sex", "M", 80),
    ]
    women, men = groups
    assert women.rates["sensitivity"].value == women.rates["specificity"].value == 1
    assert men.rates["sensitivity"].low < men.rates["sensitivity"].value < 0.8
    assert check_groups(inputs, groups).verdict == "passed", "fewer than 50 are positive"
    large = [replace(group, positives=50) for group in groups]
    check = check_groups(inputs, large)
    assert check.verdict == "warning"
    assert "sex: lower for M than for F" in check.found


def test_small_groups_do_not_show_their_number(tmp_path):
    def rows(labels):
        return {"sex": np.where(np.arange(IMAGES) < IMAGES - 3, "F", "M")}

    check_image_run(with_model(make_inputs(rows=rows), look_at_lungs), tmp_path)
    table = pd.read_csv(tmp_path / GROUPS_NAME)
    assert list(table["images"]) == ["57", "under 30"]


@pytest.mark.parametrize(
    ("sources", "verdict", "found"),
    [
        (lambda labels: "made", "not checked", "one source"),
        (lambda labels: np.where(np.arange(IMAGES) % 3, "A", "B"), "passed", "several of 2"),
        (lambda labels: np.where(labels, "A", "B"), "warning", "class ill comes from A alone"),
        (
            lambda labels: np.where(labels, np.where(np.arange(IMAGES) % 2, "A", "B"), "C"),
            "warning",
            "class ill comes from sources of its own (",
        ),
    ],
)
def test_a_class_of_one_source_is_named(sources, verdict, found):
    check = check_sources(make_inputs(rows=lambda labels: {"source": sources(labels)}))
    assert check.verdict == verdict
    assert found in check.found


@pytest.mark.parametrize(
    ("ages", "verdict", "found"),
    [
        (np.where(np.arange(IMAGES) % 2, 4, 60), "warning", "80 of 160 images are of children"),
        (np.full(IMAGES, 4), "passed", "(clear 100%, ill 100%)"),
        (np.full(IMAGES, np.nan), "not checked", "no age of 160 images"),
    ],
)
def test_children_among_adults_are_warned_of(ages, verdict, found):
    check = check_ages(make_inputs(rows=lambda labels: {"age": ages}))
    assert check.verdict == verdict
    assert found in check.found


@pytest.mark.parametrize(
    ("sharpness", "verdict", "loss"), [(0.0, "warning", "+0."), (1.0, "passed", "loss of -0.")]
)
def test_the_gap_to_images_from_elsewhere_is_given(sharpness, verdict, loss):
    inputs = with_model(make_inputs(), look_at_lungs)
    generator = np.random.default_rng(5)
    labels = generator.integers(0, 2, 200)
    chance = sharpness * labels * 0.9 + 0.1 * generator.random(200)
    other = ExternalSet(
        "another clinic", labels, np.stack([1 - chance, chance], 1), [f"q{n}" for n in range(200)]
    )
    check = check_external(replace(inputs, external=other))
    assert check.verdict == verdict
    assert "on another clinic" in check.found
    assert loss in check.found
    assert check_external(inputs).verdict == "not checked"


def test_reports_are_the_same_but_for_case_numbers_and_punctuation():
    assert strip_to_words("Heart: 5.2 cm, NORMAL.\n") == "heart cm normal"
    studies = pd.DataFrame(
        {
            "split": ["train", "train", "test", "test", "test"],
            "text": ["Clear lungs.", LONG, "CLEAR LUNGS, 12", LONG.replace("12", "twelve"), None],
        }
    )
    check = check_reports(studies)
    assert check.verdict == "warning"
    assert check.found.startswith("2 of 2 test reports are nearly in training too (80% of")
    assert "1 of them the same" in check.found
    assert check_reports(studies[studies["split"] == "train"]).verdict == "passed"


def test_files_elsewhere_are_named_by_their_last_part():
    inputs = make_inputs(pixels=copy_image(3, IMAGES - 1))
    _, _, listed = check_duplicates(replace(inputs, root=Path("/elsewhere")))
    assert list(listed["path"]) == ["3.png", f"{IMAGES - 1}.png"]
