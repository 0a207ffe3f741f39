"""`kerley sync`: a run's offline mirror to a W&B server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sync(
    runs: Annotated[list[Path], typer.Argument(help="run folders, or the folder of a sweep")],
) -> None:
    """Send the offline mirrors of runs to W&B, and then what each was made from.

    Only numbers, hashes and counts leave, and what tracking.upload named when the run was made.
    """
    from joint.tracking.sync import find_runs, sync_run

    for run in find_runs(runs):
        sent = sync_run(run)
        typer.echo(f"{run}: {sent.mirrors} mirrors sent, lineage of {sent.runs} runs told")
