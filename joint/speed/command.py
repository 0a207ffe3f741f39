"""`kerley benchmark train`: how far the steps of a run are from the fastest they could be."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    config: Annotated[Path, typer.Argument(help="a YAML file, or the name of one in configs/")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="settings to change: key.inner=value")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="steps of each kind to time")] = 200,
    kept: Annotated[
        int,
        typer.Option(min=1, help="batches in a turn, then replayed; 1 on a machine busy otherwise"),
    ] = 16,
    as_json: Annotated[
        Path | None, typer.Option("--json", help="also write every number to this file")
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="time sleeps of known length first; exit code 1 when wrong"),
    ] = False,
) -> None:
    """Time the training steps of a run, real and replayed from memory; nothing is trained.

    Labels and images that the run needs are made first, where it would make them.
    """
    from tqdm import tqdm

    from configs.files import write_text
    from configs.settings import load_settings
    from joint.run_settings import RunSettings
    from joint.speed.timed_run import time_run
    from joint.speed.timing_check import check_timing, is_right

    settings = load_settings(RunSettings, config, overrides or [])
    for cost, times in check_timing() if check else ():
        found = f"ratio to limit {times.ratio_to_limit:.3f}, hidden share {times.hidden_share:.3f}"
        known = f"{cost.ratio_to_limit:.3f} and {cost.hidden_share:.3f}"
        typer.echo(f"model {cost.step:.3f} s, loader {cost.load:.3f} s: {found}; true {known}")
        if not is_right(cost, times):
            typer.echo("this machine is too busy, or its clock too coarse, to time steps", err=True)
            raise typer.Exit(1)
    with tqdm(total=steps, unit="step", desc="timing") as bar:
        timed = time_run(settings, steps=steps, kept=kept, done=lambda n: bar.update(n - bar.n))
    for line in timed.lines():
        typer.echo(line)
    if as_json is not None:
        write_text(as_json, timed.to_json())
