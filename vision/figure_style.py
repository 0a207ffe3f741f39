"""How every figure looks, and how it becomes text that an HTML file can hold.

Figures are made without pyplot: nothing is global, so they can be drawn in any thread.
"""

from __future__ import annotations

import base64
import io
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

SERIES_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#5F6B76", "#B8860B")
"""Told apart with any colour vision (Okabe and Ito 2008; the last two darkened for thin lines)."""

SERIES_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
SERIES_MARKERS = ("o", "s", "^", "D", "v", "P")

INK = "#1F2933"
QUIET_INK = "#5F6B76"
GRID = "#E3E7EB"
TEXT_POINTS = 9.5
SMALL_TEXT_POINTS = 8.5
PNG_DOTS_PER_INCH = 132


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure of this size in inches, 96 px each in a browser, with Agg behind it."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def style_axes(axes: Any, *, title: str = "", x: str = "", y: str = "", grid: str = "both") -> None:
    """Give axes the house style; `grid` is both, x, y or none."""
    axes.set_title(title, fontsize=TEXT_POINTS + 0.5, color=INK, loc="left", fontweight="bold")
    axes.set_xlabel(x, fontsize=TEXT_POINTS, color=QUIET_INK)
    axes.set_ylabel(y, fontsize=TEXT_POINTS, color=QUIET_INK)
    axes.tick_params(labelsize=SMALL_TEXT_POINTS, colors=QUIET_INK, length=3)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(QUIET_INK)
        spine.set_linewidth(0.8)
    axes.set_axisbelow(True)
    if grid != "none":
        axes.grid(visible=True, axis=grid, color=GRID, linewidth=0.8)


def style_legend(axes: Any, **options: Any) -> None:
    """Draw the legend in the house style; `options` go to matplotlib's `legend`."""
    given = {"fontsize": SMALL_TEXT_POINTS, "frameon": False, "labelcolor": INK} | options
    axes.legend(**given)


def series_style(number: int) -> dict[str, Any]:
    """Give colour and dashes of the n-th series: both differ, for print and for any eye."""
    return {
        "color": SERIES_COLOURS[number % len(SERIES_COLOURS)],
        "linestyle": SERIES_DASHES[number % len(SERIES_DASHES)],
    }


def figure_to_svg(figure: Figure) -> str:
    """Render as an SVG `data:` URI; the same figure gives the same bytes."""
    with mpl.rc_context({"svg.hashsalt": "kerley"}):
        return _render(figure, "svg", "image/svg+xml", metadata={"Date": None, "Creator": None})


def figure_to_png(figure: Figure) -> str:
    """Render as a PNG `data:` URI, for figures that are mostly pixels."""
    metadata = {"Software": None}
    return _render(figure, "png", "image/png", metadata=metadata, dpi=PNG_DOTS_PER_INCH)


def _render(figure: Figure, kind: str, media_type: str, **options: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, **options)
    return f"data:{media_type};base64,{base64.b64encode(buffer.getvalue()).decode()}"
