"""Scores for the terminal: the tables that `kerley score` prints."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from data_cards.findings import SEVERITY_LEVELS
from text_labeler.finding_intervals import FindingEstimate
from text_labeler.level_intervals import (
    ACCURACY,
    COVERAGE,
    KAPPA,
    MET,
    RECALLS,
    count_severity_support,
)
from text_labeler.score_intervals import Difference, Estimate
from text_labeler.score_sheet import AspectScores, ScorePolicy, ScoreSheet, SeveritySheet
from text_labeler.scoring import Aspect, UncertainAs

PLAIN_WIDTH = 100
"""Columns of the output when it does not go to a terminal."""

UNCERTAIN: dict[UncertainAs, str] = {
    "absent": "uncertain counts as absent",
    "present": "uncertain counts as present",
    "uncertain": "uncertain labels are left out of their finding",
}


def render_sheet(
    sheet: ScoreSheet, policy: ScorePolicy, *, other: str | None = None
) -> Iterator[RenderableType]:
    """Give tables of what a sheet holds; `other` names the labels that were compared."""
    for scores in sheet.aspects:
        rest = f"; {UNCERTAIN[policy.uncertain_as]}" if scores.aspect is Aspect.PRESENCE else ""
        yield Text(f"Findings, {scores.aspect} ({scores.studies} studies{rest})", style="bold")
        yield _render_findings(scores, policy)
        yield from _list_remarks(scores, policy)
        if scores.differences:
            yield Text(f"F1 of {scores.aspect}, less that of {other}", style="bold")
            yield _render_differences(_name_alone(scores, policy))
            yield Text()
    if sheet.severity is not None:
        yield Text("Edema severity: the reference by row, the labels by column", style="bold")
        yield _render_levels(sheet.severity)
        yield Text()
        yield _render_severity(sheet.severity)
        yield Text()
        if sheet.severity.differences:
            yield Text(f"Edema severity, less that of {other}", style="bold")
            yield _render_differences(
                (one.name, one) for one in sheet.severity.differences if one.support
            )
    if not sheet.aspects and sheet.severity is None:
        yield Text("Nothing to score: of no study that both have does the reference say a finding.")
        return
    yield Text("Behind each score: its 95 % interval (see docs/scoring.md).", style="dim")


def new_table(*numbers: str) -> Table:
    """Return a table of names and right-aligned numbers, as narrow as it can be."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column("")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _render_findings(scores: AspectScores, policy: ScorePolicy) -> Table:
    table = new_table("n", "given", "precision", "recall", "F1")
    *named, micro, macro = scores.findings
    silent = [one.finding for one in named if not one.support]
    for one in named:
        if one.support or one.given:
            _add_finding(table, one.finding, one)
    table.add_section()
    _add_finding(table, f"micro, {len(named)} findings", micro)
    _add_finding(table, f"macro, {len(named) - len(silent)} with n > 0", macro)
    for one in scores.alone:
        _add_finding(table, f"{one.finding}, {_name_findings(policy)}", one)
    return table


def _list_remarks(scores: AspectScores, policy: ScorePolicy) -> Iterator[RenderableType]:
    if scores.alone:
        yield Text(f"{_name_findings(policy)}: {', '.join(policy.alone)}", style="dim")
    left_out = scores.findings[-1].left_out
    if left_out:
        yield Text(f"{left_out} pairs of study and finding left out as uncertain", style="dim")
    yield Text()


def _name_findings(policy: ScorePolicy) -> str:
    return f"the {len(policy.alone)}"


def _add_finding(table: Table, name: str, one: FindingEstimate) -> None:
    is_macro = one.finding == "macro"
    counts = ("", "") if is_macro else (str(one.support), str(one.given))
    table.add_row(name, *counts, *map(format_estimate, (one.precision, one.recall, one.f1)))


def _name_alone(scores: AspectScores, policy: ScorePolicy) -> Iterator[tuple[str, Difference]]:
    for one in scores.differences:
        if not math.isnan(one.difference.value):
            yield one.name, one
    for one in scores.differences_alone:
        yield f"{one.name}, {_name_findings(policy)}", one


def _render_differences(differences: Iterable[tuple[str, Difference]]) -> Table:
    table = new_table("n", "these", "other", "difference")
    for name, one in differences:
        table.add_row(
            name,
            str(one.support),
            format_number(one.first),
            format_number(one.second),
            format_estimate(one.difference, sign="+"),
        )
    return table


def _render_levels(severity: SeveritySheet) -> Table:
    levels = [str(level) for level in range(SEVERITY_LEVELS)]
    table = new_table("n", *levels, "none", "recall")
    for level, row in enumerate(severity.counts.confusion):
        if row.sum():
            recall = format_estimate(severity.estimates[RECALLS[level]])
            table.add_row(f"level {level}", str(row.sum()), *map(str, row), recall)
    for group, row in severity.counts.unleveled.items():
        table.add_row(group, str(row.sum()), *map(str, row), "")
    return table


def _render_severity(severity: SeveritySheet) -> Table:
    meanings = {
        ACCURACY: "accuracy where both have a level",
        KAPPA: "quadratic kappa where both have a level",
        MET: "reference levels met, none given is a miss",
        COVERAGE: "reports that speak of edema given a level",
    }
    table = new_table("n", "")
    for name, meaning in meanings.items():
        support = str(count_severity_support(severity.counts, name))
        table.add_row(meaning, support, format_estimate(severity.estimates[name]))
    return table


def format_estimate(estimate: Estimate, *, sign: str = "", digits: int = 3) -> str:
    """Write a number with its interval: `0.957 0.931–0.975`; `-` where it is not defined."""
    if math.isnan(estimate.value):
        return "-"
    value, lower, upper = (format_number(number, sign, digits) for number in estimate)
    return f"{value} {lower}{' to ' if sign else '–'}{upper}"


def format_number(number: float, sign: str = "", digits: int = 3) -> str:
    """Write a number; `-` where it is not defined."""
    return "-" if math.isnan(number) else f"{number:{sign}.{digits}f}"
