"""Figures of a corpus: what it holds, who is in it, how large images are, which are alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from configs.files import write_atomically
from data_cards.corpus_report import CorpusReport
from data_cards.image_survey import ImageSurvey, SurveyedImage
from data_cards.near_duplicates import NEAR_DISTANCE, read_grey
from data_cards.study import SPLITS, Listing

INK, QUIET, PAPER, GRID = "#1F2933", "#5F6B76", "white", "#E3E7EB"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#5F6B76", "#B8860B")
"""Told apart with any colour vision (Okabe and Ito 2008); vision's figures have the same."""
TEXT_POINTS, SMALL_POINTS, DOTS_PER_INCH = 9.5, 8.5, 132
MOST_BARS = 12
AGE_YEARS = 5
SAMPLES = (4, 6)
NOT_SAID = "not said"


def write_figures(
    folder: Path, report: CorpusReport, listing: Listing, *, with_samples: bool = False
) -> list[Path]:
    """Draw every figure there is something for, as PNG; `with_samples` shows images as well.

    The same corpus gives the same files. Returns their paths.
    """
    people = listing.studies.select_columns(["age", "sex", "patient_id"])
    drawn: list[tuple[str, Figure]] = [("counts", draw_counts(report, listing))]
    ages = [age for age in people["age"][:] if age is not None]
    if ages:
        drawn.append(("ages", draw_ages(people["age"][:], people["sex"][:])))
    if report.survey is not None and report.survey.images:
        drawn.append(("sizes", draw_sizes(report.survey)))
        drawn.append(("distances", draw_distances(report.survey)))
        if with_samples:
            drawn.append(("samples", draw_samples(report.survey, listing.root)))
    paths = []
    for name, figure in drawn:
        path = folder / f"{name}.png"
        with write_atomically(path) as temporary:
            figure.savefig(temporary, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
        paths.append(path)
    return paths


def draw_counts(report: CorpusReport, listing: Listing) -> Figure:
    """Draw studies by split and class, and images by view."""
    columns = listing.studies.select_columns(["split", "class_name"])
    splits = [split or NOT_SAID for split in columns["split"][:]]
    classes = [name or NOT_SAID for name in columns["class_name"][:]]
    has_classes = set(classes) != {NOT_SAID}
    figure = _new_figure(10.5 if has_classes else 7.0, 3.2)
    panels = figure.subplots(
        1, 3 if has_classes else 2, width_ratios=[2, 3, 2][-(2 + has_classes) :]
    )
    order = [split for split in (*SPLITS, NOT_SAID) if split in set(splits)]
    _bars(panels[0], "Studies by split", Counter(splits), order)
    if has_classes:
        _stack(panels[1], "Studies by class and split", classes, splits, order)
    views = {NOT_SAID if name == "none" else name: n for name, n in report.checks.per_view.items()}
    _bars(panels[-1], "Images by view", views, list(views))
    return figure


def draw_ages(ages: Sequence[float | None], sexes: Sequence[str | None]) -> Figure:
    """Draw ages in bins of five years, by sex, and how many studies do not say."""
    figure = _new_figure(6.4, 3.4)
    axes = figure.subplots()
    by_sex: dict[str, list[float]] = {}
    for age, sex in zip(ages, sexes, strict=True):
        if age is not None:
            by_sex.setdefault(sex or NOT_SAID, []).append(age)
    names = sorted(by_sex)
    oldest = max(max(found) for found in by_sex.values())
    bins = np.arange(0, oldest + 2 * AGE_YEARS, AGE_YEARS)
    axes.hist(
        [by_sex[name] for name in names],
        bins=list(bins),
        stacked=True,
        color=[_colour_of_sex(name) for name in names],
        label=[f"{name} ({len(by_sex[name]):,})" for name in names],
        edgecolor=PAPER,
        linewidth=0.5,
    )
    unknown = sum(age is None for age in ages)
    _style(axes, f"Age by sex; {unknown:,} studies do not say the age", "years", "studies")
    _legend(axes)
    return figure


def draw_sizes(survey: ImageSurvey) -> Figure:
    """Draw width against height by class (else by split): sources often differ there."""
    figure = _new_figure(5.4, 4.2)
    axes = figure.subplots()
    has_classes = any(image.study.get("class_name") for image in survey.images)
    key = "class_name" if has_classes else "split"
    groups: dict[str, Counter[tuple[int, int]]] = {}
    for image in survey.images:
        if image.size is not None:
            groups.setdefault(str(image.study.get(key) or NOT_SAID), Counter())[image.size] += 1
    largest = sorted(groups, key=lambda name: -groups[name].total())[: len(COLOURS)]
    for number, name in enumerate(largest):
        sizes = groups[name]
        axes.scatter(
            [width for width, _ in sizes],
            [height for _, height in sizes],
            s=[14 + 22 * np.log10(count) for count in sizes.values()],
            color=COLOURS[number],
            alpha=0.55,
            linewidth=0,
            label=f"{name} ({sizes.total():,})",
        )
    _style(axes, "Image size, larger dots for more images", "width, pixels", "height, pixels")
    axes.grid(visible=True, color=GRID, linewidth=0.8)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    if largest:
        _legend(axes)
    return figure


def draw_distances(survey: ImageSurvey) -> Figure:
    """Draw how many pairs of images lie at which distance; near duplicates are on the left."""
    figure = _new_figure(6.4, 3.2)
    axes = figure.subplots()
    histogram = survey.near.histogram
    axes.bar(range(len(histogram)), histogram, width=1.0, color=COLOURS[0], label="all pairs")
    found = np.bincount(survey.near.distance, minlength=len(histogram))
    axes.bar(range(len(histogram)), found, width=1.0, color=COLOURS[1], label="nearly equal")
    axes.axvline(NEAR_DISTANCE + 0.5, color=QUIET, linestyle=":", linewidth=1.2)
    if histogram.any():
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)
    title = "Pairs of images by distance; left of the line they are looked at closely"
    _style(axes, title, "bits that differ", "pairs")
    _legend(axes)
    return figure


