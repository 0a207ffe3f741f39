"""`kerley evaluate`: everything a finished run is worth, as tables, a page and its model card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

UNTRUSTED_EXIT_CODE = 1


def evaluate(
    run: Annotated[Path, typer.Argument(help="a run folder")],
    reference: Annotated[
        str | None,
        typer.Option(
            help="report, image (the run's own reference), or a file of what images show: CSV or"
            " Parquet with study_id and severity; default: report, and image where the run has one"
        ),
    ] = None,
    controls: Annotated[
        str, typer.Option(help="controls to look for beside the run, by comma")
    ] = "image_only,shuffled_pairs",
    out: Annotated[
        Path | None, typer.Option(help="folder for page, numbers and figures [RUN/evaluation]")
    ] = None,
    risk: Annotated[
        float | None, typer.Option(min=0.01, max=0.99, help="share of wrong grades to stay under")
    ] = None,
    track: Annotated[
        bool, typer.Option("--track", help="mirror it to W&B too, as the run's settings say")
    ] = False,
) -> None:
    """Measure a run on its test images: grades, controls, retrieval, prompts, groups, trust.

    Writes a page, every number and figure, and, unless asked for something else than the default,
    the run's model card. Nothing is trained. Exits with 1 where the trust report finds a leak.
    """
    from joint.evaluation.controls import check_controls
    from joint.evaluation.folder import write_whole_evaluation
    from joint.evaluation.page import PAGE_NAME
    from joint.evaluation.run import measure_run
    from joint.evaluation.text import describe_sections_in_lines
    from joint.model_card import render_card
    from joint.train import describe_evaluation

    names = check_controls([name for name in controls.split(",") if name])
    is_default = reference is None and out is None and len(names) == 2
    measures = measure_run(run, reference=reference, controls=names)
    for line in describe_evaluation(measures.evaluation):
        typer.echo(line)
    folder = out or measures.folder.evaluation
    sections = write_whole_evaluation(measures, folder, target_risk=risk, is_default=is_default)
    for line in describe_sections_in_lines(sections, run):
        typer.echo(line)
    typer.echo(f"\npage  {folder / PAGE_NAME}")
    if is_default:
        is_rendered = render_card(measures.folder, measures.evaluation)
        typer.echo(f"card  {measures.folder.card if is_rendered else 'as it was: no card.json'}")
    if track:
        from joint.tracking.evaluation import mirror_evaluation

        reference_grades = measures.grades.get("reference")
        tracker = mirror_evaluation(measures.folder, measures.evaluation, reference_grades)
        typer.echo(f"W&B   {measures.folder.evaluation / 'wandb'}, {tracker.problems} problems")
    if not measures.is_trusted:
        typer.echo("the trust report found an error: these numbers may mean nothing", err=True)
        raise typer.Exit(UNTRUSTED_EXIT_CODE)
