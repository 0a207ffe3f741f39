"""The benchmark's figures: curves over noise and labels, gains, recalibration, the shortcut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from joint.benchmark.arms import ARMS
from joint.benchmark.settings import BenchmarkSettings
from joint.benchmark.summary import HEADLINE, Family, Summary
from joint.benchmark.tables import title_of
from vision.evaluation_figures import interval_chart
from vision.figure_style import SERIES_MARKERS, new_figure, series_style, style_axes
from vision.intervals import Interval


def draw_benchmark(summary: Summary, settings: BenchmarkSettings) -> dict[str, Figure]:
    """Draw a figure for each family that has results, by the name of its file."""
    figures = {}
    families = summary.families
    if family := families.get("main"):
        figures["arms"] = _chart(family, list(family.groups), (HEADLINE,), x="AUC 0v123")
        pairs = [contrast.name for contrast in family.contrasts]
        if pairs:
            figures["gains"] = _chart(
                family, pairs, (HEADLINE,), x="difference of AUC 0v123", guide=0.0
            )
    if family := families.get("noise"):
        rates = sorted({*settings.noise_rates, settings.noise_rate})
        named = {rate: f"{rate:.0%}" for rate in rates}
        figures["noise"] = curve_chart(family, named, x="share of wrong grades per labeler")
    if family := families.get("labels"):
        counts = sorted({*settings.label_counts, settings.labelled})
        named = {float(count): str(count) for count in counts}
        figures["labels"] = curve_chart(family, named, x="graded reports", logarithmic=True)
    if family := families.get("reader"):
        figures["anchors"] = _chart(
            family, list(family.groups), ("macro_f1", "ece"), x="macro-F1 and ECE"
        )
    if family := families.get("shortcut"):
        figures["shortcut"] = _chart(
            family, list(family.groups), (HEADLINE,), x="AUC 0v123", guide=0.5
        )
    return figures


def curve_chart(
    family: Family, points: Mapping[float, str], *, x: str, logarithmic: bool = False
) -> Figure:
    """Draw AUC 0v123 and macro-F1 over one setting, a line per arm, with 95 % intervals.

    points: the setting's value and how groups are named by it (`full, 60%`).
    """
    figure = new_figure(7.6, 3.4)
    axes = figure.subplots(1, 2)
    arms = [
        arm for arm in ARMS if any(f"{arm}, {name}" in family.groups for name in points.values())
    ]
    for axis, metric, title in zip(
        axes, (HEADLINE, "macro_f1"), ("AUC 0v123", "macro-F1"), strict=True
    ):
        for number, arm in enumerate(arms):
            known: list[tuple[float, Interval]] = []
            for value, name in points.items():
                interval = family.estimates.get(f"{arm}, {name}", {}).get(metric)
                if interval is not None:
                    known.append((value, interval))
            middles = np.array([interval.value for _, interval in known])
            ends = np.array([interval[1:3] for _, interval in known]).reshape(-1, 2).T
            axis.errorbar(
                [value for value, _ in known],
                middles,
                # The value of a biased metric may lie outside of its own interval.
                yerr=np.clip(np.stack([middles - ends[0], ends[1] - middles]), 0, None),
                marker=SERIES_MARKERS[number % len(SERIES_MARKERS)],
                label=ARMS[arm].title,
                capsize=2.5,
                markersize=4.5,
                **series_style(number),
            )
        style_axes(axis, title=title, x=x)
        if logarithmic:
            axis.set_xscale("log")
            axis.set_xticks(list(points), list(points.values()))
            axis.minorticks_off()
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize=8.5)
    return figure


def _chart(
    family: Family,
    groups: Sequence[str],
    metrics: Sequence[str],
    *,
    x: str,
    guide: float | None = None,
) -> Figure:
    names = {"auc_0v123": "AUC 0v123", "macro_f1": "macro-F1", "ece": "ECE"}
    arms = {
        names[metric]: {group: family.estimates[group].get(metric) for group in groups}
        for metric in metrics
    }
    return interval_chart(arms, {group: title_of(group) for group in groups}, x=x, guide=guide)
