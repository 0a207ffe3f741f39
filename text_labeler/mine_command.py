"""The command `kerley mine`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from text_labeler.command_error import CommandError


def mine(
    source: Annotated[str, typer.Argument(help="A corpus, or a CSV, JSONL or Parquet of reports.")],
    out: Annotated[Path, typer.Option(help="The label table to write (Parquet).")],
    root: Annotated[Path | None, typer.Option(help="Where the corpus lies.")] = None,
    profile: Annotated[str, typer.Option(help="What counts as which finding.")] = "chexpert",
    layout: Annotated[
        str, typer.Option("--format", help="table, or a CSV beside it: chexpert, mimic.")
    ] = "table",
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Label the reports of a corpus, with the words behind each label."""
    from data_cards.corpora import read_source
    from text_labeler.label_formats import FORMATS, write_label_csv
    from text_labeler.mining import mine as mine_listing
    from text_labeler.rulebook import load_rulebook

    load_rulebook().profile(profile)
    if layout not in FORMATS:
        raise CommandError(f"--format {layout}: expected one of {', '.join(FORMATS)}")
    listing = read_source(source, root)
    table = out if layout == "table" else out.with_suffix(".parquet")
    manifest = mine_listing(listing, table, profile=profile, workers=workers)
    rate = manifest.studies / max(manifest.seconds, 1e-3)
    print(f"{table}: {manifest.studies} studies in {manifest.seconds:.1f} s ({rate:.0f}/s)")
    severity = manifest.counts["edema_severity"]
    print("edema severity: " + ", ".join(f"{name}: {n}" for name, n in severity.items()))
    if manifest.skipped:
        print(f"{len(manifest.skipped)} left out or read in part; the manifest lists them")
    if layout != "table":
        write_label_csv(table, table.with_suffix(".csv"), layout, listing)
        print(f"{table.with_suffix('.csv')}: in the layout of {layout}")
