"""The figure of a lineage: boxes from the corpora at the left to the grader at the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Curve

from configs.files import write_atomically
from data_cards.lineage import Lineage, LineageError, LineageNode
from data_cards.lineage_tables import CHANGED, NOT_FOUND
from joint.lineage.layout import Layout, Place, lay_out
from joint.lineage.text import HASH_LETTERS, shorten, tell_counts, tell_date
from vision.figure_style import INK, PNG_DOTS_PER_INCH, QUIET_INK, SERIES_COLOURS, new_figure

COLUMN, ROW = 2.4, 1.3
"""Inches from box to box."""
WIDE, HIGH = 1.9, 1.0
"""Inches of a box."""
LETTERS = 26
COLOURS: Mapping[str, str] = {
    "corpus listing": SERIES_COLOURS[4],
    "rules": SERIES_COLOURS[4],
    "label file": SERIES_COLOURS[0],
    "label table": SERIES_COLOURS[0],
    "audited reads": SERIES_COLOURS[3],
    "reference": SERIES_COLOURS[3],
    "transition": SERIES_COLOURS[3],
    "image cache": SERIES_COLOURS[2],
    "mask cache": SERIES_COLOURS[2],
}
"""By what they hold; runs, and what comes of them, are orange."""
ENDINGS = (".svg", ".png")


def write_lineage_figure(file: Path, lineage: Lineage, statuses: Mapping[str, str]) -> None:
    """Write the figure as SVG or PNG by the file's ending, atomically; LineageError for others."""
    kind = file.suffix.lower()
    if kind not in ENDINGS:
        raise LineageError(f"{file}: a figure is written as {' or '.join(ENDINGS)}")
    figure = draw_lineage(lineage, statuses)
    metadata = {"Date": None, "Creator": None} if kind == ".svg" else {"Software": None}
    # Text stays text in SVG: it can be searched and copied.
    with (
        mpl.rc_context({"svg.hashsalt": "kerley", "svg.fonttype": "none"}),
        write_atomically(file) as temporary,
    ):
        figure.savefig(temporary, format=kind[1:], metadata=metadata, dpi=PNG_DOTS_PER_INCH)


def draw_lineage(lineage: Lineage, statuses: Mapping[str, str]) -> Figure:
    """Draw a lineage; what has changed since is framed and named in red."""
    layout = lay_out(lineage)
    width, height = layout.layers * COLUMN + 0.1, layout.rows * ROW + 0.2
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    for way in layout.edges:
        axes.add_patch(_draw_edge([_inches(place, layout) for place in way]))
    for node in lineage.nodes:
        _draw_box(
            axes, _inches(layout.places[node.hash], layout), node, statuses.get(node.hash, "")
        )
    return figure


def _inches(place: Place, layout: Layout) -> Place:
    return (place[0] + 0.5) * COLUMN + 0.05, (place[1] + layout.rows / 2) * ROW + 0.1


def _draw_edge(way: Sequence[Place]) -> PathPatch:
    """Draw one smooth line from a box's right side through the gaps to the child's left side."""
    points, codes = [(way[0][0] + WIDE / 2, way[0][1])], [Curve.MOVETO]
    for number, (x, y) in enumerate(way[1:], start=1):
        from_x, from_y = points[-1]
        to_x = x - WIDE / 2
        middle = (from_x + to_x) / 2
        points += [(middle, from_y), (middle, y), (to_x, y)]
        codes += [Curve.CURVE4] * 3
        if number < len(way) - 1:
            points.append((x + WIDE / 2, y))
            codes.append(Curve.LINETO)
    return PathPatch(
        Curve(points, codes), facecolor="none", edgecolor=QUIET_INK, linewidth=1.1, zorder=1
    )


def _draw_box(axes: Any, middle: Place, node: LineageNode, status: str) -> None:
    colour = COLOURS.get(node.kind, SERIES_COLOURS[1])
    x, y = middle[0] - WIDE / 2, middle[1] - HIGH / 2
    is_changed = status == CHANGED
    box = FancyBboxPatch(
        (x + 0.04, y + 0.04),
        WIDE - 0.08,
        HIGH - 0.08,
        boxstyle="round,pad=0.04,rounding_size=0.07",
        facecolor="white",
        edgecolor=CHANGED_INK if is_changed else colour,
        linewidth=2.4 if is_changed else 1.2,
        linestyle=(0, (4, 2)) if status == NOT_FOUND else "-",
        zorder=2,
    )
    axes.add_patch(box)
    lines = [
        (node.kind, {"color": colour, "fontweight": "bold", "fontsize": 8.5}),
        (shorten(node.name, LETTERS), {"color": INK, "fontsize": 8}),
        (node.hash[:HASH_LETTERS], {"color": QUIET_INK, "fontsize": 7, "family": "monospace"}),
        (tell_counts(node, LETTERS + 6), {"color": INK, "fontsize": 7}),
        (tell_date(node), {"color": QUIET_INK, "fontsize": 7}),
    ]
    for number, (text, style) in enumerate(lines):
        # No TeX: names are anyone's, and a dollar in one is a dollar.
        axes.text(
            x + 0.1,
            y + 0.17 + 0.175 * number,
            text,
            va="center",
            zorder=3,
            parse_math=False,
            **style,
        )
    if status:
        told = {"color": CHANGED_INK if is_changed else QUIET_INK, "fontsize": 6.5}
        axes.text(x + WIDE - 0.1, y + 0.87, status, ha="right", va="center", zorder=3, **told)


CHANGED_INK = "#B3261E"
