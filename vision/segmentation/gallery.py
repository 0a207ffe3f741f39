"""Figures of a segmenter: cases from worst to best, and how its metrics spread over images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vision.figure_style import (
    INK,
    QUIET_INK,
    SERIES_COLOURS,
    SMALL_TEXT_POINTS,
    TEXT_POINTS,
    new_figure,
    style_axes,
)
from vision.segmentation.mask_files import INSIDE, UNKNOWN
from vision.segmentation.overlay import draw_overlay

MISSED, EXTRA, SHARED = (213, 94, 0), (0, 114, 178), (150, 158, 166)
"""Orange and blue are told apart with any colour vision (Okabe and Ito 2008)."""
COLUMNS = ("X-ray", "true mask", "predicted", "difference")
CASES_EACH = 2


class Case(NamedTuple):
    """One image: pixels uint8 [h, w], truth of OUTSIDE, INSIDE, UNKNOWN, predicted bool, its Dice.

    group: such as "worst"; it is all that the figure says of whose image it is.
    """

    pixels: NDArray[np.uint8]
    truth: NDArray[np.uint8]
    predicted: NDArray[np.bool_]
    dice: float
    group: str


def choose_cases(dice: NDArray[np.float64], *, each: int = CASES_EACH) -> dict[str, list[int]]:
    """Give the rows of the worst, the most ordinary and the best images, none of them twice."""
    order = np.argsort(dice, kind="stable")
    count = len(order)
    each = max(1, min(each, count // 3))
    start = (count - each) // 2
    picked = {
        "worst": order[:each],
        "median": order[start : start + each],
        "best": order[::-1][:each],
    }
    seen: set[int] = set()
    rows: dict[str, list[int]] = {}
    for group, chosen in picked.items():
        rows[group] = [int(row) for row in chosen if int(row) not in seen]
        seen |= set(rows[group])
    return rows


def gallery(cases: Sequence[Case]) -> Figure:
    """Draw each case as X-ray, truth, prediction and difference, side by side."""
    figure = new_figure(1.95 * len(COLUMNS), 1.84 * max(1, len(cases)) + 0.55)
    grid = figure.subplots(max(1, len(cases)), len(COLUMNS), squeeze=False)
    for row, case in enumerate(cases):
        grey = _stretch(case.pixels)
        panels = (
            np.repeat(grey[..., np.newaxis], 3, axis=2),
            draw_overlay(grey, case.truth == INSIDE),
            draw_overlay(grey, case.predicted),
            draw_difference(case),
        )
        for column, panel in enumerate(panels):
            axes = grid[row, column]
            axes.imshow(panel, interpolation="antialiased")
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set_visible(False)
            if row == 0:
                axes.set_title(COLUMNS[column], fontsize=TEXT_POINTS, color=INK, pad=6)
        grid[row, 0].set_ylabel(
            f"{case.group}\nDice {case.dice:.3f}", fontsize=SMALL_TEXT_POINTS, color=INK
        )
    _explain_colours(figure)
    return figure


def draw_difference(case: Case) -> NDArray[np.uint8]:
    """Colour what was missed, what was drawn beside the truth, and what both hold, [h, w, 3]."""
    inside, known = case.truth == INSIDE, case.truth != UNKNOWN
    drawn = np.repeat((case.pixels // 3)[..., np.newaxis], 3, axis=2)
    drawn[inside & case.predicted] = drawn[inside & case.predicted] // 2 + np.array(SHARED) // 2
    drawn[inside & ~case.predicted] = MISSED
    drawn[~inside & case.predicted & known] = EXTRA
    return drawn.astype(np.uint8)


def describe_gallery(cases: Sequence[Case]) -> str:
    """Say in words what the gallery shows, for readers who cannot see it."""
    return "; ".join(f"{case.group}: Dice {case.dice:.3f}" for case in cases) + "."


def dice_spread(by_group: Mapping[str, NDArray[np.float64]]) -> Figure:
    """Draw the Dice of every image of each group as dots in a row, its mean as a line."""
    figure = new_figure(6.2, 0.55 * len(by_group) + 1.1)
    axes: Any = figure.subplots()
    for number, dice in enumerate(by_group.values()):
        place = len(by_group) - 1 - number
        colour = SERIES_COLOURS[number % len(SERIES_COLOURS)]
        ranks = np.argsort(np.argsort(dice, kind="stable"), kind="stable")
        # Spread without random numbers: neighbours in Dice get different heights.
        height = place + 0.5 * ((ranks * 0.618) % 1 - 0.5)
        axes.plot(dice, height, "o", color=colour, alpha=0.55, markersize=4, markeredgewidth=0)
        axes.plot([dice.mean()] * 2, [place - 0.36, place + 0.36], color=INK, linewidth=1.6)
        axes.annotate(
            f"{dice.mean():.3f}",
            (dice.mean(), place + 0.4),
            ha="center",
            va="bottom",
            fontsize=SMALL_TEXT_POINTS,
            color=QUIET_INK,
        )
    style_axes(axes, x="Dice of each image (line: mean)", grid="x")
    axes.set_yticks(range(len(by_group)), list(by_group)[::-1])
    axes.set_ylim(-0.6, len(by_group) - 0.2)
    axes.set_xlim(right=1.0)
    return figure


def _stretch(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Give [0, 1] between the picture's own dark and bright ends, so that dim films can be seen."""
    low, high = np.percentile(pixels, (1, 99))
    stretched = (pixels.astype(np.float32) - low) / max(float(high - low), 1.0)
    return np.asarray(np.clip(stretched, 0, 1), np.float32)


def _explain_colours(figure: Figure) -> None:
    figure.supxlabel(
        "difference: grey in both · orange missed · blue drawn beside the true mask",
        fontsize=SMALL_TEXT_POINTS,
        color=QUIET_INK,
    )
