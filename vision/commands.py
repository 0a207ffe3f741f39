"""Sub-commands that this room offers to `kerley`; heavy imports happen inside of them."""

from __future__ import annotations

import typer

app = typer.Typer()
