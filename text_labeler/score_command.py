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
    seed: Annotated[int, typer.Option(min=0, help="Of the 95 % intervals.")] = 0,
) -> None:
    """Compare a label table with references: findings, severity, or both."""
    from rich.console import Console

    from configs.files import write_json
    from data_cards.label_table import list_findings, read_label_table
    from text_labeler.gold import read_gold
    from text_labeler.score_report import PLAIN_WIDTH, render_sheet
    from text_labeler.score_sheet import ScorePolicy, make_sheet, read_uncertain_as, to_json

    policy = ScorePolicy(SHARED_CLASSES, read_uncertain_as(uncertain_as), seed)
    predicted = read_label_table(labels)
    other = None if compare is None else read_label_table(compare)
    console = Console(highlight=False)
    console = console if console.is_terminal else Console(width=PLAIN_WIDTH, highlight=False)
    sheets = {}
    for path in gold:
        reference = read_gold(path, list_findings(predicted.columns))
        sheets[path] = sheet = make_sheet(predicted, reference, policy, other=other)
        console.print(f"== {labels} against {path}", markup=False, soft_wrap=True)
        for part in render_sheet(sheet, policy, other=str(compare)):
            console.print(part)
    if json is not None:
        scores = [{"reference": str(path), **to_json(sheet)} for path, sheet in sheets.items()]
        write_json(
            json, {"labels": str(labels), "compared": compare and str(compare), "scores": scores}
        )
