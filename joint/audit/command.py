"""`kerley audit serve`: the audit room in a browser, which vision's reader gives its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    folder: Annotated[Path, typer.Argument(metavar="AUDIT", help="the audit's folder")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free")] = 8450,
    host: Annotated[
        str, typer.Option(help="address to listen on; another than this machine's needs accounts")
    ] = "127.0.0.1",
    open_page: Annotated[bool, typer.Option("--open", help="open a browser on it")] = False,
) -> None:
    """Open the audit room on a local address, until Ctrl-C."""
    from joint.audit.room import serve_audit

    serve_audit(folder, host=host, port=port, open_page=open_page, tell=typer.echo)
