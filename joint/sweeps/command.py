"""`kerley train CONFIG --sweep SWEEP.yaml`: with a server where the run is tracked online."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import typer


def train_sweep(config: Path, overrides: Sequence[str], file: Path, count: int | None) -> int:
    """Run a sweep, print what it came to, and return the exit code."""
    from joint.sweeps.server import is_led_by_server
    from joint.sweeps.sweep import SweepPlace, describe_sweep, run_sweep
    from joint.train import INTERRUPTED_EXIT_CODE

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("joint.sweeps.sweep").setLevel(logging.INFO)
    place = SweepPlace.of(config, overrides, file)
    if is_led_by_server(place, count):
        typer.echo(f"{place.folder}: the trials of this agent; the table is at the server")
        return 0
    result = run_sweep(place, count=count)
    for line in describe_sweep(result):
        typer.echo(line)
    return INTERRUPTED_EXIT_CODE if result.interrupted else 0
