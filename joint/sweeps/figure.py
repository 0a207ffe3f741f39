"""The figure of a sweep: what its trials came to, over each setting that differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from configs.files import write_atomically
from joint.sweeps.settings import SweepParameter, SweepSettings
from vision.figure_style import INK, SERIES_COLOURS, TEXT_POINTS, new_figure, style_axes

PANELS_IN_ROW = 4


def draw_sweep(trials: pd.DataFrame, sweep: SweepSettings, path: Path) -> None:
    """Write an SVG with a panel per varied parameter; the best trial is ringed.

    trials: as `tabulate_trials` gives them, the best first. Nothing is drawn when no trial is
    finished, or when nothing varies.
    """
    metric = sweep.metric.name
    done = trials[trials[metric].notna()]
    varied = {name: parameter for name, parameter in sweep.flat().items() if _is_varied(parameter)}
    if done.empty or not varied:
        return
    columns = min(len(varied), PANELS_IN_ROW)
    rows = -(-len(varied) // columns)
    figure = new_figure(2.6 * columns + 0.6, 2.6 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for number, (name, parameter) in enumerate(varied.items()):
        y_label = metric if number % columns == 0 else ""
        style_axes(grid[number], x=name, y=y_label)
        _draw_panel(grid[number], done[name], done[metric], parameter)
    for axes in grid[len(varied) :]:
        axes.set_visible(False)
    with write_atomically(path) as temporary:
        figure.savefig(temporary, format="svg")


def _draw_panel(axes: Any, values: pd.Series, scores: pd.Series, parameter: SweepParameter) -> None:
    choices = parameter.choices()
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if not numeric and choices is not None:
        words = [str(choice) for choice in choices]
        x = [words.index(str(value)) for value in values]
        axes.set_xticks(range(len(words)), words, fontsize=TEXT_POINTS - 2)
    else:
        x = list(values)
        if parameter.distribution == "log_uniform_values" or _spans_decades(values):
            axes.set_xscale("log")
    axes.plot(x, scores, "o", color=SERIES_COLOURS[0], markersize=4, alpha=0.7)
    axes.plot(x[:1], scores[:1], "o", color=INK, markersize=9, fillstyle="none")


def _spans_decades(values: pd.Series) -> bool:
    return bool(values.min() > 0 and values.max() >= 10 * values.min())


def _is_varied(parameter: SweepParameter) -> bool:
    choices = parameter.choices()
    return choices is None or len(choices) > 1
