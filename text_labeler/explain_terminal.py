"""An explanation in the terminal: the report with its words marked, then what gave each label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from data_cards.findings import SEVERITY_NAMES
from text_labeler.explain import ExplainedSeverity, Explanation, Reason
from text_labeler.highlight import KINDS, cut_at_marks, make_visible

PLAIN_WIDTH = 120
"""Columns of the output when it does not go to a terminal, so that it is the same everywhere."""

STYLES = {"positive": "red", "uncertain": "yellow", "negative": "green", "severity": "blue"}
_BAR = 20


def render_explanation(explanation: Explanation, console: Console) -> RenderableType:
    """Lay out the report, the severity and the labels for a console.

    Without colours (NO_COLOR, or not a terminal) marked words stand in « »; the number behind
    them is the first column of the labels. Control characters of the report are not shown.
    """
    has_colors = console.is_terminal and not console.no_color
    parts: list[RenderableType] = [_render_report(explanation, has_colors), Text()]
    parts += [Text(line, style="dim") for line in _list_remarks(explanation, has_colors)]
    if explanation.severity:
        parts += [Text(), _render_severity(explanation.severity)]
    if explanation.severity or explanation.labels:
        parts += [Text(), *_render_labels(explanation), Text()]
    else:
        parts.append(Text("No label: the report says nothing of it."))
    if explanation.not_mentioned:
        parts.append(Text(f"Not mentioned: {', '.join(explanation.not_mentioned)}", style="dim"))
    return Group(*parts)


def _render_report(explanation: Explanation, has_colors: bool) -> Text:
    report = make_visible(explanation.report).rstrip()
    places = {
        (reason.evidence.start, reason.evidence.end): reason.number
        for reason in explanation.reasons
    }
    opened: dict[int, int] = {}
    closed: dict[int, list[int]] = {}
    for (start, end), number in places.items():
        opened[start] = opened.get(start, 0) + 1
        closed.setdefault(end, []).append(number)
    text = Text()
    for start, end, active in cut_at_marks(len(report), _list_marks(explanation, len(report))):
        if not has_colors:
            text.append("«" * opened.get(start, 0))
        text.append(report[start:end], style=_choose_style(active))
        if end in closed:
            numbers = ",".join(str(number) for number in sorted(closed[end]))
            text.append("" if has_colors else "»" * len(closed[end]))
            text.append(f"[{numbers}]", style="dim")
    return text


def _list_marks(explanation: Explanation, length: int) -> Iterator[tuple[int, int, str]]:
    for section in explanation.sections:
        end = section.heading_end if section.counts else section.end
        yield section.start, min(end, length), "dim"
    for reason in explanation.reasons:
        piece = reason.evidence
        yield piece.start, piece.end, reason.kind
        if piece.cue_start is not None and piece.cue_end is not None:
            yield piece.cue_start, piece.cue_end, "cue"


def _choose_style(active: list[str]) -> str:
    kind = min((one for one in active if one in STYLES), key=KINDS.index, default="")
    words = [f"bold {STYLES[kind]}"] if kind else []
    words += ["underline"] if "cue" in active else []
    return " ".join(words or (["dim"] if "dim" in active else []))


def _list_remarks(explanation: Explanation, has_colors: bool) -> Iterator[str]:
    if has_colors:
        yield (
            "Red: is there. Yellow: may be there. Green: is not there. Blue: counts for the"
            " severity of edema only. Underlined: the cue."
        )
    else:
        yield "Words in « » gave a label; the number behind them is the first column below."
    silent = [one for one in explanation.sections if not one.counts]
    if silent:
        named = ", ".join(f"{one.name} {one.start}-{one.end}" for one in silent)
        yield f"Asserts nothing under the profile {explanation.profile} (characters): {named}"
    if explanation.truncated:
        yield "Only the beginning of this report was read."


def _render_severity(severity: ExplainedSeverity) -> RenderableType:
    bars = Table.grid(padding=(0, 1))
    for level, share in enumerate(severity.probabilities):
        style = "bold blue" if level == severity.level else ""
        bar = "█" * round(share * _BAR)
        bars.add_row(
            f"  {level}", Text(SEVERITY_NAMES[level], style), f"{share:.2f}", Text(bar, "blue")
        )
    head = f"Severity of pulmonary edema: {severity.level}, {severity.name}"
    if severity.change:
        head += f"; against the prior study: {severity.change}"
    return Group(Text(head, style="bold"), bars)


def _render_labels(explanation: Explanation) -> Iterator[RenderableType]:
    head = _make_grid()
    head.add_row("No", "Words", "Cue", "Details", "Section", "Characters", "Rule", style="dim")
    yield head
    if explanation.severity:
        yield Text(f"Edema severity: {explanation.severity.level}", style="bold blue")
        yield _render_reasons(explanation.severity.reasons)
    for label in explanation.labels:
        title = Text(label.finding, style="bold")
        title.append(f": {label.says} {label.probability:.2f}", style=STYLES[label.says])
        yield title
        if label.note:
            yield Text(f"     {label.note}")
        yield _render_reasons(label.reasons)


def _make_grid() -> Table:
    """Make a table whose columns stand at the same places in all tables of a console's width."""
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(width=4, justify="right")
    for ratio in (4, 3, 3):
        grid.add_column(ratio=ratio)
    grid.add_column(width=10, overflow="fold")
    grid.add_column(width=11, overflow="fold")
    grid.add_column(ratio=4, overflow="fold")
    return grid


def _render_reasons(reasons: Iterable[Reason]) -> Table:
    grid = _make_grid()
    for reason in reasons:
        piece = reason.evidence
        details = [*reason.details, *(["overruled"] if reason.is_overruled else [])]
        grid.add_row(
            str(reason.number),
            Text(make_visible(reason.words), style=STYLES[reason.kind]),
            Text(make_visible(reason.cue), style="underline"),
            Text(", ".join(details)),
            piece.section,
            f"{piece.start}-{piece.end}",
            Text(piece.rule, style="dim"),
        )
    return grid