def draw_samples(survey: ImageSurvey, root: Path) -> Figure:
    """Show images, evenly drawn from the classes (else splits) in their order."""
    rows, across = SAMPLES
    damaged = set(survey.undecodable)
    whole = [image for image in survey.images if image.path not in damaged]
    chosen = list(_choose_samples(whole, rows * across))
    figure = _new_figure(across * 1.9, rows * 2.15)
    for panel, image in zip(figure.subplots(rows, across).flat, chosen, strict=False):
        panel.imshow(read_grey(root / image.path), cmap="gray")
        words = [image.study.get("class_name"), image.study.get("split"), image.view]
        panel.set_title(" · ".join(filter(None, words)), fontsize=7, color=INK)
    for panel in figure.axes:
        panel.set_axis_off()
    return figure


def _choose_samples(images: Sequence[SurveyedImage], number: int) -> Iterator[SurveyedImage]:
    groups: dict[str, list[SurveyedImage]] = {}
    for image in images:
        if image.size is not None:
            name = image.study.get("class_name") or image.study.get("split") or NOT_SAID
            groups.setdefault(name, []).append(image)
    share = number // max(len(groups), 1) or 1
    for name in sorted(groups)[:number]:
        places = np.linspace(0, len(groups[name]) - 1, min(share, len(groups[name])))
        yield from (groups[name][round(place)] for place in places)


def _new_figure(width: float, height: float) -> Figure:
    with mpl.rc_context({"font.size": TEXT_POINTS}):
        figure = Figure(figsize=(width, height), layout="constrained", facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def _bars(axes: Any, title: str, counts: dict[str, int] | Counter[str], order: list[str]) -> None:
    shown = order[:MOST_BARS]
    bars = axes.bar(shown, [counts[name] for name in shown], color=COLOURS[0], width=0.7)
    axes.bar_label(bars, fmt="{:,.0f}", fontsize=SMALL_POINTS, color=INK, padding=2)
    axes.margins(y=0.15)
    _style(axes, title, "", "")
    if len(shown) > 4:
        axes.tick_params(axis="x", rotation=35)


def _stack(axes: Any, title: str, names: list[str], splits: list[str], order: list[str]) -> None:
    pairs, totals = Counter(zip(names, splits, strict=True)), Counter(names)
    shown = [name for name, _ in totals.most_common(MOST_BARS)][::-1]
    if len(totals) > len(shown):
        title += f", the largest {len(shown)} of {len(totals):,}"
    left = np.zeros(len(shown))
    for number, split in enumerate(order):
        wide = np.array([pairs[name, split] for name in shown], float)
        axes.barh(shown, wide, left=left, color=COLOURS[number], label=split, height=0.7)
        left += wide
    _style(axes, title, "", "")
    _legend(axes, loc="upper center", bbox_to_anchor=(0.45, -0.1), ncols=len(order))


def _style(axes: Any, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=TEXT_POINTS, color=INK, loc="left", fontweight="bold")
    axes.set_xlabel(x, fontsize=TEXT_POINTS, color=QUIET)
    axes.set_ylabel(y, fontsize=TEXT_POINTS, color=QUIET)
    axes.tick_params(labelsize=SMALL_POINTS, colors=QUIET, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(QUIET)
    axes.set_axisbelow(True)


def _legend(axes: Any, **options: Any) -> None:
    axes.legend(fontsize=SMALL_POINTS, frameon=False, labelcolor=INK, **options)


def _colour_of_sex(name: str) -> str:
    return {"F": COLOURS[1], "M": COLOURS[0]}.get(name, COLOURS[4])
