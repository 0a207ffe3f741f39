"""The sections of an evaluation as lines of text, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from joint.evaluation.content import RUN_PLACEHOLDER
from joint.evaluation.sections import EvaluationSection
from joint.html_report import TableCell, lay_out
from joint.report_content import ResultTable

PRINTED_BEFORE = ("grades", "findings")
"""Sections that `describe_evaluation` has said already."""


def describe_sections_in_lines(sections: Sequence[EvaluationSection], run: Path) -> Iterator[str]:
    """Give titles, sentences and tables; commands name the folder `run`, and not a placeholder."""
    for section in sections:
        if section.key in PRINTED_BEFORE:
            continue
        yield ""
        yield section.title.upper()
        for sentence in section.text:
            yield sentence.replace("`", "").replace(RUN_PLACEHOLDER, str(run))
        for table in section.tables:
            yield table.title
            yield from format_table(table)


def format_table(table: ResultTable) -> list[str]:
    """Lay a table out in columns as wide as their widest cell; of words, verdict and finding."""
    layout = lay_out(table)
    if table.kind == "words":
        return [f"  {head}: {'; '.join(map(_join, cells[:2]))}" for head, cells in layout.lines]
    rows = [(layout.corner, *layout.heads)]
    rows += [(head, *map(_join, cells)) for head, cells in layout.lines]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    first, *others = widths
    return [
        f"  {row[0]:{first}}"
        + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], others, strict=True))
        for row in rows
    ]


def _join(cell: TableCell) -> str:
    return f"{cell.number} {cell.range}".strip()
