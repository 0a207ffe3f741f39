"""Sub-commands that this room offers to `kerley`; heavy imports happen inside of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from data_cards.check_command import check
from data_cards.transition_command import transition

app = typer.Typer()
app.command()(transition)
corpora = typer.Typer(help="The corpora that Kerley reads: list, describe, check, make.")
app.add_typer(corpora, name="corpora", no_args_is_help=True)
corpora.command()(check)

Root = Annotated[Path, typer.Option(help="The folder that holds the corpus.", show_default=False)]
Name = Annotated[str, typer.Argument(help="A name from `kerley corpora list`.")]


@corpora.command("list")
def list_corpora() -> None:
    """Show every corpus by name."""
    from data_cards.corpora import CORPORA

    width = max(map(len, CORPORA))
    for corpus in CORPORA.values():
        print(f"{corpus.name:<{width}}  {corpus.summary}")


@corpora.command()
def describe(name: Name) -> None:
    """Print the card of a corpus: what it holds, who grants access, what misleads in it."""
    from data_cards.corpora import find_corpus

    print(find_corpus(name).card.read_text(encoding="utf-8"))


@corpora.command()
def labels(
    name: Name,
    root: Root,
    out: Annotated[Path, typer.Option(help="The label table to write (Parquet).")],
    table: Annotated[
        str | None, typer.Option(help="Which of the corpus's tables; an unknown one lists them.")
    ] = None,
) -> None:
    """Write the labels that a corpus comes with as a label table (`data.labels: {kind: table}`)."""
    from data_cards.corpora import find_corpus
    from data_cards.published_labels import write_published_labels

    manifest = write_published_labels(find_corpus(name), root, out, table=table)
    print(f"{out}: {manifest.studies:,} studies, {manifest.labeler}")


@corpora.command()
def phantom(
    out: Annotated[Path, typer.Option(help="The folder to make.", show_default=False)],
    studies: Annotated[int, typer.Option(help="How many studies.", min=1)] = 1000,
    size: Annotated[int, typer.Option(help="Side of an image in pixels.", min=64, max=512)] = 128,
    seed: Annotated[int, typer.Option(help="The same seed gives the same corpus.", min=0)] = 0,
    workers: Annotated[int, typer.Option(help="Processes.", min=1)] = 1,
) -> None:
    """Draw the phantom corpus: X-rays, reports, and the truth apart from them."""
    from data_cards.phantom.generator import make_phantom
    from data_cards.phantom.settings import PhantomSettings

    make_phantom(out, PhantomSettings(studies=studies, size=size, seed=seed), workers=workers)
    print(f"{out}: phantom corpus of {studies} studies")
