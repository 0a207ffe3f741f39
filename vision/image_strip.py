"""A strip of graded X-rays: the image, where the model looked, and what it said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from data_cards.findings import SEVERITY_LEVELS
from vision.figure_style import (
    GRID,
    INK,
    QUIET_INK,
    SERIES_COLOURS,
    SMALL_TEXT_POINTS,
    new_figure,
)

RIGHT_COLOUR, WRONG_COLOUR = SERIES_COLOURS[0], SERIES_COLOURS[1]
IMAGES_PER_ROW = 6
HEATMAP_OPACITY = 0.6


class GradedImage(NamedTuple):
    """One X-ray of the strip.

    image: [h, w] in [0, 1], bright = dense; probabilities: [4]; heatmap: [h, w] in [0, 1] or
    None; true_severity: None where nobody knows it; note: a short line below, such as the
    reason of an abstention.
    """

    image: np.ndarray
    probabilities: Sequence[float]
    true_severity: int | None = None
    heatmap: np.ndarray | None = None
    note: str = ""

    @property
    def severity(self) -> int:
        """The most probable grade."""
        return int(np.argmax(self.probabilities))


def image_strip(graded: Sequence[GradedImage]) -> Figure:
    """Draw each X-ray alone, with its heatmap, and over its four grade probabilities.

    Up to six a row. The title says the grade and the true one, blue with ✓ where they are the
    same, orange with ✗ where not.
    """
    per_row = min(IMAGES_PER_ROW, max(1, len(graded)))
    rows = -(-len(graded) // per_row)
    figure = new_figure(1.55 * per_row + 0.1, 4.35 * max(1, rows))
    grid = figure.subplots(
        3 * rows, per_row, squeeze=False, height_ratios=(1, 1, 0.62) * rows
    ).reshape(rows, 3, per_row)
    for place in range(rows * per_row):
        panels = grid[place // per_row, :, place % per_row]
        if place < len(graded):
            _draw_graded(panels, graded[place])
        else:
            for axes in panels:
                axes.remove()
    return figure


def describe_strip(graded: Sequence[GradedImage]) -> str:
    """Say in words what the strip shows, for readers who cannot see it."""
    parts = []
    for number, item in enumerate(graded, start=1):
        truth = "" if item.true_severity is None else f", true grade {item.true_severity}"
        certainty = max(item.probabilities)
        parts.append(f"X-ray {number}: graded {item.severity} ({certainty:.0%}){truth}")
    return "; ".join(parts) + "."


def _draw_graded(panels: Any, item: GradedImage) -> None:
    for axes in panels[:2]:
        axes.imshow(item.image, cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
        axes.set_axis_off()
    if item.heatmap is None:
        panels[1].set_visible(False)
    else:
        heat = np.clip(item.heatmap, 0, 1)
        panels[1].imshow(heat, cmap="inferno", vmin=0, vmax=1, alpha=heat * HEATMAP_OPACITY)
    title, colour = f"graded {item.severity}", INK
    if item.true_severity is not None:
        right = item.severity == item.true_severity
        title += f" · true {item.true_severity} {'✓' if right else '✗'}"
        colour = RIGHT_COLOUR if right else WRONG_COLOUR
    panels[0].set_title(title, fontsize=SMALL_TEXT_POINTS, color=colour, fontweight="bold", pad=4)
    _draw_bars(panels[2], item)


def _draw_bars(axes: Any, item: GradedImage) -> None:
    levels = np.arange(SEVERITY_LEVELS)
    colours = [RIGHT_COLOUR if level == item.severity else "#B6C2CC" for level in levels]
    bars = axes.bar(levels, item.probabilities, 0.82, color=colours)
    axes.bar_label(bars, fmt="{:.2f}", fontsize=7, color=QUIET_INK, padding=1)
    if item.true_severity is not None:
        axes.plot(item.true_severity, -0.02, marker="^", color=INK, markersize=5, clip_on=False)
    axes.set(ylim=(0, 1.18), xlim=(-0.6, SEVERITY_LEVELS - 0.4), yticks=[])
    axes.set_xticks(levels)
    axes.tick_params(labelsize=SMALL_TEXT_POINTS, colors=QUIET_INK, length=0, pad=5)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(GRID)
    if item.note:
        axes.set_xlabel(item.note, fontsize=8, color=QUIET_INK)
