"""Figures of explanation checks: removal curves, and images with what is drawn and the heatmap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from vision.explained_cases import Example
from vision.explanation_checks import EXAMPLES, TargetChecks
from vision.figure_style import (
    INK,
    SERIES_COLOURS,
    TEXT_POINTS,
    new_figure,
    series_style,
    style_axes,
    style_legend,
)
from vision.removal_curves import RemovalCurves, curve_area

HEATMAP_OPACITY = 0.6
X_LABELS = {"deletion": "share of pixels replaced", "insertion": "share of pixels brought back"}


def draw_removal(checks: Sequence[TargetChecks]) -> Figure:
    """Draw the mean deletion and insertion curve of each target, with the area under each."""
    figure = new_figure(9.3, 2.7 * len(checks))
    grid = figure.subplots(len(checks), 2, sharey="row", squeeze=False)
    for row, one in zip(grid, checks, strict=True):
        for axes, kind in zip(row, RemovalCurves._fields, strict=True):
            for number, (name, curves) in enumerate(one.curves.items()):
                curve = getattr(curves, kind)
                label = f"{name} {curve_area(curve):.3f}"
                shares = np.linspace(0, 1, len(curve))
                axes.plot(shares, curve, linewidth=1.7, label=label, **series_style(number))
            y = "mean score" if kind == "deletion" else ""
            style_axes(axes, title=f"{one.target}: {kind}", x=X_LABELS[kind], y=y)
            style_legend(axes, loc="best")
    return figure


def draw_examples(checks: Sequence[TargetChecks]) -> Figure:
    """Draw six images per target: alone, and with the heatmap, its peak and the sign's outline."""
    figure = new_figure(1.55 * EXAMPLES + 0.3, 3.3 * len(checks))
    grid = figure.subplots(2 * len(checks), EXAMPLES, squeeze=False)
    for number, one in enumerate(checks):
        pair = grid[2 * number : 2 * number + 2]
        for column in range(EXAMPLES):
            for axes in pair[:, column]:
                axes.set_axis_off()
            if column < len(one.examples):
                _draw_example(pair[:, column], one.examples[column])
        pair[0, 0].set_title(
            one.target, fontsize=TEXT_POINTS, color=INK, loc="left", fontweight="bold"
        )
    return figure


def _draw_example(panels: Any, example: Example) -> None:
    for axes in panels:
        axes.imshow(example.image, cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
    axes, heat = panels[1], np.clip(example.heatmap, 0, 1)
    axes.imshow(heat, cmap="inferno", vmin=0, vmax=1, alpha=heat * HEATMAP_OPACITY)
    axes.contour(example.sign, levels=[0.5], colors=["#35C4F0"], linewidths=0.8)
    if heat.max() > 0:
        row, column = np.unravel_index(int(heat.argmax()), heat.shape)
        axes.plot(column, row, "+", color=SERIES_COLOURS[2], markersize=9, markeredgewidth=1.8)
