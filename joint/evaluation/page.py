"""The evaluation of a run as one HTML page that loads nothing, made from the run alone."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from configs.files import write_text
from joint.evaluation.content import HEADLINE
from joint.evaluation.controls import read_identity
from joint.evaluation.run import RunMeasures
from joint.evaluation.sections import (
    EvaluationSection,
    NotMeasured,
    name_reference,
    not_measured,
)
from joint.html_report import format_cell, make_environment
from joint.report_content import FIGURE_TEXTS, Cell, Highlight
from joint.training.settings import hash_training
from vision.evaluation_figures import interval_chart
from vision.figure_numbers import save_figure
from vision.figures import difference_forest
from vision.intervals import Interval
from vision.metrics import MetricsError

PAGE_NAME = "evaluation.html"
HASH_LETTERS = 16
FOREST_METRICS = ("auc_0v123", "auc_01v23", "auc_012v3", "macro_f1", "quadratic_kappa")
FOLDERS: Mapping[str, str] = {"report": "report", "reference": "image"}
"""Where the record and the figures of each reference lie in the evaluation's folder."""


class FigureKind(NamedTuple):
    """What stands around the figures of one kind; `section` is the key of their section."""

    section: str
    title: str
    reading: str
    alt: str


class PageFigure(NamedTuple):
    """The figures of one kind: pairs of caption (the reference) and `data:` image."""

    kind: FigureKind
    images: tuple[tuple[str, str], ...]


_KINDS = {
    "confusion": FigureKind(
        "grades",
        FIGURE_TEXTS["confusion_matrices"].title,
        FIGURE_TEXTS["confusion_matrices"].reading,
        "Counts of grades given by reference grades; the numbers are in the record beside.",
    ),
    "roc": FigureKind(
        "grades",
        FIGURE_TEXTS["roc_per_threshold"].title,
        "Each panel asks one yes/no question of the grade. A line towards the upper left is better;"
        " the diagonal is guessing. The numbers are the areas under the lines.",
        "Three ROC panels; their areas are in the table above.",
    ),
    "auc_pairs": FigureKind(
        "grades",
        "Two grades told apart",
        "Each line takes the images of two grades alone. A half is guessing; neighbours are the"
        " hardest.",
        "AUC for each pair of grades; the numbers are in the table above.",
    ),
    "controls": FigureKind(
        "controls",
        FIGURE_TEXTS["difference_forest"].title,
        FIGURE_TEXTS["difference_forest"].reading,
        "Differences with their intervals; the numbers are in the table above.",
    ),
    "reliability": FigureKind(
        "certainty",
        FIGURE_TEXTS["reliability_diagram"].title,
        FIGURE_TEXTS["reliability_diagram"].reading,
        "Stated probability against frequency; calibration errors are in the table of grades.",
    ),
    "risk_coverage": FigureKind(
        "certainty",
        "Wrong grades by the share graded",
        "To the left only the surest images are graded. A line that falls to the left means that"
        " confidence tells right from wrong; a flat one means it does not.",
        "Share of wrong grades by share graded; four of its points are in the table above.",
    ),
    "coverage": FigureKind(
        "certainty",
        "Likely grades by group",
        "The line is what was promised for all images together. A group far below it is served"
        " worse than the promise says.",
        "Share of images whose range of likely grades holds the reference, by group.",
    ),
    "findings": FigureKind(
        "findings",
        "AUC of each finding",
        "A half is guessing. A long bar means few images with or without the finding.",
        "AUC of each finding with its interval; the numbers are in the table above.",
    ),
}


@dataclass(frozen=True)
class EvaluationPage:
    """Everything that the page says."""

    title: str
    summary: tuple[str, ...]
    highlights: tuple[Highlight, ...]
    sections: tuple[EvaluationSection, ...]
    figures: tuple[PageFigure, ...]
    facts: Mapping[str, Cell]


def draw_beside(measures: RunMeasures, out: Path) -> None:
    """Draw what no single reference has: differences from controls, and findings."""
    if not isinstance(measures.controls, NotMeasured):
        for reference in measures.evaluation.calibrated:
            pairs = {
                f"this run − {control.label}": control.differences[reference]
                for control in measures.controls
                if reference in control.differences
            }
            if any(found[name] for found in pairs.values() for name in FOREST_METRICS):
                figure = difference_forest(pairs, FOREST_METRICS)
                save_figure(figure, out / FOLDERS[reference], "controls")
    aucs = {name: values["auc"] for name, values in measures.findings.items()}
    drawn = {name: value for name, value in aucs.items() if isinstance(value, Interval)}
    labels = {name: f"{name} (n={value.n:,})" for name, value in drawn.items()}
    try:
        figure = interval_chart({"AUC": drawn}, labels, x="AUC against the report", guide=0.5)
    except MetricsError:
        return
    save_figure(figure, out, "findings")


