"""`kerley benchmark`: the whole method against known truth, and the speed of a run's steps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from joint.speed.command import train

app = typer.Typer(
    name="benchmark", help="Measure methods and speed, on data made for it.", no_args_is_help=True
)
app.command()(train)


@app.command()
def learn(
    out: Annotated[Path, typer.Option(help="folder for the corpus, the runs and the result")],
    size: Annotated[str, typer.Option(help="tiny, small or full")] = "small",
    seeds: Annotated[
        int | None, typer.Option(min=1, help="training seeds 0, 1, …: how many; the size's own")
    ] = None,
    arms: Annotated[
        list[str] | None, typer.Option("--arm", help="an arm to run; all by default; repeat it")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="processes, of one thread each")] = 2,
) -> None:
    """Compare ways of learning grades from reports on the phantom, whose truth is known.

    Every finished run stands: started again, the same command goes on, and adds what is missing.
    """
    from joint.benchmark.run import describe_benchmark, find_size, run_benchmark
    from joint.resuming.stop_request import STOPPED_EXIT_CODE

    settings = find_size(size)
    numbers = range(seeds or settings.seeds)
    made = run_benchmark(settings, out, seeds=numbers, arms=arms or (), workers=workers)
    if made is None:
        typer.echo(f"interrupted; the same command goes on from what stands in {out}")
        raise typer.Exit(STOPPED_EXIT_CODE)
    for line in describe_benchmark(made, settings, out):
        typer.echo(line)
