"""The command `kerley combine`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from text_labeler.command_error import CommandError

if TYPE_CHECKING:
    from text_labeler.combine_files import CombinedLabelers


def combine(
    labels: Annotated[
        list[str],
        typer.Argument(
            help="One file for each labeler, as PATH or NAME=PATH: a label table (Parquet), a CSV"
            " in CheXpert's, MIMIC-CXR's or ChestX-ray14's columns, JSON lines of the same names,"
            " or Snorkel's matrix (.npz)."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="The label table to write (Parquet).")] = None,
    audited: Annotated[
        Path | None,
        typer.Option(help="What people read, in any of these tables: kept as the truth."),
    ] = None,
    same_rules: Annotated[
        list[str] | None,
        typer.Option(help="Labelers that share rules and count as one: A,B. May be repeated."),
    ] = None,
    silence: Annotated[
        Literal["ignored", "informative"],
        typer.Option(help="What a labeler's silence about a finding says: nothing, or something."),
    ] = "ignored",
    implications: Annotated[
        bool,
        typer.Option(help="Hold finer findings to their parents, grades to Edema, No Finding."),
    ] = True,
    sure: Annotated[
        float,
        typer.Option(help="What makes a class the label: this probability, over a half."),
    ] = 0.5,
    analyse: Annotated[
        bool, typer.Option("--analyse", help="Print what each labeler is like, and how they agree.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write the analysis as a page.")] = None,
    rows: Annotated[
        Path | None,
        typer.Option(help="Write all rows of the analysis: .json, or .csv with the pairs beside."),
    ] = None,
    snorkel: Annotated[
        Path | None, typer.Option(help="Write the votes as Snorkel's matrices into this folder.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the starts and the intervals.")] = 0,
) -> None:
    """Combine several labelers into one table of probabilities, by a label model."""
    from text_labeler.analysis_files import name_analysis_files
    from text_labeler.combine_files import check_outputs, combine_files
    from text_labeler.combining import CombineSettings
    from text_labeler.labeler_files import parse_labeler
    from text_labeler.snorkel_matrix import write_snorkel

    if not (out or analyse or html or rows or snorkel):
        raise CommandError("nothing to do: give --out, --analyse, --html, --rows or --snorkel")
    inputs = [*(parse_labeler(one)[1] for one in labels), audited]
    check_outputs(out, [html, *(name_analysis_files(rows) if rows else ())], inputs, folder=snorkel)
    groups = tuple(tuple(map(str.strip, group.split(","))) for group in same_rules or ())
    settings = CombineSettings(groups, silence, implications, sure, seed)
    combined = combine_files(labels, settings, audited=audited)
    _print_labelers(combined)
    if analyse or html or rows:
        _show_analysis(combined, (html, rows), seed, is_printed=analyse)
    if snorkel is not None:
        files = write_snorkel(combined.matrix, snorkel)
        print(f"{snorkel}: {len(files)} matrices; uncertain votes abstain in them")
    if out is not None:
        manifest = combined.write(out)
        print(f"{out}: {manifest.studies} studies in {manifest.seconds:.1f} s")


def _print_labelers(combined: CombinedLabelers) -> None:
    matrix = combined.matrix
    print(
        f"{len(matrix.study_ids)} studies, {len(matrix.columns)} columns, "
        f"{len(matrix.labelers)} labelers: {', '.join(matrix.labelers)}"
    )
    for name, number in combined.files.missing.items():
        if number:
            print(f"{name}: {number} of the studies are not in its file; it abstains there")
    if combined.reads is not None:
        here = int((combined.reads >= 0).any(axis=0).sum())
        print(f"audited: {here} of {combined.read_studies} studies read are here")
    columns_of: dict[str, list[str]] = {}
    for column, words in combined.combination.warnings:
        columns_of.setdefault(words, []).append(column)
    for words, columns in columns_of.items():
        more = f" and {len(columns) - 3} more" if len(columns) > 3 else ""
        where = f"{', '.join(columns[:3])}{more}: " if columns[0] else ""
        print(f"warning: {where}{words}")


def _show_analysis(
    combined: CombinedLabelers,
    files: tuple[Path | None, Path | None],
    seed: int,
    *,
    is_printed: bool,
) -> None:
    from rich.console import Console

    from text_labeler.analysis_files import read_patients, write_analysis
    from text_labeler.analysis_page import write_analysis_page
    from text_labeler.analysis_report import render_analysis
    from text_labeler.labeler_analysis import analyse_labelers
    from text_labeler.score_report import PLAIN_WIDTH

    matrix, audited = combined.matrix, combined.files.audited
    analysis = analyse_labelers(
        matrix,
        combined.combination.fits,
        audited=combined.reads,
        patients=None if audited is None else read_patients(audited, matrix.study_ids),
        seed=seed,
    )
    if is_printed:
        console = Console(highlight=False)
        console = console if console.is_terminal else Console(width=PLAIN_WIDTH, highlight=False)
        for part in render_analysis(analysis):
            console.print(part)
    html, rows = files
    if html is not None:
        write_analysis_page(html, analysis, title=f"Labelers: {', '.join(matrix.labelers)}")
        print(f"{html}: the analysis")
    if rows is not None:
        written = write_analysis(rows, analysis)
        print(f"{', '.join(map(str, written))}: the rows of the analysis")
