"""Sub-commands that this room offers to `kerley`; heavy imports happen inside of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="a YAML file, or the name of one in configs/")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="settings to change: key.inner=value")
    ] = None,
) -> None:
    """Train a model and evaluate it on images alone; started again it goes on.

    On many GPUs: accelerate launch -m joint.train CONFIG [key=value …] does the same.
    """
    from joint.train import INTERRUPTED_EXIT_CODE, describe_result
    from joint.train import train as train_run

    result = train_run(config, overrides or [])
    for line in describe_result(result):
        typer.echo(line)
    if result.evaluation is None:
        raise typer.Exit(INTERRUPTED_EXIT_CODE)


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="a run folder")],
    reference: Annotated[
        Path | None,
        typer.Option(help="what the images show: CSV or Parquet with study_id and severity"),
    ] = None,
) -> None:
    """Print what a run's model is worth on its test images, from its predictions."""
    from joint.run_record import evaluate_run
    from joint.train import describe_evaluation

    for line in describe_evaluation(evaluate_run(run, reference)):
        typer.echo(line)
