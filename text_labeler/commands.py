"""Sub-commands that this room offers to `kerley`; heavy imports happen inside of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()
SHARED_CLASSES = (
    "Atelectasis",
    "Cardiomegaly",
    "Pleural Effusion",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
)
"""The classes on which published report labelers are compared on Open-i."""


class CommandError(ValueError):
    """A command line that cannot be carried out."""


@app.command()
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


@app.command(name="explain-report")
def explain_report(
    text: Annotated[str | None, typer.Argument(help="The report; - reads standard input.")] = None,
    file: Annotated[Path | None, typer.Option(help="A file that holds the report.")] = None,
    profile: Annotated[str, typer.Option(help="What counts as which finding.")] = "chexpert",
    html: Annotated[Path | None, typer.Option(help="Write a page with the words marked.")] = None,
) -> None:
    """Say which labels a report gets, and which words, cue and rule gave each."""
    from configs.files import write_text
    from text_labeler.explain import describe_labels, make_page
    from text_labeler.labeler import Labeler

    if (text is None) == (file is None):
        raise CommandError("give either the text of a report or --file FILE")
    if file is not None:
        try:
            report = file.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise CommandError(f"{file}: cannot be read: {error.strerror}") from error
    else:
        report = sys.stdin.read() if text == "-" else str(text)
    result = Labeler(profile)(report)
    for line in describe_labels(report, result):
        print(line)
    if html is not None:
        write_text(html, make_page(report, result))
        print(f"{html}: the report with its words marked")


@app.command()
def score(
    labels: Annotated[Path, typer.Argument(help="A label table.")],
    gold: Annotated[list[Path], typer.Argument(help="References: CSV or Parquet.")],
) -> None:
    """Compare a label table with references: findings, severity, or both."""
    from data_cards.label_table import read_label_table
    from text_labeler.gold import read_gold
    from text_labeler.score_report import describe_scores

    predicted = read_label_table(labels)
    for path in gold:
        print(f"== {labels} against {path}")
        for line in describe_scores(predicted, read_gold(path), shared=SHARED_CLASSES):
            print(line)
