"""The command `kerley transition`: how far reports are from their images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from data_cards.transition_priors import MOST_STRENGTH


def transition(
    labels: Annotated[
        Path | None, typer.Argument(help="The label table that training uses.", show_default=False)
    ] = None,
    consensus: Annotated[
        Path | None,
        typer.Argument(
            help="What readers saw: CSV with study_id and severity.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the transition as JSON.", show_default=False)
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Draw it: .svg or .png.", show_default=False)
    ] = None,
    prior: Annotated[
        str, typer.Option(help="A named prior: to shrink to, or, without a consensus, to show.")
    ] = "mimic_edema",
    strength: Annotated[
        float,
        typer.Option(
            min=0, max=MOST_STRENGTH, help="Pseudo-studies of the prior per report grade."
        ),
    ] = 2.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the intervals.")] = 0,
) -> None:
    """Estimate P(report grade | image grade) from consensus reads, or show a named prior."""
    from configs.files import find_overwritten
    from data_cards.transition import TransitionError, write_transition
    from data_cards.transition_estimate import (
        EstimateSettings,
        estimate_transition_files,
        named_transition,
    )
    from data_cards.transition_figure import write_heat_map
    from data_cards.transition_table import describe_transition

    lost = find_overwritten([out, figure], [labels, consensus])
    if lost is not None:
        raise TransitionError(f"{lost}: is already a file of this command; give it its own name")
    settings = EstimateSettings(prior=prior, prior_strength=strength, seed=seed)
    if labels is None:
        found = named_transition(prior, settings=settings)
    elif consensus is None:
        raise TransitionError(f"{labels}: expected a consensus table after the label table")
    else:
        found = estimate_transition_files(labels, consensus, settings=settings)
    if figure is not None:
        write_heat_map(figure, found)
    for line in describe_transition(found):
        print(line)
    if out is not None:
        write_transition(out, found)
        print(f"{out}: written (content SHA-256 {found.content_hash})")
