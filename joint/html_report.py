"""The report of a run as one HTML file that needs nothing else, and its README in Markdown.

The HTML has its style and images inside, asks the network for nothing and runs no script. It
holds report text and X-rays: for the phantom corpus that harms nobody, for a real one the file
belongs where the corpus may lie.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import jinja2
from markupsafe import Markup, escape

from configs.files import write_text
from data_cards.findings import SEVERITY_NAMES
from joint.report_content import Cell, ReportContent, ReportError, ResultTable
from vision.intervals import Interval
from vision.metrics import LOWER_IS_BETTER, METRIC_LABELS

SECTION_TITLES = {
    "labels": "What the mined labels are worth",
    "training": "Training",
    "results": "Results on images alone",
    "calibration": "Calibration",
    "images": "Graded X-rays",
}
"""Sections that hold figures, in the order of the page."""

MOST_COLUMNS = 5
"""A table with more metrics than this is turned: 95 % intervals need width."""


def write_html_report(path: Path, content: ReportContent) -> None:
    """Write the report as one self-contained HTML file, atomically.

    Raises ReportError for a figure that is not a `data:` image, has no alternative text, or a
    report whose highlighting is not escaped HTML.
    """
    _check_content(content)
    write_text(path, make_environment().get_template("report.html.j2").render(content=content))


def write_readme(path: Path, content: ReportContent) -> None:
    """Write the run's README (Markdown, the same tables, no report text), atomically."""
    write_text(path, make_environment().get_template("readme.md.j2").render(content=content))


def format_cell(value: Cell, *, signed: bool = False) -> str:
    """Show a value: `0.912 [0.884, 0.938]`, `0.912`, `6,000`, text, or `–` for None."""
    if isinstance(value, Interval):
        return f"{format_cell(value.value, signed=signed)} {format_range(value)}"
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    sign = "+" if signed else ""
    text = f"{value:{sign},}" if isinstance(value, int) else f"{value:{sign}.3f}"
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")
    return text.replace("-", "−")


def format_range(value: Interval) -> str:
    """Show the ends of an interval: `[0.884, 0.938]`."""
    return f"[{format_cell(value.low)}, {format_cell(value.high)}]"


class TableCell(NamedTuple):
    """One cell as it is shown: `number` and `range` (the interval's ends, or nothing)."""

    number: str
    range: str
    bold: bool


class TableLayout(NamedTuple):
    """A table as it is shown: the heads of its columns, then a head and cells per line."""

    corner: str
    heads: tuple[str, ...]
    lines: tuple[tuple[str, tuple[TableCell, ...]], ...]


def lay_out(table: ResultTable) -> TableLayout:
    """Format every cell; turn a table of many metrics so that each metric is a line."""
    best, signed = find_best(table), table.kind == "differences"
    rows, columns = tuple(table.rows), table.columns

    def show(row: str, name: str) -> TableCell:
        cell, bold = table.rows[row].get(name), (row, name) in best
        if isinstance(cell, Interval):
            return TableCell(format_cell(cell.value, signed=signed), format_range(cell), bold)
        return TableCell(format_cell(cell, signed=signed), "", bold)

    labels = tuple(metric_label(name) for name in columns)
    if len(columns) > MOST_COLUMNS and len(rows) <= MOST_COLUMNS:
        turned = (tuple(show(row, name) for row in rows) for name in columns)
        return TableLayout("", rows, tuple(zip(labels, turned, strict=True)))
    straight = (tuple(show(row, name) for name in columns) for row in rows)
    return TableLayout(table.row_heading, labels, tuple(zip(rows, straight, strict=True)))


def find_best(table: ResultTable) -> set[tuple[str, str]]:
    """Name the cells (row, column) to be set in bold.

    Among values: the best of each column that has a direction and at least two numbers, ties
    included. Among differences: those whose interval does not hold zero.
    """
    cells = {(row, name): cell for row, line in table.rows.items() for name, cell in line.items()}
    if table.kind == "differences":
        return {at for at, cell in cells.items() if _excludes_zero(cell)}
    best: set[tuple[str, str]] = set()
    for name in table.columns if table.kind == "values" else ():
        numbers = {row: _number(cells.get((row, name))) for row in table.rows}
        shown = {row: round(number, 3) for row, number in numbers.items() if number is not None}
        if name in METRIC_LABELS and len(shown) > 1:
            goal = min(shown.values()) if name in LOWER_IS_BETTER else max(shown.values())
            best |= {(row, name) for row, number in shown.items() if number == goal}
    return best


def describe_sample(table: ResultTable) -> str:
    """Say on how many images of how many patients the intervals of a table stand, if all do."""
    cells = (cell for line in table.rows.values() for cell in line.values())
    samples = {(cell.n, cell.clusters) for cell in cells if isinstance(cell, Interval)}
    if len(samples) != 1:
        return ""
    images, patients = samples.pop()
    return f"{images:,} images of {patients:,} patients"


def metric_label(name: str) -> str:
    """Give a column its short name and an arrow to the better side."""
    if name not in METRIC_LABELS:
        return name
    return f"{METRIC_LABELS[name]} {'↓' if name in LOWER_IS_BETTER else '↑'}"


def make_environment() -> jinja2.Environment:
    """Make what renders the templates: HTML is escaped, a name that is missing is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("joint", "templates"),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        {
            "cell": format_cell,
            "code": _mark_code,
            "markdown": _escape_markdown,
            "markdown_code": _escape_around_code,
        }
    )
    environment.globals.update(
        {
            "lay_out": lay_out,
            "describe_sample": describe_sample,
            "severity_names": SEVERITY_NAMES,
            "section_titles": SECTION_TITLES,
        }
    )
    return environment


def _check_content(content: ReportContent) -> None:
    for figure in content.figures:
        if not figure.data_uri.startswith("data:image/"):
            raise ReportError(
                f"figure {figure.title!r}: expected its image as a data: URI,"
                f" found {figure.data_uri[:40]!r}"
            )
        if not figure.alt.strip():
            raise ReportError(f"figure {figure.title!r}: no alternative text")
    for report in content.label_sample:
        if not isinstance(report.highlighted, Markup):
            raise ReportError(
                f"label sample, study {report.study_id}: expected highlighted text as escaped"
                f" Markup, found {type(report.highlighted).__name__}"
            )


def _mark_code(text: object) -> Markup:
    """Escape text and show what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704


def _escape_markdown(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def _escape_around_code(text: object) -> str:
    """Escape Markdown, but for what stands between backticks, which is shown as it is."""
    parts = str(text).split("`")
    return "`".join(
        part if number % 2 else re.sub(r"([|<])", r"\\\1", part)
        for number, part in enumerate(parts)
    )


def _number(cell: Cell) -> float | None:
    if isinstance(cell, Interval):
        return cell.value
    return None if cell is None or isinstance(cell, str) else float(cell)


def _excludes_zero(cell: Cell) -> bool:
    """Say whether the interval leaves zero out as it is shown: an end of 0.000 does not."""
    return isinstance(cell, Interval) and (round(cell.low, 3) > 0 or round(cell.high, 3) < 0)
