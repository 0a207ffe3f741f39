"""The commands `kerley audit verify` and `kerley audit accounts`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from text_labeler.command_error import CommandError

if TYPE_CHECKING:
    from text_labeler.audit.accounts import Accounts


def verify(
    audit: Annotated[Path, typer.Argument(help="The audit's folder.")],
    head: Annotated[
        str | None, typer.Option(help="A hash kept from before, as in an earlier certificate.")
    ] = None,
) -> None:
    """Check that no byte of an audit's log, plan, items or reports was changed since written."""
    from text_labeler.audit.place import open_folder

    with open_folder(audit) as store:
        found = store.verify(head)
        print(f"{audit}: {len(store.events())} events, each as it was written; head {found}")
    if head is None:
        print("keep that hash elsewhere: --head HASH then finds a log cut off or written anew")


def accounts(
    audit: Annotated[Path, typer.Argument(help="The audit's folder.")],
    action: Annotated[
        Literal["add", "list", "disable", "token"], typer.Argument(help="What to do.")
    ],
    name: Annotated[str | None, typer.Argument(help="The account (not for list).")] = None,
    role: Annotated[
        Literal["lead", "reader", "adjudicator", "viewer"],
        typer.Option(help="With add: what the account may do."),
    ] = "reader",
    password: Annotated[
        bool, typer.Option(help="With add: ask for one, or read it from the standard input.")
    ] = True,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="With token: view, read, adjudicate or export. Repeat it."),
    ] = None,
    days: Annotated[
        float, typer.Option(min=0.01, help="With token: how long it is good for.")
    ] = 30.0,
) -> None:
    """Say who may read, adjudicate and look on; an audit on another address needs accounts."""
    from text_labeler.audit.place import open_folder

    if (name is None) != (action == "list"):
        raise CommandError(f"{action}: expected {'no' if action == 'list' else 'the'} account name")
    with open_folder(audit) as store:
        if name is None:
            _list_accounts(store.accounts)
        elif action == "add":
            store.accounts.add(name, role, _ask_password() if password else None)
            print(f"{name}: added as {role}")
        elif action == "disable":
            store.accounts.disable(name)
            print(f"{name}: disabled with all tokens; what was read stays")
        else:
            print(store.accounts.make_token(name, scope or (), days=days))
            print("this token is not stored and cannot be shown again", file=sys.stderr)


def _list_accounts(accounts: Accounts) -> None:
    for account in accounts.list():
        print(f"{account.name:<24}{account.role:<14}{'' if account.is_enabled else 'disabled'}")


def _ask_password() -> str:
    if sys.stdin.isatty():
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return asked
    return sys.stdin.readline().rstrip("\n")
