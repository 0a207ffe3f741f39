"""Figures draw the numbers they were given, and become the same bytes every time."""

import base64
import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from vision.figure_style import figure_to_png, figure_to_svg
from vision.figures import (
    confusion_matrices,
    difference_forest,
    loss_curves,
    reliability_diagram,
    roc_per_threshold,
    severity_distribution,
)
from vision.image_strip import GradedImage, describe_strip, image_strip
from vision.intervals import Interval
from vision.metrics import MetricsError

LEVELS = np.tile([0, 1, 2, 3], 25)


def make_probabilities(sharpness=0.4):
    generator = np.random.default_rng(0)
    noise = generator.dirichlet(np.ones(4), len(LEVELS))
    return (1 - sharpness) * noise + sharpness * np.eye(4)[LEVELS]


def texts_of(axes):
    return [text.get_text() for text in axes.texts]


def legend_of(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_loss_curves_have_a_panel_per_loss_and_kind_and_a_line_per_run_that_has_it():
    joint = [
        {"kind": "train", "step": s, "loss": 1 / s, "loss_contrastive": 2 / s, "gradient_norm": 1}
        for s in range(1, 11)
    ]
    control = [{"kind": "train", "step": s, "loss": 3 / s} for s in range(1, 101)]
    control += [{"kind": "validate", "step": 100, "loss_severity": 0.5, "score": None}]
    figure = loss_curves({"joint": joint, "image-only": control})
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert list(panels) == [
        "total loss, training",
        "contrastive loss, training",
        "severity loss, validation",
    ]
    lines = panels["contrastive loss, training"].get_lines()
    assert [line.get_label() for line in lines] == ["joint"]
    assert lines[0].get_ydata() == pytest.approx([2 / s for s in range(1, 11)])
    raw, mean = [
        line for line in panels["total loss, training"].get_lines() if line.get_label() != "joint"
    ]
    assert raw.get_ydata()[:2] == pytest.approx([3, 1.5])
    assert mean.get_ydata()[0] == pytest.approx((3 + 1.5 + 1 + 0.75) / 4)


def test_loss_curves_without_a_loss_are_refused():
    with pytest.raises(MetricsError, match="quantities"):
        loss_curves({"joint": [{"kind": "train", "step": 1, "accuracy": 0.5}]})


def test_confusion_matrices_show_counts_and_shares_of_the_reference():
    matrix = np.zeros((4, 4))
    matrix[0, 0], matrix[0, 1], matrix[2, 2] = 3, 1, 5
    figure = confusion_matrices({"joint": matrix, "image-only": matrix.T})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["joint", "image-only"]
    assert texts_of(figure.axes[0])[:2] == ["3\n75%", "1\n25%"]
    assert texts_of(figure.axes[1])[:5:4] == ["3\n100%", "1\n100%"]
    assert texts_of(figure.axes[0])[4] == "0\n0%"
    assert figure.axes[0].texts[1].get_position() == (1, 0)


def test_reliability_points_are_the_observed_shares_and_small_bins_are_left_out():
    probabilities = np.array([[0.25, 0.75, 0, 0]] * 8 + [[1, 0, 0, 0]] * 4)
    levels = [1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    figure = reliability_diagram({"before": probabilities, "after": probabilities}, levels)
    line = figure.axes[0].containers[0].lines[0]
    assert line.get_xydata() == pytest.approx(np.array([[0.75, 0.75]]))
    assert [len(axes.containers) for axes in figure.axes[:3]] == [2, 2, 2]
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == ["before (ECE 0.000)", "after (ECE 0.000)"]
    counts = figure.axes[3].patches[0].get_data().values
    assert counts.tolist() == [4, 0, 0, 0, 0, 0, 0, 8, 0, 0]


def test_roc_legend_has_the_auc_and_its_interval_and_a_missing_grade_an_empty_panel():
    levels = np.minimum(LEVELS, 2)
    intervals = {"joint": {"auc_0v123": Interval(0.9, 0.81, 0.97, 100, 50), "auc_01v23": None}}
    figure = roc_per_threshold({"joint": np.eye(4)[levels]}, levels, intervals)
    assert legend_of(figure.axes[0]) == ["joint 1.000 [0.81, 0.97]"]
    assert legend_of(figure.axes[1]) == ["joint 1.000"]
    assert figure.axes[2].get_legend() is None


@pytest.mark.parametrize(
    ("levels", "ticks", "shares"),
    [([0, 0, 1, 3], 4, [0.5, 0.25, 0, 0.25]), ([0, None, None, 2], 5, [0.25, 0, 0.25, 0, 0.5])],
)
def test_grade_shares_count_what_is_not_stated(levels, ticks, shares):
    axes = severity_distribution({"mined": levels}).axes[0]
    assert len(axes.get_xticks()) == ticks
    assert [bar.get_height() for bar in axes.patches] == pytest.approx(shares)


def test_forest_draws_intervals_and_leaves_undefined_ones_out():
    gains = {"auc_0v123": Interval(0.05, 0.01, 0.1, 10, 5), "auc_012v3": None}
    axes = difference_forest({"joint − image-only": gains}, list(gains)).axes[0]
    line, _, (bars,) = axes.containers[0].lines
    assert line.get_xydata().tolist() == [[0.05, 0.0]]
    assert bars.get_segments()[0][:, 0] == pytest.approx([0.01, 0.1])


def make_graded(images):
    pixels = np.linspace(0, 1, 64).reshape(8, 8)
    probabilities = (0.1, 0.6, 0.2, 0.1)
    return [GradedImage(pixels, probabilities, number % 2, pixels) for number in range(images)]


def test_strip_says_the_grade_and_whether_it_is_right():
    figure = image_strip(make_graded(2))
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["graded 1 · true 0 ✗", "graded 1 · true 1 ✓"]
    assert [bar.get_height() for bar in figure.axes[4].patches] == [0.1, 0.6, 0.2, 0.1]
    assert describe_strip(make_graded(1)) == "X-ray 1: graded 1 (60%), true grade 0."


def test_strip_of_unknown_truth_without_heatmap_and_over_two_rows():
    graded = [item._replace(true_severity=None, heatmap=None) for item in make_graded(8)]
    figure = image_strip(graded)
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == ["graded 1"] * 8
    assert len(figure.axes) == 8 * 3


def test_figures_become_the_same_bytes_every_time():
    def draw():
        return reliability_diagram({"joint": make_probabilities()}, LEVELS)

    svg, png = figure_to_svg(draw()), figure_to_png(draw())
    assert (svg, png) == (figure_to_svg(draw()), figure_to_png(draw()))
    head, _, body = svg.partition(",")
    assert head == "data:image/svg+xml;base64"
    assert ET.fromstring(base64.b64decode(body)).tag.endswith("svg")
    image = Image.open(io.BytesIO(base64.b64decode(png.partition(",")[2])))
    assert image.width > 1000
