"""What the report of a run says: typed content, apart from how a page or a README shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from markupsafe import Markup

from vision.figure_style import figure_to_png, figure_to_svg
from vision.intervals import Interval

Cell = Interval | float | int | str | None
"""What stands in a table: shown as 0.912 [0.884, 0.938], 0.912, 6,000, text, or a dash."""

Section = Literal["labels", "training", "results", "calibration", "images"]
FigureKind = Literal[
    "severity_distribution",
    "loss_curves",
    "roc_per_threshold",
    "confusion_matrices",
    "difference_forest",
    "reliability_diagram",
    "image_strip",
]


class ReportError(ValueError):
    """Content that cannot be shown; the message names the part and what was expected."""


class Highlight(NamedTuple):
    """One number at the top of the page, such as `0.958`, `AUC 0v123`, `joint, true grade`."""

    value: str
    label: str
    detail: str = ""


class Command(NamedTuple):
    """A command line that reproduces something, and what it gives."""

    line: str
    gives: str


@dataclass(frozen=True)
class LabeledReport:
    """One report of the sample: its words with the evidence marked, and its grades.

    `highlighted` is the escaped HTML of `text_labeler.highlight` (`Markup`: shown as it is).
    `probabilities` are those of the mined grades 0 to 3. `reported_severity` is what the
    reporter perceived, `true_severity` what the image shows; None where nobody knows.
    """

    study_id: str
    highlighted: Markup
    mined_severity: int | None
    probabilities: tuple[float, ...] | None
    true_severity: int | None
    reported_severity: int | None = None


@dataclass(frozen=True)
class ResultTable:
    """A table of values: one row per arm (or finding, or source), one column per metric.

    Columns are the metrics in the order in which they first occur; names of
    `vision.metrics.METRIC_LABELS` get their short form and the direction that is better.
    With `kind="values"` the best value of each metric is bold; with `kind="differences"` signs
    are shown and intervals without zero are set in bold; the cells of `kind="words"` are text.
    """

    title: str
    rows: Mapping[str, Mapping[str, Cell]]
    note: str = ""
    row_heading: str = "Model"
    kind: Literal["values", "differences", "plain", "words"] = "values"

    @property
    def columns(self) -> tuple[str, ...]:
        """The metrics of all rows, each once."""
        return tuple(dict.fromkeys(name for row in self.rows.values() for name in row))


@dataclass(frozen=True)
class ReportFigure:
    """A figure with what it shows here (`caption`) and how such a figure is read (`reading`).

    `alt` says it in words for readers who cannot see it; `data_uri` holds the image.
    """

    section: Section
    title: str
    caption: str
    reading: str
    alt: str
    data_uri: str


@dataclass(frozen=True)
class ReportContent:
    """Everything that the HTML report and the README of a run say.

    `corpus_facts` and `run_facts` are names and values in the order shown (counts; settings
    hash, seconds, versions, content hashes). `files` says what lies beside the page.
    The HTML holds report text and X-rays, the README neither.
    """

    title: str
    summary: tuple[str, ...]
    highlights: tuple[Highlight, ...]
    corpus_facts: Mapping[str, str | int | float]
    label_sample: tuple[LabeledReport, ...]
    label_worth: tuple[ResultTable, ...]
    results: tuple[ResultTable, ...]
    differences: tuple[ResultTable, ...]
    figures: tuple[ReportFigure, ...]
    run_facts: Mapping[str, str | int | float]
    commands: tuple[Command, ...]
    files: Mapping[str, str]


class FigureText(NamedTuple):
    """What stands around a figure of one kind, wherever it is shown."""

    section: Section
    title: str
    reading: str


FIGURE_TEXTS: dict[FigureKind, FigureText] = {
    "severity_distribution": FigureText(
        "labels",
        "Grades in the image, in the report, and as mined",
        "Each group of bars is one grade. Where the mined bars differ from the report's, words"
        " were misread or the grade was not stated; where the report's differ from the image's,"
        " the reporter saw more or less than is there.",
    ),
    "loss_curves": FigureText(
        "training",
        "Losses over the steps",
        "Lower is better; compare the lines of one panel only. Thin lines are single steps,"
        " thick ones their running mean. An arm without a loss (the image-only control has no"
        " contrastive one) has no line.",
    ),
    "roc_per_threshold": FigureText(
        "results",
        "ROC per threshold",
        "Each panel asks one yes/no question of the grade. A line towards the upper left is"
        " better; the diagonal is guessing. Numbers are the area under the line with its 95 %"
        " interval.",
    ),
    "confusion_matrices": FigureText(
        "results",
        "Confusion matrices",
        "A row is a reference grade, a column the grade given; the diagonal is agreement. Each"
        " cell has the number of images and its share of the row. Cells above the diagonal are"
        " over-calls, below it under-calls.",
    ),
    "difference_forest": FigureText(
        "results",
        "What the reports add",
        "Each point is the gain of the joint model over a control on the same images; the bar is"
        " its 95 % interval over patients. A bar that stays clear of the vertical line is a gain"
        " that the choice of test patients does not explain. What is owed to the words is the"
        " gain over shuffled pairs, not over image-only.",
    ),
    "reliability_diagram": FigureText(
        "calibration",
        "Stated probability and what came true",
        "On the diagonal, of the images called 70 % likely, 70 % are so. Below it the model is"
        " too sure, above it too careful. Bars are 95 % intervals; the lower panels show how"
        " many images each point stands for.",
    ),
    "image_strip": FigureText(
        "images",
        "X-rays graded from the image alone",
        "From top to bottom: the X-ray, where the model looked (Grad-CAM on the expected grade),"
        " and the probability of each grade, with a mark under the true one. A bright spot shows"
        " what moved the grade, not that the reason is right.",
    ),
}


def report_figure(kind: FigureKind, figure: Any, *, caption: str, alt: str) -> ReportFigure:
    """Render a figure of `vision` with the section, title and reading of its kind."""
    text = FIGURE_TEXTS[kind]
    render = figure_to_png if kind == "image_strip" else figure_to_svg
    return ReportFigure(
        section=text.section,
        title=text.title,
        caption=caption,
        reading=text.reading,
        alt=alt,
        data_uri=render(figure),
    )
