"""A figure and its numbers: what is drawn is also written as JSON, read off the figure itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import StepPatch
from numpy.typing import ArrayLike

from configs.files import write_atomically, write_json
from vision.figure_style import PNG_DOTS_PER_INCH


def figure_numbers(figure: Figure) -> dict[str, Any]:
    """Give what a figure shows, ready for JSON: one entry per panel, one per series in it.

    A panel has `title`, `x` and `y` (the names of its axes), `ticks` where they are words, and
    `series`, each with `label`, `x`, `y`, and `low` and `high` where there are error bars; a
    panel of cells has `cells`, row by row. Lines without a label (guides) are left out.
    """
    panels = [_read_panel(axes) for axes in figure.axes]
    return {"panels": [panel for panel in panels if panel["series"] or "cells" in panel]}


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Write `name.svg`, `name.png` and the numbers as `name.json` in a folder, each atomically."""
    for suffix in ("svg", "png"):
        with write_atomically(folder / f"{name}.{suffix}") as temporary:
            figure.savefig(temporary, format=suffix, dpi=PNG_DOTS_PER_INCH)
    write_json(folder / f"{name}.json", figure_numbers(figure))


def _read_panel(axes: Any) -> dict[str, Any]:
    panel = {
        "title": axes.get_title(loc="left") or axes.get_title(),
        "x": axes.get_xlabel(),
        "y": axes.get_ylabel(),
    }
    for side in ("x", "y"):
        words = [tick.get_text() for tick in getattr(axes, f"get_{side}ticklabels")()]
        if any(word and not _is_number(word) for word in words):
            panel[f"{side}_ticks"] = words
    parts = [part for box in axes.containers for part in _parts_of(box)]
    series = [_read_container(box) for box in axes.containers]
    for line in axes.lines:
        if line not in parts and not str(line.get_label()).startswith("_"):
            series.append({"label": line.get_label()} | _read_line(line))
    for patch in axes.patches:
        if isinstance(patch, StepPatch):
            values, edges, _ = patch.get_data()
            series.append(
                {"label": "counts", "x": _numbers(edges), "y": _numbers(np.asarray(values))}
            )
    if axes.images:
        panel["cells"] = [_numbers(row) for row in np.asarray(axes.images[0].get_array())]
        panel["texts"] = [text.get_text() for text in axes.texts]
    return panel | {"series": [entry for entry in series if entry]}


def _parts_of(box: Any) -> list[Any]:
    if not isinstance(box, ErrorbarContainer):
        return []
    line, caps, _ = box.lines
    return [line, *caps]


def _read_container(box: Any) -> dict[str, Any]:
    if isinstance(box, BarContainer):
        return {
            "label": box.get_label(),
            "x": _numbers([bar.get_x() + bar.get_width() / 2 for bar in box]),
            "y": _numbers([bar.get_height() for bar in box]),
        }
    line, _, bars = box.lines
    entry = {"label": box.get_label()} | _read_line(line)
    if bars:
        ends = np.array(bars[0].get_segments()).reshape(-1, 2, 2)
        # The coordinate that differs between the two ends of a bar is the one it is about.
        along = 0 if box.has_xerr else 1
        entry |= {"low": _numbers(ends[:, 0, along]), "high": _numbers(ends[:, 1, along])}
    return entry


def _read_line(line: Line2D) -> dict[str, Any]:
    return {"x": _numbers(line.get_xdata()), "y": _numbers(line.get_ydata())}


def _numbers(values: ArrayLike) -> list[float | None]:
    numbers = np.asarray(values, np.float64).tolist()
    return [round(number, 6) if np.isfinite(number) else None for number in numbers]


def _is_number(word: str) -> bool:
    try:
        float(word.replace("−", "-").rstrip("%"))
    except ValueError:
        return False
    return True
