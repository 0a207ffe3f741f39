"""The figures of an evaluation: intervals side by side, risk against coverage, sets by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from vision.figure_style import (
    INK,
    QUIET_INK,
    SERIES_COLOURS,
    SERIES_MARKERS,
    SMALL_TEXT_POINTS,
    new_figure,
    series_style,
    style_axes,
    style_legend,
)
from vision.intervals import Interval
from vision.metrics import MetricsError, severity_metrics
from vision.risk_limits import RiskThreshold, risk_coverage_curve

ROW_INCHES = 0.34


def interval_chart(
    arms: Mapping[str, Mapping[str, Interval | None]],
    labels: Mapping[str, str],
    *,
    x: str,
    guide: float | None = None,
) -> Figure:
    """Draw values with their 95 % intervals: a row per name in `labels`, a colour per arm.

    arms: intervals by name, such as `severity_intervals` gives (the six pairwise AUCs), or one
    metric of `finding_intervals` for every finding; undefined ones leave their place empty.
    guide: where to draw a line, such as 0.5 for an AUC. Raises MetricsError when every value
    is undefined.
    """
    if not any(arm.get(name) for arm in arms.values() for name in labels):
        raise MetricsError("interval chart: none of the values is defined")
    figure = new_figure(7.6, (ROW_INCHES + 0.08 * len(arms)) * len(labels) + 1.1)
    axes = figure.subplots()
    if guide is not None:
        axes.axvline(guide, color=QUIET_INK, linewidth=1)
    spread = 0.55 / max(1, len(arms))
    for number, (arm, intervals) in enumerate(arms.items()):
        offset = (number - (len(arms) - 1) / 2) * spread
        rows = [(i + offset, v) for i, name in enumerate(labels) if (v := intervals.get(name))]
        middles = np.array([interval.value for _, interval in rows])
        ends = np.array([[interval.low, interval.high] for _, interval in rows]).reshape(-1, 2).T
        axes.errorbar(
            middles,
            [place for place, _ in rows],
            # The value of a biased metric may lie outside of its own interval.
            xerr=np.clip(np.stack([middles - ends[0], ends[1] - middles]), 0, None),
            fmt=SERIES_MARKERS[number % len(SERIES_MARKERS)],
            color=SERIES_COLOURS[number % len(SERIES_COLOURS)],
            markersize=5,
            capsize=2.5,
            linewidth=1.6,
            label=arm,
        )
    style_axes(axes, x=f"{x}, with 95 % interval", grid="x")
    axes.set_yticks(range(len(labels)), list(labels.values()))
    axes.set_ylim(len(labels) - 0.5, -0.5)
    if len(arms) > 1:
        style_legend(figure, loc="outside upper center", ncols=4)
    return figure


def risk_coverage_chart(
    arms: Mapping[str, ArrayLike],
    levels: ArrayLike,
    *,
    threshold: RiskThreshold | None = None,
) -> Figure:
    """Draw the share of wrong grades among the most confident images, by the share graded.

    arms: [n, 4] probabilities by name; the legend has the area (AURC). threshold: the chosen
    risk and what it leaves to grade, as guides; its tolerance says what is wrong.
    """
    figure = new_figure(5.6, 3.7)
    axes = figure.subplots()
    top, tolerance = 0.0, 0 if threshold is None else threshold.tolerance
    for number, (arm, probabilities) in enumerate(arms.items()):
        curve = risk_coverage_curve(probabilities, levels, tolerance=tolerance)
        area = severity_metrics(probabilities, levels)["aurc"] if tolerance == 0 else None
        label = arm if area is None else f"{arm} (AURC {area:.3f})"
        axes.plot(
            curve["coverage"], curve["risk"], label=label, linewidth=1.7, **series_style(number)
        )
        settled = curve["risk"][curve["coverage"] > 0.05]
        top = max(top, float(settled.max(initial=0.0)))
    if threshold is not None:
        top = max(top, threshold.target_risk)
        axes.axhline(threshold.target_risk, color=INK, linewidth=0.9)
        axes.axvline(threshold.coverage, color=QUIET_INK, linewidth=0.9, linestyle=":")
        axes.annotate(
            f"at most {threshold.target_risk:.0%} wrong",
            (0.01, threshold.target_risk),
            xytext=(0, 3),
            textcoords="offset points",
            fontsize=SMALL_TEXT_POINTS,
            color=INK,
        )
    wrong = "wrong grades" if tolerance == 0 else f"grades off by more than {tolerance}"
    style_axes(axes, x="share of images graded, most confident first", y=f"share of {wrong}")
    axes.set(xlim=(0, 1.005), ylim=(0, max(0.05, 1.15 * top)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    style_legend(figure, loc="outside upper center", ncols=2)
    return figure


def coverage_chart(rows: Sequence[Mapping[str, str | float | int]], *, wanted: float) -> Figure:
    """Draw how often sets hold the true grade, one row per group (`coverage_by_group`).

    wanted: the promised share, drawn as a line; each row says how many patients it is of and
    how many grades a set has on average.
    """
    figure = new_figure(7.6, ROW_INCHES * len(rows) + 1.1)
    axes = figure.subplots()
    axes.axvline(wanted, color=INK, linewidth=1)
    shares = np.array([row["coverage"] for row in rows], float)
    ends = np.array([[row["low"], row["high"]] for row in rows], float).reshape(-1, 2).T
    bars = np.clip(np.stack([shares - ends[0], ends[1] - shares]), 0, None)
    axes.errorbar(
        shares,
        range(len(rows)),
        xerr=bars,
        fmt="o",
        color=SERIES_COLOURS[0],
        markersize=5,
        capsize=2.5,
        linewidth=1.6,
        label="coverage",
    )
    for place, row in enumerate(rows):
        axes.text(
            1.01,
            place,
            f"{row['patients']:,} patients, {row['mean_size']:.1f} grades",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=SMALL_TEXT_POINTS,
            color=QUIET_INK,
        )
    style_axes(axes, x=f"share of sets with the true grade ({wanted:.0%} promised)", grid="x")
    names = [
        str(row["value"]) if row["group"] == "all" else f"{row['group']} {row['value']}"
        for row in rows
    ]
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure
