"""The command `kerley score`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SHARED_CLASSES = (
    "Atelectasis",
    "Cardiomegaly",
    "Pleural Effusion",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
)
"""The classes on which published report labelers are compared on Open-i."""


def score(
    labels: Annotated[Path, typer.Argument(help="A label table.")],
    gold: Annotated[list[Path], typer.Argument(help="References: CSV or Parquet.")],
    uncertain_as: Annotated[
        str, typer.Option(help="Uncertain labels, for presence: absent, present, uncertain.")
    ] = "absent",
    compare: Annotated[Path | None, typer.Option(help="Another label table to subtract.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write all numbers to this file.")] = None,
    disagreements: Annotated[
        Path | None,
        typer.Option(help="Write all disagreements, with report text: .html or .csv."),
    ] = None,
    reports: Annotated[
        str | None, typer.Option(help="The reports: a corpus, or a table of reports.")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="Where the corpus lies.")] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw F1 with its intervals: .svg or .png.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the 95 % intervals.")] = 0,
) -> None:
    """Compare a label table with references: findings, severity, or both."""
    from rich.console import Console

    from data_cards.corpora import read_source
    from text_labeler.score_files import ScoreOutputs, score_files
    from text_labeler.score_report import PLAIN_WIDTH, render_sheet
    from text_labeler.score_sheet import ScorePolicy, read_uncertain_as

    policy = ScorePolicy(SHARED_CLASSES, read_uncertain_as(uncertain_as), seed)
    outputs = ScoreOutputs(json, disagreements, figure)
    outputs.check(has_reports=reports is not None)
    listing = None if reports is None else read_source(reports, root)
    scored = score_files(labels, gold, policy, compare=compare, listing=listing)
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(width=PLAIN_WIDTH, highlight=False)
    for path, sheet in scored.sheets.items():
        console.print(f"== {labels} against {path}", markup=False, soft_wrap=True)
        for part in render_sheet(sheet, policy, other=str(compare)):
            console.print(part)
    for line in outputs.write(scored, policy, listing):
        print(line)
