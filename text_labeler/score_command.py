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
) -> None:
    """Compare a label table with references: findings, severity, or both."""
    from data_cards.label_table import read_label_table
    from text_labeler.gold import read_gold
    from text_labeler.score_report import describe_scores

    predicted = read_label_table(labels)
    for path in gold:
        print(f"== {labels} against {path}")
        for line in describe_scores(predicted, read_gold(path), shared=SHARED_CLASSES):
            print(line)