def write_page(
    out: Path, measures: RunMeasures, sections: Sequence[EvaluationSection]
) -> EvaluationPage:
    """Write `evaluation.html` into the evaluation's folder, with the figures that lie there."""
    page = EvaluationPage(
        title=f"What the run {measures.settings.name} is worth on images alone",
        summary=_summarise(measures),
        highlights=_highlight(measures),
        sections=tuple(sections),
        figures=tuple(_collect_figures(measures, out)),
        facts=_state_facts(measures),
    )
    html = make_environment().get_template("evaluation.html.j2").render(page=page)
    write_text(out / PAGE_NAME, html)
    return page


def _collect_figures(measures: RunMeasures, out: Path) -> list[PageFigure]:
    figures = []
    for name, kind in _KINDS.items():
        places = {
            f"Against {name_reference(reference)}.": out / FOLDERS[reference] / f"{name}.svg"
            for reference in measures.evaluation.calibrated
        }
        places["Against what the report says."] = out / f"{name}.svg"
        images = tuple(
            (caption, _encode(file)) for caption, file in places.items() if file.is_file()
        )
        if images:
            figures.append(PageFigure(kind, images))
    return figures


def _encode(file: Path) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(file.read_bytes()).decode()}"


def _summarise(measures: RunMeasures) -> tuple[str, ...]:
    lines = []
    for reference, values in measures.evaluation.calibrated.items():
        lines.append(
            f"Against {name_reference(reference)}, on {measures.evaluation.images[reference]:,}"
            f" test images, its AUC for any edema is {format_cell(values[HEADLINE])}."
        )
    if isinstance(measures.controls, NotMeasured):
        return (*lines, not_measured("Controls", measures.controls))
    for control in measures.controls:
        if control.state != "compared":
            lines.append(f"{control.label.capitalize()}: no control was trained.")
            continue
        for reference, gaps in control.differences.items():
            gap = gaps[HEADLINE]
            if gap is not None:
                lines.append(
                    f"This run − {control.label}, against {name_reference(reference)}:"
                    f" {format_cell(gap, signed=True)} AUC, {_judge(gap)}."
                )
    return tuple(lines)


def _judge(gap: Interval) -> str:
    if round(gap.low, 3) > 0:
        return "a gain that the choice of test patients does not explain"
    if round(gap.high, 3) < 0:
        return "a loss that the choice of test patients does not explain"
    return "within what the choice of test patients explains"


def _highlight(measures: RunMeasures) -> tuple[Highlight, ...]:
    tiles = [
        _tile(values[HEADLINE], "AUC, any edema", f"against {name_reference(reference)}")
        for reference, values in measures.evaluation.calibrated.items()
    ]
    if not isinstance(measures.controls, NotMeasured):
        for control in measures.controls:
            gaps = list(control.differences.items())[-1:]
            tiles += [
                _tile(
                    found[HEADLINE],
                    f"AUC, this run − {control.label}",
                    f"against {name_reference(reference)}",
                    signed=True,
                )
                for reference, found in gaps
            ]
            if not gaps:
                tiles.append(Highlight("–", f"this run − {control.label}", "no control trained"))
    if not isinstance(measures.retrieval, NotMeasured):
        forth = measures.retrieval[0]
        detail = f"image → report; chance {forth.chance[10]:.3f}"
        tiles.append(_tile(forth.recall[10], "R@10", detail))
    if not isinstance(measures.trust, NotMeasured):
        verdicts = [check.verdict for check in measures.trust]
        errors, warnings = verdicts.count("error"), verdicts.count("warning")
        tiles.append(Highlight(f"{errors} / {warnings}", "errors / warnings", "trust report"))
    return tuple(tiles)


def _tile(value: Cell, label: str, detail: str, *, signed: bool = False) -> Highlight:
    middle = value.value if isinstance(value, Interval) else value
    return Highlight(format_cell(middle, signed=signed), label, detail)


def _state_facts(measures: RunMeasures) -> dict[str, Cell]:
    settings, test = measures.settings, measures.test
    identity = read_identity(measures.folder)
    hashes = {
        f"{name} (SHA-256)": str(value)[:HASH_LETTERS]
        for name, value in identity.items()
        if isinstance(value, str) and name != "settings"
    }
    return {
        "Run": settings.name,
        "Trained on": "images and reports" if settings.task.kind == "joint" else "images alone",
        "Corpus": settings.data.corpus,
        "Test images": len(test),
        "Test patients": int(test["patient_id"].nunique()),
        "Seed": settings.seed,
        "Steps": settings.loop.steps,
        "Resamples": settings.evaluation.resamples,
        "Settings (SHA-256)": hash_training(settings)[:HASH_LETTERS],
        **hashes,
        "Kerley": version("kerley"),
    }
