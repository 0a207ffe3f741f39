"""Sub-commands that this room offers to `kerley`; heavy imports happen inside of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from vision.cache_command import cache
from vision.classify_command import app as classify_commands
from vision.explanation_command import app as explanation_commands
from vision.export_command import app as export_commands
from vision.segment_command import app as segment_commands

app = typer.Typer()
app.add_typer(cache, name="cache")
app.registered_commands.extend(classify_commands.registered_commands)
app.registered_commands.extend(export_commands.registered_commands)
app.registered_commands.extend(explanation_commands.registered_commands)
app.registered_commands.extend(segment_commands.registered_commands)


@app.command()
def grade(
    grader: Annotated[Path, typer.Argument(help="Folder of a saved grader.")],
    paths: Annotated[list[Path], typer.Argument(help="X-ray files, or folders of them.")],
    out: Annotated[Path, typer.Option(help="Table to write: .csv, .json or .parquet.")],
    heatmaps: Annotated[
        Path | None, typer.Option(help="Folder for an overlay PNG of each image.")
    ] = None,
    gate: Annotated[
        bool | None,
        typer.Option(
            help="Refuse what is no frontal chest X-ray of an adult; by default as the grader says."
        ),
    ] = None,
    engine: Annotated[
        Literal["auto", "torch", "onnx"],
        typer.Option(help="auto takes ONNX Runtime where the grader has its file."),
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, help="For one image; by default as quota and load allow.")
    ] = None,
) -> None:
    """Grade X-rays from the image alone: one row per image, unreadable ones with the reason.

    Research software: not for clinical use.
    """
    from dataclasses import replace

    from vision import grade_table
    from vision.gate import GateSettings
    from vision.grader import Grader

    grade_table.check_out(out)
    found = grade_table.find_images(paths)
    loaded = Grader.load(grader, engine=engine, threads=threads)
    if gate is not None:
        loaded = replace(loaded, gate=(loaded.gate or GateSettings()) if gate else None)
    grades = grade_table.grade_files(loaded, found.files, heatmaps=heatmaps)
    grade_table.write_grades(grade_table.tabulate(found.files, grades), out)
    print(grade_table.summarise(grades))
    if found.ignored:
        print(f"{found.ignored} files that are no images left out")
    print(f"written: {out}. Research use only, not for clinical decisions.")
