"""An analysis of labelers for the terminal: the tables that `kerley combine --analyse` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from text_labeler.label_matrix import SEVERITY
from text_labeler.labeler_analysis import LabelerAnalysis, LabelerRow
from text_labeler.labeler_pairs import PairRow
from text_labeler.score_report import format_estimate, format_number, new_table

PAIRS_EACH = 5
"""So many pairs stand beside each other: more would be wider than a terminal."""

NAME_WIDTH = 24

SAME_RULES = (
    "Two labelers that follow the same rules are one voice: name them with --same-rules, or the"
    " probabilities will be too sure. Where the label model flags a pair (*), look whether they"
    " do. But labelers that share most of their errors can pass for the truth: then nothing is"
    " flagged, or it is the independent pairs. Audited reads tell: labelers that share rules are"
    " wrong together more often than by chance."
)


CONTRADICTED = (
    "! The label model's estimate lies outside the measured interval: its probabilities are not to"
    " be trusted there. Look for labelers that only speak up for what is there (--silence"
    " informative), for labelers that share rules (--same-rules), or for too few labelers."
)


def render_analysis(analysis: LabelerAnalysis) -> Iterator[RenderableType]:
    """Give the tables: votes, accuracies, and agreement of pairs, 100 columns wide at most.

    A labeler is left out of a column on which it says nothing; columns of which one of several
    labelers speaks and nobody read are only named.
    """
    yield _bold(f"Labelers ({analysis.studies} studies)")
    yield _render_labelers(analysis)
    alone = _list_alone(analysis)
    speaking = [row for row in analysis.rows if row.coverage and row.column not in alone]
    if alone:
        yield Text(f"Only one labeler speaks of {', '.join(alone)}.", style="dim")
    for heading, rows, classes in (
        ("Votes", [row for row in speaking if row.column != SEVERITY], ("negative", "positive")),
        ("Votes by grade", [row for row in speaking if row.column == SEVERITY], tuple("0123")),
    ):
        if rows:
            yield _bold(f"{heading}, and shares of all studies")
            yield _render_votes(rows, classes, analysis)
    if any(row.estimated_accuracy >= 0 or row.correct + row.incorrect for row in speaking):
        measured = ", and on n audited studies" if any(analysis.audited) else ""
        yield _bold(f"How many of the votes are right: by the label model{measured}")
        yield _render_accuracies(speaking, analysis)
        if any(row.is_contradicted for row in speaking):
            yield Text(CONTRADICTED, style="dim")
    if len(analysis.labelers) > 1:
        yield _bold("Agreement, then Cohen's kappa (for grades with quadratic weights)")
        yield from _render_pairs(analysis)
        yield _bold("Pairs, over all columns")
        yield _sum_up_pairs(analysis)
        yield from _list_dependent(analysis)
    yield Text("What each number means: docs/combining.md.", style="dim")


def number_labelers(analysis: LabelerAnalysis) -> dict[str, int]:
    """Number the labelers from 1, as pairs are named."""
    return {labeler: place for place, labeler in enumerate(analysis.labelers, 1)}


class PairSum(NamedTuple):
    """Two labelers over all columns; `flagged`: the columns where they agree too often."""

    first: str
    second: str
    both: int
    agreement: float
    audited: int
    wrong_together: int
    wrong_by_chance: float
    flagged: tuple[PairRow, ...]


def sum_up_pairs(analysis: LabelerAnalysis) -> list[PairSum]:
    """Put the columns of each pair together: a vote on one study and column counts once."""
    rows: dict[tuple[str, str], list[PairRow]] = {}
    for pair in analysis.pairs:
        rows.setdefault((pair.first, pair.second), []).append(pair)
    sums = []
    for (first, second), pairs in rows.items():
        both = sum(pair.both for pair in pairs)
        agreed = sum(pair.agreement * pair.both for pair in pairs if pair.both)
        sums.append(
            PairSum(
                first,
                second,
                both,
                agreed / both if both else float("nan"),
                sum(pair.audited for pair in pairs),
                sum(pair.wrong_together for pair in pairs),
                sum(pair.wrong_by_chance for pair in pairs),
                tuple(pair for pair in pairs if pair.is_dependent),
            )
        )
    return sums


def describe_dependence(pairs: Sequence[PairRow]) -> str:
    """Say where two labelers agree more than the truth explains, column by column."""
    parts = []
    for pair in pairs:
        part = f"{pair.column} ({pair.agreement:.3f}, expected {pair.expected:.3f}, z {pair.z:.1f}"
        if pair.audited:
            part += f"; wrong together {pair.wrong_together}, by chance {pair.wrong_by_chance:.1f}"
            part += f", of {pair.audited} audited"
        parts.append(f"{part})")
    return ", ".join(parts)


def _list_alone(analysis: LabelerAnalysis) -> list[str]:
    """Name the columns in which there is nothing to compare, though there are several labelers."""
    if len(analysis.labelers) == 1:
        return []
    speaking = Counter(row.column for row in analysis.rows if row.coverage)
    read = {row.column for row in analysis.rows if row.correct + row.incorrect}
    return [name for name in analysis.columns if speaking[name] == 1 and name not in read]


def _bold(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def _render_labelers(analysis: LabelerAnalysis) -> Table:
    table = new_table("columns", "votes", "uncertain")
    for labeler, number in number_labelers(analysis).items():
        rows = [row for row in analysis.rows if row.labeler == labeler]
        votes, uncertain = sum(sum(row.votes) for row in rows), sum(row.uncertain for row in rows)
        covered = sum(row.coverage > 0 for row in rows)
        table.add_row(Text(f"{number} {labeler}"), str(covered), str(votes), str(uncertain))
    return table


def _render_votes(
    rows: Sequence[LabelerRow], classes: Sequence[str], analysis: LabelerAnalysis
) -> Table:
    has_uncertain = any(row.uncertain for row in rows)
    counts = (*classes, *(("uncertain",) if has_uncertain else ()))
    table = new_table(*counts, "coverage", "overlaps", "conflicts")
    for row in _add_headings(table, rows):
        numbers = (*row.votes, *((row.uncertain,) if has_uncertain else ()))
        shares = (row.coverage, row.overlaps, row.conflicts)
        table.add_row(
            _name(row, analysis), *map(str, numbers), *(format_number(share) for share in shares)
        )
    return table


def _render_accuracies(rows: Sequence[LabelerRow], analysis: LabelerAnalysis) -> Table:
    measured = ("n", "measured\naccuracy", "measured\nsensitivity", "measured\nspecificity")
    has_reads = any(analysis.audited)
    table = new_table(
        "model\nacc.", "model\nsens.", "model\nspec.", *(measured if has_reads else ())
    )
    for row in _add_headings(table, rows):
        estimated = (row.estimated_accuracy, row.estimated_sensitivity, row.estimated_specificity)
        cells = [format_number(value, digits=2) for value in estimated]
        cells[0] += "!" if row.is_contradicted else " "
        if has_reads:
            cells.append(str(row.correct + row.incorrect))
            cells.extend(
                format_estimate(estimate, digits=2)
                for estimate in (
                    row.empirical_accuracy,
                    row.empirical_sensitivity,
                    row.empirical_specificity,
                )
            )
        table.add_row(_name(row, analysis), *cells)
    return table


def _add_headings(table: Table, rows: Sequence[LabelerRow]) -> Iterator[LabelerRow]:
    """Give the rows, each column's name added to the table before its first."""
    for column, group in groupby(rows, lambda row: row.column):
        table.add_row(Text(column, style="bold"))
        yield from group


