"""One record and its figures, with the same numbers in both."""

import json

import numpy as np
import pytest

from vision.conformal import fit_conformal_sets
from vision.evaluation import GradedImages, evaluate_graded, write_evaluation
from vision.evaluation_figures import coverage_chart, interval_chart, risk_coverage_chart
from vision.figure_numbers import figure_numbers, save_figure
from vision.figures import confusion_matrices, roc_per_threshold
from vision.intervals import Interval
from vision.metrics import MetricsError, severity_metrics
from vision.risk_limits import select_risk_threshold


def draw_graded(seed=0, images=200):
    generator = np.random.default_rng(seed)
    levels = generator.integers(0, 4, images)
    probabilities = 0.6 * generator.dirichlet(np.ones(4), images) + 0.4 * np.eye(4)[levels]
    labels = np.where(generator.random(images) < 0.3, np.nan, levels > 1)
    scores = np.clip(0.5 * (levels > 1) + 0.5 * generator.random(images), 0, 1)
    return GradedImages(
        probabilities,
        levels,
        np.repeat(np.arange(images // 2), 2).tolist(),
        findings={"Edema": (scores, labels), "Fracture": (scores, np.full(images, np.nan))},
        groups={"view": ["AP"] * (images // 2) + ["PA"] * (images // 2)},
    )


def evaluate(images):
    trusted = draw_graded(seed=1)
    sets = fit_conformal_sets(trusted.probabilities[::2], trusted.levels[::2])
    threshold = select_risk_threshold(
        trusted.probabilities[::2], trusted.levels[::2], target_risk=0.3
    )
    record = evaluate_graded(images, seed=0, resamples=60, sets=sets, threshold=threshold)
    return record, threshold


def test_the_record_is_json_and_its_figures_show_its_numbers(tmp_path):
    images = draw_graded()
    record, threshold = evaluate(images)
    before = images.probabilities**2
    arms = {"before": before / before.sum(axis=1, keepdims=True), "after": images.probabilities}
    names = write_evaluation(tmp_path, record, arms, images.levels, threshold=threshold)
    assert json.loads((tmp_path / "evaluation.json").read_text()) == record
    expected = {f"{name}.{suffix}" for name in names for suffix in ("svg", "png", "json")}
    assert {path.name for path in tmp_path.iterdir()} == expected | {"evaluation.json"}
    pairs = json.loads((tmp_path / "auc_pairs.json").read_text())["panels"][0]
    (series,) = pairs["series"]
    assert pairs["y_ticks"][0] == "grades 0v1"
    for name, x, low in zip(("auc_0v1", "auc_0v2"), series["x"], series["low"], strict=False):
        assert (x, low) == pytest.approx(
            (record["severity"][name]["value"], record["severity"][name]["low"]), abs=1e-6
        )
    coverage = json.loads((tmp_path / "coverage.json").read_text())["panels"][0]["series"][0]
    assert coverage["x"] == pytest.approx([row["coverage"] for row in record["coverage"]], abs=1e-6)


def test_the_record_counts_images_patients_and_what_was_held_back():
    record, threshold = evaluate(draw_graded())
    assert (record["images"], record["patients"]) == (200, 100)
    assert record["risk_threshold"]["graded_here"] < 1
    assert record["risk_threshold"]["least_confidence"] == threshold.least_confidence
    assert record["findings"]["Fracture"]["auc"] == {"value": None, "low": None, "high": None}
    assert np.sum(record["confusion"]) == 200
    assert {row["value"] for row in record["coverage"] if row["group"] == "view"} == {"AP", "PA"}


def test_an_evaluation_of_one_grade_leaves_out_what_it_does_not_define(tmp_path):
    images = GradedImages(np.full((30, 4), 0.25), np.zeros(30, int), list(range(30)))
    record = evaluate_graded(images, seed=0, resamples=20)
    assert "coverage" not in record
    names = write_evaluation(tmp_path, record, {"model": images.probabilities}, images.levels)
    assert names == ["confusion", "reliability", "roc", "risk_coverage"]


def test_the_numbers_of_a_figure_are_what_it_draws(tmp_path):
    matrix = np.zeros((4, 4))
    matrix[0, 0], matrix[0, 1] = 3, 1
    panel = figure_numbers(confusion_matrices({"joint": matrix}))["panels"][0]
    assert panel["cells"][0] == [0.75, 0.25, 0, 0]
    assert panel["texts"][:2] == ["3\n75%", "1\n25%"]
    levels = np.tile([0, 1, 2], 10)
    figure = roc_per_threshold({"joint": np.eye(4)[levels]}, levels)
    panels = figure_numbers(figure)["panels"]
    assert [panel["title"] for panel in panels] == ["Grade 1 or higher", "Grade 2 or higher"]
    assert panels[0]["series"][0]["y"][-1] == 1
    save_figure(figure, tmp_path, "roc")
    assert json.loads((tmp_path / "roc.json").read_text())["panels"] == panels


def test_interval_chart_leaves_undefined_values_out_and_draws_biased_ones():
    arms = {"a": {"x": Interval(0.05, 0.1, 0.2, 9, 9), "y": None}, "b": {"y": None, "x": None}}
    (series, _) = figure_numbers(interval_chart(arms, {"x": "X", "y": "Y"}, x="ECE"))["panels"][0][
        "series"
    ]
    assert (series["x"], series["low"], series["high"]) == ([0.05], [0.05], [0.2])
    with pytest.raises(MetricsError, match="none of the values"):
        interval_chart({"a": {"x": None}}, {"x": "X"}, x="AUC")


def test_risk_chart_has_the_area_and_the_threshold():
    images = draw_graded()
    area = severity_metrics(images.probabilities, images.levels)["aurc"]
    threshold = select_risk_threshold(images.probabilities, images.levels, target_risk=0.3)
    figure = risk_coverage_chart(
        {"joint": images.probabilities}, images.levels, threshold=threshold
    )
    assert figure_numbers(figure)["panels"][0]["series"][0]["label"] == f"joint (AURC {area:.3f})"
    guides = [line for line in figure.axes[0].lines if str(line.get_label()).startswith("_")]
    assert guides[0].get_ydata()[0] == 0.3


def test_coverage_chart_names_its_groups():
    row = {"coverage": 0.8, "low": 0.7, "high": 0.9, "patients": 50, "mean_size": 1.5}
    rows = [{"group": "all", "value": "all"} | row, {"group": "view", "value": "AP"} | row]
    figure = coverage_chart(rows, wanted=0.9)
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["all", "view AP"]
    assert figure.axes[0].texts[0].get_text() == "50 patients, 1.5 grades"


def test_risk_chart_counts_errors_as_its_threshold_does():
    images = draw_graded()
    lenient = select_risk_threshold(
        images.probabilities, images.levels, target_risk=0.3, tolerance=1
    )
    figure = risk_coverage_chart({"joint": images.probabilities}, images.levels, threshold=lenient)
    panel = figure_numbers(figure)["panels"][0]
    off = np.abs(images.probabilities.argmax(axis=1) - images.levels) > 1
    assert panel["y"] == "share of grades off by more than 1"
    assert panel["series"][0]["y"][-1] == pytest.approx(off.mean(), abs=1e-6)
