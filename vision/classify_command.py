"""`kerley classify`: the class of each X-ray by a saved classifier, as one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def classify(
    model: Annotated[Path, typer.Argument(help="Folder of a saved classifier: <run>/model.")],
    paths: Annotated[list[Path], typer.Argument(help="X-ray files, or folders of them.")],
    out: Annotated[Path, typer.Option(help="Table to write: .csv, .json or .parquet.")],
    gate: Annotated[
        bool | None,
        typer.Option(
            help="Refuse what is no frontal chest X-ray; by default as the classifier says."
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="For one image; by default as quota and load allow.")
    ] = None,
) -> None:
    """Classify X-rays: one row per image, unreadable and refused ones with the reason.

    Research software: not for clinical use.
    """
    from dataclasses import replace

    from vision.classification.class_table import (
        classify_files,
        summarise_classes,
        tabulate_classes,
    )
    from vision.classification.classifier import Classifier
    from vision.gate import GateSettings
    from vision.grade_table import check_out, find_images, write_grades
    from vision.threads import choose_threads

    check_out(out)
    found = find_images(paths)
    loaded = Classifier.load(model, threads=threads or choose_threads())
    if gate is not None:
        loaded = replace(loaded, gate=(loaded.gate or GateSettings()) if gate else None)
    classes = classify_files(loaded, found.files)
    write_grades(tabulate_classes(found.files, classes, loaded.classes), out)
    for line in summarise_classes(classes, loaded.classes):
        print(line)
    if found.ignored:
        print(f"{found.ignored} files that are no images left out")
    print(f"written: {out}. Research use only, not for clinical decisions.")
