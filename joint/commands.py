"""Sub-commands that this room offers to `kerley`; heavy imports happen inside of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from joint.audit.command import serve
from joint.audit.export_command import export
from joint.benchmark.command import app as benchmark
from joint.evaluation.command import evaluate
from joint.lineage.command import lineage
from joint.planning.command import DEVICE_TFLOPS, describe_run_plan
from joint.tracking.sync_command import sync
from text_labeler.audit_command import audit

app = typer.Typer()
audit.command()(serve)
audit.command()(export)
app.add_typer(audit, name="audit")
app.add_typer(benchmark, name="benchmark")
app.command()(lineage)
app.command()(sync)
app.command()(evaluate)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="folder for everything the demo makes")] = Path(
        "runs/demo"
    ),
    studies: Annotated[int, typer.Option(min=100, help="studies of the phantom corpus")] = 3000,
    size: Annotated[int, typer.Option(min=64, max=512, help="its image side in pixels")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="its seed")] = 0,
    config: Annotated[Path, typer.Option(help="the joint run: a YAML file or its name")] = Path(
        "demo"
    ),
    overrides: Annotated[
        list[str] | None, typer.Argument(help="settings to change: key.inner=value")
    ] = None,
) -> None:
    """Show the whole way on the phantom corpus: reports, labels, training, grades, a page.

    A second call uses what stands already; an interrupted one goes on.
    """
    import logging

    from configs.settings import load_settings
    from joint.demo.run import demo_phantom, describe_demo_result, run_demo
    from joint.run_settings import RunSettings

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("joint.demo.run").setLevel(logging.INFO)
    run = load_settings(RunSettings, config, overrides or [])
    made = run_demo(out, run, demo_phantom(studies=studies, size=size, seed=seed))
    for line in describe_demo_result(made):
        typer.echo(line)


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="a YAML file, or the name of one in configs/")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="settings to change: key.inner=value")
    ] = None,
    resume_with_other: Annotated[
        list[str] | None,
        typer.Option(help="go on with a run though this differs: settings, labels, corpus, …"),
    ] = None,
    control: Annotated[
        str | None,
        typer.Option(help="train this control of the run instead: image_only or shuffled_pairs"),
    ] = None,
    sweep: Annotated[
        Path | None,
        typer.Option(help="train the trials of this sweep instead: a YAML file in W&B's form"),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=1, help="with --sweep: how many trials, all calls together")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="print what the run would take, and do nothing")
    ] = False,
    processes: Annotated[int, typer.Option(min=1, help="with --plan: GPUs, one process each")] = 1,
    device_tflops: Annotated[
        float, typer.Option(min=1e-3, help="with --plan: 10¹² operations a second that each holds")
    ] = DEVICE_TFLOPS,
    images: Annotated[
        int | None, typer.Option(min=1, help="with --plan: training images, without the corpus")
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(min=1, help="with --plan: usual length of the reports")
    ] = None,
) -> None:
    """Train a model and evaluate it on images alone; started again it goes on.

    On many GPUs: accelerate launch -m joint.train CONFIG [key=value …] does the same.
    """
    from joint.train import INTERRUPTED_EXIT_CODE, describe_result, is_interrupted
    from joint.train import train as train_run

    if plan:
        lines = describe_run_plan(
            config,
            overrides or [],
            processes=processes,
            device_tflops=device_tflops,
            images=images,
            tokens=tokens,
        )
        typer.echo("\n".join(lines))
        return
    if sweep is not None:
        from joint.sweeps.command import train_sweep

        if control or resume_with_other:
            raise typer.BadParameter("--sweep goes with neither --control nor --resume-with-other")
        raise typer.Exit(train_sweep(config, overrides or [], sweep, count))
    result = train_run(config, overrides or [], resume_with_other or [], control=control)
    for line in describe_result(result):
        typer.echo(line)
    if is_interrupted(result):
        raise typer.Exit(INTERRUPTED_EXIT_CODE)