def _name(row: LabelerRow, analysis: LabelerAnalysis) -> Text:
    """Name a labeler, cut to fit; as Text, since a name may look like Rich's markup."""
    name = f" {number_labelers(analysis)[row.labeler]} {row.labeler}"
    return Text(name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 1]}…")


def _render_pairs(analysis: LabelerAnalysis) -> Iterator[Table]:
    numbers = number_labelers(analysis)
    pairs = {
        (pair.first, pair.second): f"{numbers[pair.first]}·{numbers[pair.second]}"
        for pair in analysis.pairs
    }
    found = {(pair.column, pair.first, pair.second): pair for pair in analysis.pairs if pair.both}
    columns = [name for name in analysis.columns if any(key[0] == name for key in found)]
    names = [name for name in pairs if any(key[1:] == name for key in found)]
    for start in range(0, len(names), PAIRS_EACH):
        shown = names[start : start + PAIRS_EACH]
        table = new_table(*(pairs[name] for name in shown))
        for column in columns:
            cells = (_format_pair(found.get((column, *name))) for name in shown)
            table.add_row(Text(column), *cells)
        yield table


def _format_pair(pair: PairRow | None) -> str:
    if pair is None:
        return "-"
    flag = "*" if pair.is_dependent else " "
    return f"{pair.agreement:.2f} {format_number(pair.kappa, digits=2):>5}{flag}"


def _sum_up_pairs(analysis: LabelerAnalysis) -> Table:
    numbers = number_labelers(analysis)
    reads = ("audited", "wrong together", "by chance") if any(analysis.audited) else ()
    table = new_table("votes of both", "agreement", "flagged", *reads)
    for pair in sum_up_pairs(analysis):
        cells = [str(pair.both), format_number(pair.agreement), str(len(pair.flagged))]
        if reads:
            cells += [str(pair.audited), str(pair.wrong_together), f"{pair.wrong_by_chance:.1f}"]
        table.add_row(f"{numbers[pair.first]}·{numbers[pair.second]}", *cells)
    return table


def _list_dependent(analysis: LabelerAnalysis) -> Iterator[RenderableType]:
    numbers = number_labelers(analysis)
    if analysis.dependent:
        yield _bold("* More agreement than the truth that the model found explains")
    for pair in sum_up_pairs(analysis):
        if pair.flagged:
            names = f"{numbers[pair.first]} {pair.first} and {numbers[pair.second]} {pair.second}"
            yield Text(f"{names}: {describe_dependence(pair.flagged)}")
    yield Text(f"\n{SAME_RULES}", style="dim")
