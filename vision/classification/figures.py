"""The figures of a classifier: its confusion matrices, and one ROC curve per class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_curve

from vision.classification.metrics import check_classes, count_confusion, name_class_metric
from vision.figure_style import QUIET_INK, new_figure, series_style, style_axes, style_legend
from vision.figures import confusion_matrices
from vision.intervals import Interval


def class_confusion(
    sets: Mapping[str, tuple[NDArray[np.int64], NDArray[np.float64]]], classes: Sequence[str]
) -> Figure:
    """Draw one confusion matrix per set of (labels [n], probabilities [n, k]), by its name."""
    matrices = {}
    for name, (labels, probabilities) in sets.items():
        ones = np.ones((1, len(labels)))
        (counts,) = count_confusion(labels, probabilities.argmax(axis=1), len(classes), ones)
        matrices[name] = counts
    figure = confusion_matrices(matrices, classes, predicted="predicted")
    for axes in figure.axes:
        axes.tick_params(axis="y", labelrotation=90)
        for label in axes.get_yticklabels():
            label.set_verticalalignment("center")
    return figure


def class_roc(
    labels: ArrayLike,
    probabilities: ArrayLike,
    classes: Sequence[str],
    intervals: Mapping[str, Interval | None],
) -> Figure:
    """Draw the ROC curve of each class against the others, its AUC in the legend.

    intervals: what `class_intervals` gave. A class without both sides has no curve.
    """
    p, y = check_classes(probabilities, labels, classes)
    figure = new_figure(4.6, 4.4)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=QUIET_INK, linewidth=0.8, zorder=0)
    for number, name in enumerate(classes):
        positive = y == number
        if positive.all() or not positive.any():
            continue
        false_rate, true_rate, _ = roc_curve(positive, p[:, number])
        interval = intervals.get(name_class_metric("auc", name))
        value = (
            f" {interval.value:.3f} [{interval.low:.2f}, {interval.high:.2f}]" if interval else ""
        )
        axes.plot(false_rate, true_rate, linewidth=1.7, label=name + value, **series_style(number))
    style_axes(axes, title="Each class against the others", x="1 − specificity", y="sensitivity")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    if len(axes.get_lines()) > 1:
        style_legend(axes, loc="lower right", title="AUC with 95 % interval", handlelength=2.2)
    else:
        axes.text(0.97, 0.03, "one class alone: no curve", ha="right", color=QUIET_INK)
    return figure
