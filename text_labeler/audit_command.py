"""`kerley audit`: the group of the audit room's sub-commands; `serve` is added by joint."""

from __future__ import annotations

import typer

from text_labeler.audit.plan_command import estimate, plan, recompute
from text_labeler.audit.store_command import accounts, verify

audit = typer.Typer(
    no_args_is_help=True,
    help="Read labels blind, and know how wrong the rest of them still are.",
)
# One line per sub-command, from its own file: audit.command()(plan_audit).
audit.command()(plan)
audit.command()(estimate)
audit.command()(recompute)
audit.command()(verify)
audit.command()(accounts)


@audit.callback()
def _group() -> None:
    """Read labels blind, and know how wrong the rest of them still are."""
