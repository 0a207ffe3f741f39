"""`kerley lineage`: the way from the corpus to a grader, and whether it still lies as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def lineage(
    given: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|MODEL|LABELS.parquet",
            help="A run folder, the folder of its grader or model, or a label table.",
            show_default=False,
        ),
    ],
    figure: Annotated[
        Path | None, typer.Option(help="Also draw it to this file (.svg or .png).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the graph as JSON.")] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Read caches whole too; exit code 1 when anything has changed."
        ),
    ] = False,
) -> None:
    """Show what a run, a model or a label table was made from, by hash, back to the corpora.

    Each thing that lies on this machine is compared with its hash: as it was, changed since, or
    not found here.
    """
    import json

    from data_cards.lineage_tables import CHANGED
    from joint.lineage.check import check_lineage
    from joint.lineage.text import describe_lineage
    from joint.lineage.trace import find_lineage

    found = find_lineage(given)
    statuses = check_lineage(found, whole=check)
    if as_json:
        nodes = [
            node.model_dump(mode="json") | {"status": statuses[node.hash]}
            for node in found.lineage.nodes
        ]
        print(json.dumps({"schema_version": 1, "nodes": nodes}, indent=2, ensure_ascii=False))
    else:
        print("\n".join(describe_lineage(found.lineage, statuses)))
    for remark in found.remarks:
        typer.echo(remark, err=True)
    if figure is not None:
        from joint.lineage.figure import write_lineage_figure

        write_lineage_figure(figure, found.lineage, statuses)
        typer.echo(f"{figure}: drawn", err=True)
    changed = [node for node in found.lineage.nodes if statuses[node.hash] == CHANGED]
    if changed:
        said = ", ".join(f"{node.kind} {node.name}" for node in changed)
        typer.echo(f"changed since: {said}", err=True)
        if check:
            raise typer.Exit(1)
