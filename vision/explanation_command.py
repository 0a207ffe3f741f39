"""The command `kerley explain-check`: what a grader's heatmaps are worth, on a phantom corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command("explain-check")
def explain_check(
    grader: Annotated[Path, typer.Argument(help="Folder of a saved grader.")],
    phantom: Annotated[Path, typer.Option(help="Phantom corpus with masks.")],
    out: Annotated[Path, typer.Option(help="Folder for the JSON file and the figures.")],
    split: Annotated[str, typer.Option(help="Whose images: train, validate or test.")] = "test",
    images: Annotated[int, typer.Option(min=2, help="At most so many per target.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Decides images, baselines and draws.")] = 0,
) -> None:
    """Check Grad-CAM against the phantom's masks, random weights and removed pixels.

    Prints the heatmaps' values beside those of baselines that look at nothing.
    """
    from rich.console import Console

    from vision.explanation_checks import CheckPlan, check_explanations
    from vision.explanation_record import TABLE_WIDTH, tabulate_checks, write_checks
    from vision.grader import Grader

    plan = CheckPlan(split=split, images=images, seed=seed)
    checks = check_explanations(Grader.load(grader), phantom, plan)
    console = Console(width=max(TABLE_WIDTH, Console().width))
    for table in tabulate_checks(checks):
        console.print(table)
    for file in write_checks(checks, plan, out):
        print(f"written: {file}")
    print("A heatmap shows what the model used, not where a disease is.")
