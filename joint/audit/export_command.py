"""`kerley audit export`: gold, reads, log and certificate as files, and at W&B when asked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    audit: Annotated[Path, typer.Argument(help="the audit's folder")],
    out: Annotated[Path, typer.Option(help="a new folder for the files")],
    with_text: Annotated[
        bool, typer.Option("--with-text", help="put the reports into the Label Studio tasks")
    ] = False,
    wandb: Annotated[
        str | None,
        typer.Option(help="log it in this W&B project: numbers and hashes, without --with-text"),
    ] = None,
    wandb_mode: Annotated[
        Literal["offline", "online"],
        typer.Option(help="offline: W&B's files stay in OUT/wandb until `wandb sync`"),
    ] = "offline",
) -> None:
    """Write what an audit found: a label table of gold, all reads, the log, the certificate."""
    from text_labeler.audit.exporting import export_audit
    from text_labeler.audit.place import open_folder

    with open_folder(audit) as store:
        made = export_audit(store, out, with_text=with_text)
    typer.echo(f"{made.settled} of {made.items} items are settled, by {made.standing} reads")
    for file in made.files:
        typer.echo(str(file))
    typer.echo(f"head of the log: {made.log_head}")
    if wandb is not None:
        from joint.audit.artifact import log_export

        typer.echo(f"{log_export(made, wandb, wandb_mode, with_text=with_text)}: W&B's files")
