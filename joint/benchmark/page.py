"""The benchmark's page and table: the same content as text, as Markdown and as one HTML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from configs.files import write_text
from joint.benchmark.settings import BenchmarkSettings
from joint.benchmark.summary import Summary
from joint.benchmark.tables import list_tables
from joint.html_report import lay_out, make_environment
from joint.report_content import ResultTable
from vision.figure_style import figure_to_svg

CAPTIONS = {
    "arms": "AUC for any edema of each arm in the main scenario.",
    "gains": "What each part adds: paired differences; an interval clear of the line is a gain that"
    " neither the choice of patients nor the training seed explains.",
    "noise": "AUC and macro-F1 over the share of grades that each labeling function gets wrong.",
    "labels": "AUC and macro-F1 over the number of graded reports.",
    "anchors": "An over-calling reader spoils thresholds, not ranking; a few trusted grades of the"
    " image mend them.",
    "shortcut": "A device that goes with edema in training, and against it in the flipped images.",
}


@dataclass(frozen=True)
class BenchmarkPage:
    """What is shown: sentences, tables, and figures as `data:` URIs by caption."""

    title: str
    sentences: tuple[str, ...]
    tables: tuple[ResultTable, ...]
    figures: Mapping[str, str]


def describe_page(
    summary: Summary, settings: BenchmarkSettings, figures: Mapping[str, Figure]
) -> BenchmarkPage:
    """Put a summary into sentences and tables."""
    main = settings.main()
    sentences = (
        f"{settings.studies:,} studies of {settings.image_size} × {settings.image_size} pixels,"
        f" {main.labelled} of them graded in training; {settings.steps} steps of"
        f" {settings.batch} images per run; {len(summary.seeds)} seeds;"
        f" {summary.seconds / 60:.0f} minutes of processor time in all runs.",
        "Brackets hold 95 % intervals that draw patients and seeds anew. All grades are given from"
        " the image alone and held against what the image shows.",
    )
    return BenchmarkPage(
        title="Learning to grade from reports: the benchmark with known truth",
        sentences=sentences,
        tables=tuple(list_tables(summary, settings)),
        figures={CAPTIONS[name]: figure_to_svg(figure) for name, figure in figures.items()},
    )


def write_page(folder: Path, page: BenchmarkPage) -> None:
    """Write `report.html`, one file that loads nothing, and `results.md`, each atomically."""
    environment = make_environment()
    for name, template in (("report.html", "benchmark.html.j2"), ("results.md", "benchmark.md.j2")):
        write_text(folder / name, environment.get_template(template).render(page=page))


def format_text(page: BenchmarkPage) -> list[str]:
    """Give the page's tables as lines of aligned text."""
    lines: list[str] = []
    for table in page.tables:
        layout = lay_out(table)
        rows = [(layout.corner, *layout.heads)]
        rows += [
            (head, *(f"{cell.number} {cell.range}".strip() for cell in cells))
            for head, cells in layout.lines
        ]
        widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
        lines += ["", table.title]
        for row in rows:
            padded = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
            lines.append("  ".join([row[0].ljust(widths[0]), *padded]).rstrip())
    return lines
