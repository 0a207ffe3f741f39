"""A transition in words and tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from data_cards.findings import SEVERITY_NAMES
from data_cards.transition import Cells, PriorSource, ReportToImage, Transition

PRESENCE_NAMES = ("absent", "present")
SHADES = " ░▒▓█"
CELL_WIDTH = 18


def describe_transition(transition: ReportToImage) -> list[str]:
    """Give all of a transition as lines: source, both directions with intervals, notes."""
    source = transition.source
    lines = [f"Source: {transition.describe_source()}"]
    if isinstance(source, PriorSource):
        lines.append(f"Derived: {source.derivation}")
    else:
        patients = "no patient ids" if source.patients is None else f"{source.patients} patients"
        lines.append(
            f"{source.images} images of {source.studies} studies ({patients}) against"
            f" {source.labels_file}; {source.unmatched} reads without a graded report;"
            f" {source.created}"
        )
    lines += [f"Note: {note}" for note in transition.notes]
    percent = f"{100 * transition.level:g} %"
    lines += ["", *_describe(f"Grade ({percent} intervals)", transition.grade, SEVERITY_NAMES)]
    for finding, two_by_two in transition.findings.items():
        lines += ["", *_describe(f"{finding} ({percent} intervals)", two_by_two, PRESENCE_NAMES)]
    return lines


def _describe(title: str, transition: Transition, names: Sequence[str]) -> list[str]:
    prior = "  ".join(f"{p:.3f}" for p in transition.image_prior)
    total = sum(transition.report_counts)
    said = "  ".join(f"{count / max(1, total):.3f}" for count in transition.report_counts)
    reads = "; ".join(" ".join(map(str, row)) for row in transition.counts)
    return [
        title,
        *_tabulate("P(report | image)", "image", "report", transition.report_given_image, names),
        *_tabulate("P(image | report)", "report", "image", transition.image_given_report, names),
        f"  P(report), from {total:,} graded reports: {said}",
        f"  P(image), from P(report) and P(image | report): {prior}",
        f"  Reads (row: report, column: image): {reads}",
    ]


def _tabulate(title: str, rows: str, columns: str, cells: Cells, names: Sequence[str]) -> list[str]:
    numbers = range(len(names))
    head = "".join(f"{f'{columns} {number}':<{CELL_WIDTH + 3}}" for number in numbers)
    lines = [f"  {title:<30}{head}".rstrip()]
    for number, name in enumerate(names):
        parts = zip(cells.values[number], cells.low[number], cells.high[number], strict=True)
        shown = "".join(
            f"{_shade(p)} {f'{p:.2f} ({a:.2f}–{b:.2f})':<{CELL_WIDTH}} " for p, a, b in parts
        )
        lines.append(f"  {f'{rows} {number} {name}':<30}{shown}".rstrip())
    return lines


def _shade(probability: float) -> str:
    return SHADES[min(int(probability * len(SHADES)), len(SHADES) - 1)]
