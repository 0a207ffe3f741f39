"""Scores as a figure: F1 of each finding with its interval, one panel for each aspect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from configs.files import write_atomically
from text_labeler.finding_intervals import FindingEstimate
from text_labeler.score_sheet import AspectScores, ScoreSheet
from text_labeler.scoring import ScoringError

ENDINGS = (".svg", ".png")
INK, QUIET_INK, GRID, BLUE, ORANGE = "#1F2933", "#5F6B76", "#E3E7EB", "#0072B2", "#D55E00"
TEXT_POINTS = 9
SMALL_POINTS = 7.5
ROW_INCHES = 0.27
PANEL_INCHES = 3.4
PNG_DOTS_PER_INCH = 144

Row = tuple[str, dict[str, FindingEstimate]]
"""The name of a finding, and its scores by aspect."""


def write_forest_plot(path: Path, sheet: ScoreSheet, *, alone: Sequence[str] = ()) -> None:
    """Draw F1 with its 95 % interval by finding, then micro and macro, as SVG or PNG, atomically.

    `alone`: the findings that the second micro and macro are over. The same scores give the same
    bytes. Raises ScoringError for another ending and for a sheet without findings.
    """
    check_figure_ending(path)
    if not sheet.aspects:
        raise ScoringError(f"{path}: the references score no finding; there is nothing to draw")
    rows, means = _list_rows(sheet, len(alone))
    places = [*range(len(rows)), *(len(rows) + 0.6 + place for place in range(len(means)))]
    height = ROW_INCHES * (len(places) + 1) + 0.9
    # Letters stay letters in an SVG, and its ids and date do not change from run to run.
    style = {"svg.fonttype": "none", "svg.hashsalt": "kerley", "font.size": TEXT_POINTS}
    with mpl.rc_context(style):
        width = 2.4 + PANEL_INCHES * len(sheet.aspects)
        figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        panels = figure.subplots(1, len(sheet.aspects), sharey=True, squeeze=False)[0]
        for panel, scores in zip(panels, sheet.aspects, strict=True):
            _draw(panel, scores, [*rows, *means], places)
        panels[0].set_yticks(places, [name for name, _ in (*rows, *means)])
        panels[0].set_ylim(places[-1] + 0.7, -0.7)
        if any(scores.alone for scores in sheet.aspects):
            note = wrap(f"The {len(alone)}: {', '.join(alone)}", int(width * 14))
            figure.supxlabel("\n".join(note), fontsize=SMALL_POINTS, color=QUIET_INK)
        with write_atomically(path) as temporary:
            kind = path.suffix.lower()[1:]
            metadata = {"Date": None} if kind == "svg" else {}
            figure.savefig(temporary, format=kind, dpi=PNG_DOTS_PER_INCH, metadata=metadata)


def check_figure_ending(path: Path) -> None:
    """Raise ScoringError for a path that ends neither in .svg nor in .png."""
    if path.suffix.lower() not in ENDINGS:
        raise ScoringError(f"{path}: expected a file that ends in {' or '.join(ENDINGS)}")


def _list_rows(sheet: ScoreSheet, alone: int) -> tuple[list[Row], list[Row]]:
    rows: dict[str, dict[str, FindingEstimate]] = {}
    means: dict[str, dict[str, FindingEstimate]] = {}
    for scores in sheet.aspects:
        for one in scores.findings[:-2]:
            if not math.isnan(one.f1.value):
                rows.setdefault(one.finding, {})[scores.aspect] = one
        for one in scores.findings[-2:]:
            means.setdefault(f"{one.finding}, all", {})[scores.aspect] = one
        for one in scores.alone:
            means.setdefault(f"{one.finding}, the {alone}", {})[scores.aspect] = one
    order = [one.finding for one in sheet.aspects[0].findings]
    return sorted(rows.items(), key=lambda row: order.index(row[0])), list(means.items())


def _draw(panel: Any, scores: AspectScores, rows: list[Row], places: list[float]) -> None:
    panel.set_title(f"F1, {scores.aspect}", loc="left", fontweight="bold", color=INK)
    for place, (name, by_aspect) in zip(places, rows, strict=True):
        one = by_aspect.get(scores.aspect)
        if one is None or math.isnan(one.f1.value):
            continue
        value, lower, upper = one.f1
        is_mean = name.startswith(("micro", "macro"))
        colour = ORANGE if is_mean else BLUE
        panel.plot([lower, upper], [place, place], color=colour, linewidth=1.6)
        panel.plot(
            [value], [place], "D" if is_mean else "o", color=colour, markersize=5, clip_on=False
        )
        support = "" if one.finding == "macro" else f"n {one.support}"
        panel.text(1.03, place, f"{value:.2f}", va="center", color=INK)
        panel.text(1.16, place, support, va="center", color=QUIET_INK)
    panel.set_xlim(0, 1.01)
    panel.set_xlabel(f"with 95 % interval, {scores.studies} studies", color=QUIET_INK)
    panel.grid(visible=True, axis="x", color=GRID, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(length=0, colors=INK)
    for side in ("top", "right", "left"):
        panel.spines[side].set_visible(False)
    panel.spines["bottom"].set_color(QUIET_INK)
