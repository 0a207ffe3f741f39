"""An analysis of labelers as one HTML page: counts only, and it asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import math
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from configs.files import write_text
from text_labeler.analysis_report import (
    CONTRADICTED,
    SAME_RULES,
    describe_dependence,
    number_labelers,
    sum_up_pairs,
)
from text_labeler.labeler_analysis import LabelerAnalysis, LabelerRow
from text_labeler.page_templates import open_templates
from text_labeler.score_report import format_estimate, format_number

TITLE = "What the labelers are like"
ROW_PIXELS = 22
NAMES_PIXELS = 204
PLOT_PIXELS = 230
PANEL_PIXELS = NAMES_PIXELS + PLOT_PIXELS + 16
HEAD_PIXELS = 8
FOOT_PIXELS = 26


class Mark(NamedTuple):
    """One column of a labeler in its panel, in pixels; None for what is not known."""

    column: str
    y: float
    estimated: float | None
    measured: float | None
    lower: float
    upper: float
    title: str
    is_contradicted: bool


class Panel(NamedTuple):
    """The accuracies of one labeler: `ticks` are places and names along the axis."""

    number: int
    labeler: str
    marks: tuple[Mark, ...]
    ticks: tuple[tuple[float, str], ...]
    height: int


def write_analysis_page(path: Path, analysis: LabelerAnalysis, *, title: str = TITLE) -> None:
    """Write the page atomically."""
    write_text(path, make_analysis_page(analysis, title=title))


def make_analysis_page(analysis: LabelerAnalysis, *, title: str = TITLE) -> str:
    """Return the page; its script only sorts tables, and its policy lets a browser load nothing."""
    environment = open_templates()
    environment.filters["number"] = format_number
    environment.filters["estimate"] = format_estimate
    environment.filters["is_known"] = lambda value: not math.isnan(value)
    script = environment.get_template("analysis_page.js.j2").render()
    return environment.get_template("analysis_page.html.j2").render(
        title=title,
        analysis=analysis,
        rows=[row for row in analysis.rows if row.coverage],
        numbers=number_labelers(analysis),
        pairs=sum_up_pairs(analysis),
        cells={(pair.column, pair.first, pair.second): pair for pair in analysis.pairs},
        compared=dict.fromkeys(pair.column for pair in analysis.pairs if pair.both),
        panels=_make_panels(analysis),
        panel_width=PANEL_PIXELS,
        names_width=NAMES_PIXELS,
        classes=max((len(row.votes) for row in analysis.rows), default=2),
        has_uncertain=any(row.uncertain for row in analysis.rows),
        describe_dependence=describe_dependence,
        same_rules=SAME_RULES,
        contradicted=CONTRADICTED,
        script=Markup(script),  # noqa: S704
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _make_panels(analysis: LabelerAnalysis) -> list[Panel]:
    """Return a panel for each labeler of which an accuracy is known, all on one axis."""
    shown = [row for row in analysis.rows if _list_values(row)]
    start = min((math.floor(min(_list_values(row)) * 10) / 10 for row in shown), default=0.0)
    start = min(start, 0.9)
    numbers = number_labelers(analysis)
    panels = []
    for labeler in analysis.labelers:
        own = [row for row in shown if row.labeler == labeler]
        if own:
            marks = tuple(_make_mark(row, place, start) for place, row in enumerate(own))
            height = HEAD_PIXELS + ROW_PIXELS * len(own) + FOOT_PIXELS
            panels.append(Panel(numbers[labeler], labeler, marks, _list_ticks(start), height))
    return panels


def _list_values(row: LabelerRow) -> list[float]:
    known = (row.estimated_accuracy, row.empirical_accuracy.lower)
    return [value for value in known if not math.isnan(value)]


def _list_ticks(start: float) -> tuple[tuple[float, str], ...]:
    step = 1 if start >= 0.5 else 2
    tenths = range(10, round(start * 10) - 1, -step)
    return tuple((_place(tenth / 10, start), f"{tenth / 10:.1f}") for tenth in tenths)


def _make_mark(row: LabelerRow, place: int, start: float) -> Mark:
    measured = row.empirical_accuracy
    has_estimate = not math.isnan(row.estimated_accuracy)
    has_reads = not math.isnan(measured.value)
    said = [f"{row.column}: by the label model {format_number(row.estimated_accuracy)}"]
    if has_reads:
        said.append(f"measured {format_estimate(measured)} (n {row.correct + row.incorrect})")
    return Mark(
        row.column,
        HEAD_PIXELS + ROW_PIXELS * (place + 0.5),
        _place(row.estimated_accuracy, start) if has_estimate else None,
        _place(measured.value, start) if has_reads else None,
        _place(measured.lower, start) if has_reads else 0,
        _place(measured.upper, start) if has_reads else 0,
        ", ".join(said),
        row.is_contradicted,
    )


def _place(value: float, start: float) -> float:
    return round(NAMES_PIXELS + PLOT_PIXELS * (value - start) / (1 - start), 1)
