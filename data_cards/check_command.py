"""The command `kerley corpora check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def check(
    name: Annotated[str, typer.Argument(help="A name from `kerley corpora list`.")],
    root: Annotated[
        Path, typer.Option(help="The folder that holds the corpus.", show_default=False)
    ],
    labels: Annotated[
        Path | None, typer.Option(help="A label table, which metadata are held against.")
    ] = None,
    images: Annotated[
        int, typer.Option(min=-1, help="Decode images of so many (-1: all, 0: none).")
    ] = 20_000,
    figures: Annotated[Path | None, typer.Option(help="A folder to draw figures in.")] = None,
    samples: Annotated[
        bool, typer.Option("--samples", help="With --figures: a sheet that SHOWS IMAGES.")
    ] = False,
    json: Annotated[Path | None, typer.Option(help="Write all numbers to this file.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of samples and intervals.")] = 0,
) -> None:
    """Count what a corpus holds; look for leaks, duplicates and shortcuts.

    The exit code is 1 when patients or equal images are in two splits, or files cannot be read.
    """
    from configs.files import write_json
    from data_cards.corpora import find_corpus
    from data_cards.corpus_report import describe_report, inspect_corpus, to_json

    listing = find_corpus(name).read(root)
    at_most = None if images < 0 else images
    report = inspect_corpus(listing, labels=labels, at_most=at_most, seed=seed)
    print(describe_report(report))
    if json is not None:
        write_json(json, to_json(report))
        print(f"{json}: all numbers, with the paths of duplicates")
    if figures is not None:
        from data_cards.corpus_figures import write_figures

        for path in write_figures(figures, report, listing, with_samples=samples):
            shows = " (THIS FILE SHOWS IMAGES)" if path.stem == "samples" else ""
            print(f"{path}{shows}")
    if report.checks.problems:
        raise typer.Exit(1)
