"""A transition as a heat map: both directions side by side, each cell with its interval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from configs.files import write_atomically
from data_cards.transition import Cells, FloatArray, ReportToImage, TransitionError

ENDINGS = (".svg", ".png")
INK, PAPER = "#1F2933", "white"
TEXT_POINTS = 9
SMALL_POINTS = 7.5
PANEL_INCHES = 3.4
PNG_DOTS_PER_INCH = 144


def write_heat_map(path: Path, transition: ReportToImage) -> None:
    """Draw the grade's P(report | image) and P(image | report) as SVG or PNG, atomically.

    Both panels have report grades across and image grades down, and one colour scale from 0 to
    1. The same transition gives the same bytes. Raises TransitionError for another ending.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise TransitionError(f"{path}: a figure ends in one of {', '.join(ENDINGS)}")
    grade = transition.grade
    # Letters stay letters in an SVG, and its ids and date do not change from run to run.
    style = {"svg.fonttype": "none", "svg.hashsalt": "kerley", "font.size": TEXT_POINTS}
    with mpl.rc_context(style):
        size = (2 * PANEL_INCHES, PANEL_INCHES + 0.4)
        figure = Figure(figsize=size, layout="constrained", facecolor=PAPER)
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        _draw(left, "P(report | image): rows sum to 1", *_parts(grade.report_given_image))
        turned = [part.T for part in _parts(grade.image_given_report)]
        _draw(right, "P(image | report): columns sum to 1", *turned)
        figure.supxlabel(
            f"{100 * transition.level:g} % intervals; {sum(map(sum, grade.counts))} images",
            fontsize=SMALL_POINTS,
            color=INK,
        )
        with write_atomically(path) as temporary:
            metadata = {"Date": None} if ending == ".svg" else {}
            figure.savefig(temporary, format=ending[1:], dpi=PNG_DOTS_PER_INCH, metadata=metadata)


def _parts(cells: Cells) -> list[FloatArray]:
    return [np.asarray(part) for part in (cells.values, cells.low, cells.high)]


def _draw(panel: Any, title: str, values: FloatArray, low: FloatArray, high: FloatArray) -> None:
    """Draw [image, report] matrices."""
    panel.imshow(values, cmap="Blues", vmin=0, vmax=1)
    for (image, report), value in np.ndenumerate(values):
        panel.text(
            report,
            image,
            f"{value:.2f}\n{low[image, report]:.2f}–{high[image, report]:.2f}",
            ha="center",
            va="center",
            color=PAPER if value > 0.5 else INK,
            fontsize=SMALL_POINTS,
        )
    panel.set_title(title, fontsize=TEXT_POINTS, color=INK)
    panel.set_xlabel("report grade")
    panel.set_ylabel("image grade")
    panel.set_xticks(range(len(values)))
    panel.set_yticks(range(len(values)))
