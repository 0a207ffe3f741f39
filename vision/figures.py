"""The figures of a run: losses, confusion, reliability, ROC, grade shares, differences.

Each function returns a matplotlib Figure; arms (models) keep their order and with it their
colour. `vision/figure_style.py` turns a figure into a `data:` URI.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import ArrayLike
from sklearn.metrics import roc_curve

from data_cards.findings import SEVERITY_LEVELS, SEVERITY_NAMES
from vision.figure_style import (
    INK,
    QUIET_INK,
    SERIES_COLOURS,
    SERIES_MARKERS,
    SMALL_TEXT_POINTS,
    TEXT_POINTS,
    new_figure,
    series_style,
    style_axes,
    style_legend,
)
from vision.intervals import Interval
from vision.metrics import (
    METRIC_LABELS,
    THRESHOLD_NAMES,
    MetricsError,
    check_severity,
    exceedance,
    severity_metrics,
)
from vision.weighted_metrics import FloatArray

RELIABILITY_BINS = 10
FEWEST_IN_BIN = 5
THRESHOLD_TITLES = ("Grade 1 or higher", "Grade 2 or higher", "Grade 3")


def loss_curves(
    runs: Mapping[str, Sequence[Mapping[str, Any]]], names: Sequence[str] | None = None
) -> Figure:
    """Draw one panel per quantity and kind of row over the steps, one line per run.

    runs: rows of `metrics.jsonl` per run, each with `step`, `kind` (train or validate) and
    quantities; names: which to draw, by default `loss` and every `loss_<term>`. Long series
    are drawn thin, with their running mean over a 25th of the run on top.
    """
    rows = [row for run in runs.values() for row in run]
    found = dict.fromkeys((row["kind"], name) for row in rows for name in row)
    panels = [
        (kind, name)
        for kind, name in found
        if (name in names if names is not None else name == "loss" or name.startswith("loss_"))
    ]
    if not panels:
        raise MetricsError("loss curves: no row has one of the quantities asked for")
    columns = 2 if len(panels) in (2, 4) else min(3, len(panels))
    lines = -(-len(panels) // columns)
    figure = new_figure(9.3 if columns > 1 else 5.5, 2.5 * lines + 0.3)
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid[len(panels) :]:
        axes.remove()
    for axes, (kind, name) in zip(grid, panels, strict=False):
        for number, (run, its_rows) in enumerate(runs.items()):
            points = [
                (row["step"], row[name])
                for row in its_rows
                if row["kind"] == kind and row.get(name) is not None
            ]
            if points:
                _draw_series(axes, np.array(points, dtype=float), run, number)
        style_axes(axes, title=_name_panel(kind, name), x="step", grid="y")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    shown = {label: line for axes in figure.axes for line, label in _legend_entries(axes)}
    style_legend(
        figure,
        handles=list(shown.values()),
        labels=list(shown),
        loc="outside lower center",
        ncols=4,
    )
    return figure


def confusion_matrices(
    matrices: Mapping[str, ArrayLike],
    names: Sequence[str] = tuple(map(str, range(SEVERITY_LEVELS))),
    *,
    predicted: str = "graded",
) -> Figure:
    """Draw matrices [k, k] (row = reference) side by side, coloured by share of their row.

    names: of the k rows, by default the grades; predicted: what the columns are.
    """
    figure = new_figure(3.15 * len(matrices) + 0.3, 3.5)
    grid = figure.subplots(1, len(matrices), squeeze=False)[0]
    for number, (arm, matrix) in enumerate(matrices.items()):
        axes = grid[number]
        counts = np.asarray(matrix, dtype=float)
        total = counts.sum(axis=1, keepdims=True)
        shares = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (i, j), share in np.ndenumerate(shares):
            text = f"{counts[i, j]:.0f}\n{share:.0%}"
            colour = "white" if share > 0.55 else INK
            axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=TEXT_POINTS)
        ylabel = "reference" if number == 0 else ""
        style_axes(axes, title=arm, x=predicted, y=ylabel, grid="none")
        axes.set_xticks(range(len(names)), names)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return figure


def reliability_diagram(series: Mapping[str, ArrayLike], levels: ArrayLike) -> Figure:
    """Draw how often "grade above k" is true where it was said with probability p.

    series: [n, 4] probabilities by name ("before calibration", "after calibration"); one panel
    per threshold, ten bins of equal width, bars from Wilson's 95 % interval, bins of fewer
    than five images left out; the number of images per bin below.
    """
    figure = new_figure(9.3, 4.1)
    grid = figure.subplots(2, 3, sharex=True, sharey="row", height_ratios=(3.2, 1))
    for number, (name, probabilities) in enumerate(series.items()):
        p, y = check_severity(probabilities, levels)
        error = severity_metrics(p, y)["ece_cumulative"]
        label = name if error is None else f"{name} (ECE {error:.3f})"
        above = exceedance(p)
        for k in range(3):
            _draw_reliability(grid[:, k], above[:, k], y > k, number, label)
    for k, title in enumerate(THRESHOLD_TITLES):
        grid[0, k].plot([0, 1], [0, 1], color=QUIET_INK, linewidth=0.8, zorder=0)
        style_axes(grid[0, k], title=title, y="observed share" if k == 0 else "")
        style_axes(grid[1, k], x="stated probability", y="images" if k == 0 else "", grid="y")
        grid[0, k].set(xlim=(0, 1), ylim=(-0.02, 1.02))
        grid[1, k].yaxis.set_major_locator(MaxNLocator(3, integer=True))
    handles, labels = grid[0, 0].get_legend_handles_labels()
    style_legend(figure, handles=handles, labels=labels, loc="outside upper center", ncols=3)
    return figure


def roc_per_threshold(
    arms: Mapping[str, ArrayLike],
    levels: ArrayLike,
    intervals: Mapping[str, Mapping[str, Interval | None]] | None = None,
) -> Figure:
    """Draw the ROC of P(y > k) for each of the three thresholds, one line per arm.

    arms: [n, 4] probabilities by name; intervals: what `severity_intervals` gave for each arm,
    printed in the legend beside the AUC. A threshold without both sides has an empty panel.
    """
    figure = new_figure(9.3, 3.5)
    grid = figure.subplots(1, 3, sharey=True)
    for number, (arm, probabilities) in enumerate(arms.items()):
        p, y = check_severity(probabilities, levels)
        metrics, above = severity_metrics(p, y), exceedance(p)
        for k, name in enumerate(THRESHOLD_NAMES):
            value = metrics[f"auc_{name}"]
            if value is None:
                continue
            interval = (intervals or {}).get(arm, {}).get(f"auc_{name}")
            spread = f" [{interval.low:.2f}, {interval.high:.2f}]" if interval else ""
            false_rate, true_rate, _ = roc_curve(y > k, above[:, k])
            label = f"{arm} {value:.3f}{spread}"
            grid[k].plot(false_rate, true_rate, linewidth=1.7, label=label, **series_style(number))
    for k, title in enumerate(THRESHOLD_TITLES):
        grid[k].plot([0, 1], [0, 1], color=QUIET_INK, linewidth=0.8, zorder=0)
        ylabel = "sensitivity" if k == 0 else ""
        style_axes(grid[k], title=title, x="1 − specificity", y=ylabel)
        grid[k].set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        if grid[k].get_legend_handles_labels()[1]:
            style_legend(grid[k], loc="lower right", fontsize=8, handlelength=2.2)
    return figure


def severity_distribution(sources: Mapping[str, Sequence[int | None]]) -> Figure:
    """Draw the share of each grade in each source of grades; None counts as "not stated"."""
    figure = new_figure(7.6, 3.3)
    axes = figure.subplots()
    names = [f"{level}\n{name}" for level, name in enumerate(SEVERITY_NAMES)]
    stated_everywhere = all(level is not None for levels in sources.values() for level in levels)
    names += [] if stated_everywhere else ["–\nnot stated"]
    width = 0.8 / max(1, len(sources))
    for number, (source, levels) in enumerate(sources.items()):
        codes = np.array([SEVERITY_LEVELS if level is None else level for level in levels], int)
        shares = np.bincount(codes, minlength=SEVERITY_LEVELS + 1) / max(1, len(codes))
        places = np.arange(len(names)) + (number - (len(sources) - 1) / 2) * width
        colour = SERIES_COLOURS[number % len(SERIES_COLOURS)]
        bars = axes.bar(
            places,
            shares[: len(names)],
            width * 0.92,
            color=colour,
            label=f"{source} (n={len(codes):,})",
        )
        axes.bar_label(bars, fmt="{:.0%}", fontsize=8, color=QUIET_INK, padding=1)
    style_axes(axes, y="share of studies", grid="y")
    axes.set_xticks(range(len(names)), names)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    style_legend(figure, loc="outside upper center", ncols=3)
    return figure


def difference_forest(
    differences: Mapping[str, Mapping[str, Interval | None]], names: Sequence[str]
) -> Figure:
    """Draw paired differences with their intervals: one line per metric, one colour per pair.

    differences: what `paired_differences` gave, by the name of the comparison.
    """
    figure = new_figure(7.6, 0.45 * len(names) + 1.2)
    axes = figure.subplots()
    axes.axvline(0, color=INK, linewidth=1)
    spread = 0.5 / max(1, len(differences))
    for number, (comparison, values) in enumerate(differences.items()):
        offset = (number - (len(differences) - 1) / 2) * spread
        drawn = [(i + offset, interval) for i, n in enumerate(names) if (interval := values.get(n))]
        middles = np.array([interval.value for _, interval in drawn])
        ends = np.array([interval[1:3] for _, interval in drawn]).reshape(-1, 2).T
        axes.errorbar(
            middles,
            [place for place, _ in drawn],
            xerr=np.abs(ends - middles),
            fmt=SERIES_MARKERS[number % len(SERIES_MARKERS)],
            color=SERIES_COLOURS[number % len(SERIES_COLOURS)],
            markersize=5,
            capsize=2.5,
            linewidth=1.6,
            label=comparison,
        )
    style_axes(axes, x="difference, with 95 % interval", grid="x")
    axes.set_yticks(range(len(names)), [METRIC_LABELS.get(name, name) for name in names])
    axes.invert_yaxis()
    style_legend(figure, loc="outside upper center", ncols=3)
    return figure


def _name_panel(kind: str, name: str) -> str:
    quantity = f"{name.removeprefix('loss_')} loss" if name.startswith("loss_") else name
    quantity = "total loss" if name == "loss" else quantity.replace("_", " ")
    return f"{quantity}, {'validation' if kind == 'validate' else 'training'}"


def _legend_entries(axes: Any) -> list[tuple[Any, str]]:
    return list(zip(*axes.get_legend_handles_labels(), strict=True))


def _draw_series(axes: Any, points: FloatArray, label: str, number: int) -> None:
    style = series_style(number)
    if len(points) <= 60:
        marker = "o" if len(points) <= 15 else None
        axes.plot(points[:, 0], points[:, 1], label=label, marker=marker, markersize=3.5, **style)
        return
    window = len(points) // 25
    mean = np.convolve(points[:, 1], np.ones(window) / window, mode="valid")
    middle = points[(window - 1) // 2 :][: len(mean), 0]
    axes.plot(points[:, 0], points[:, 1], color=style["color"], alpha=0.22, linewidth=0.6)
    axes.plot(middle, mean, label=label, linewidth=1.6, **style)


def _draw_reliability(
    pair: Any, stated: FloatArray, true: np.ndarray, number: int, label: str
) -> None:
    bins = np.minimum((stated * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    counts = np.bincount(bins, minlength=RELIABILITY_BINS)
    kept = counts >= FEWEST_IN_BIN
    n = np.maximum(counts, 1)
    x = np.bincount(bins, weights=stated, minlength=RELIABILITY_BINS) / n
    share = np.bincount(bins, weights=true, minlength=RELIABILITY_BINS) / n
    z = 1.96
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    bars = np.abs(np.stack([share - (centre - half), centre + half - share]))
    style = series_style(number) | {"marker": SERIES_MARKERS[number % len(SERIES_MARKERS)]}
    pair[0].errorbar(
        x[kept],
        share[kept],
        yerr=bars[:, kept],
        label=label,
        markersize=4.5,
        linewidth=1.5,
        elinewidth=0.8,
        **style,
    )
    edges = np.linspace(0, 1, RELIABILITY_BINS + 1)
    fill = {"fill": number > 0, "alpha": 1.0 if number == 0 else 0.35}
    pair[1].stairs(counts, edges, color=style["color"], linewidth=1.3, **fill)
    pair[1].tick_params(labelsize=SMALL_TEXT_POINTS)
