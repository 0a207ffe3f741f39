"""Who may do what in an audit: accounts with a role, their passwords and API tokens."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import sqlalchemy as sa

from text_labeler.audit.database import Database
from text_labeler.audit.events import STORE, Draft, append, read_events
from text_labeler.audit.passwords import hash_password, is_password, make_token, split_token
from text_labeler.audit.records import AuditError
from text_labeler.audit.tables import ACCOUNTS, TOKENS

Role = Literal["lead", "reader", "adjudicator", "viewer"]
Right = Literal["view", "read", "adjudicate", "export"]
"""view: progress and estimates. read: items, blind. adjudicate: items on which readers differ."""

RIGHTS: Mapping[Role, frozenset[Right]] = {
    "lead": frozenset({"view", "read", "export"}),
    "reader": frozenset({"read"}),
    "adjudicator": frozenset({"read", "adjudicate"}),
    "viewer": frozenset({"view"}),
}
"""What each role may. Who reads does not see the estimate, which tells what the labeler said."""

DAYS = 30.0
"""How long a token is good for, where nothing else is asked."""

MOST_DAYS = 3660.0
"""A token that never expires is a password that nobody changes."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


@dataclass(frozen=True)
class Account:
    """A person of an audit; `rights` are those of the role, or fewer by the scope of a token."""

    name: str
    role: Role
    is_enabled: bool
    rights: frozenset[Right]


class Accounts:
    """The accounts in an audit's database; every change is an event of its log."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def add(self, name: str, role: Role, password: str | None = None) -> Account:
        """Add an account; without a password it can only be used by its tokens.

        Raises AuditError for a name that is taken or can't be one, and for a short password.
        """
        if not _NAME.fullmatch(name) or name == STORE:
            raise AuditError("account: expected a name of up to 64 letters, digits and .-_@")
        if role not in RIGHTS:
            raise AuditError(f"role: expected one of {', '.join(RIGHTS)}")
        hashed = None if password is None else hash_password(password)
        with self._database.writing() as connection:
            if _find(connection, name) is not None:
                raise AuditError(f"{name}: there is an account of this name")
            values = {"name": name, "role": role, "password": hashed, "is_enabled": True}
            connection.execute(sa.insert(ACCOUNTS).values(values))
            self._log(connection, "added", name, role)
        return Account(name, role, True, RIGHTS[role])

    def list(self) -> list[Account]:
        """Return all accounts by name, the disabled ones too."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(ACCOUNTS)).all()
        return sorted((_make_account(row) for row in rows), key=lambda account: account.name)

    def disable(self, name: str) -> None:
        """Shut an account out, with all its tokens; what it read stays."""
        with self._database.writing() as connection:
            found = _get(connection, name)
            is_it = ACCOUNTS.c.name == name
            connection.execute(sa.update(ACCOUNTS).where(is_it).values(is_enabled=False))
            connection.execute(sa.delete(TOKENS).where(TOKENS.c.name == name))
            self._log(connection, "disabled", name, found.role)

    def make_token(self, name: str, scope: Collection[str], *, days: float = DAYS) -> str:
        """Return a new API token of an account, which is not stored and can't be shown again.

        scope: the rights it carries, at most those of the role. Raises AuditError else.
        """
        made = make_token()
        with self._database.writing() as connection:
            found = _get(connection, name)
            allowed = RIGHTS[found.role] if found.is_enabled else frozenset()
            if not scope or not set(scope) <= allowed:
                rights = [right for right in get_args(Right) if right in allowed]
                raise AuditError(f"scope: {name} may have {', '.join(rights) or 'no token at all'}")
            if not 0 < days <= MOST_DAYS:
                raise AuditError(f"days: expected more than none, and at most {MOST_DAYS:.0f}")
            connection.execute(
                sa.insert(TOKENS).values(
                    token_id=made.token_id,
                    name=name,
                    hash=made.hash,
                    scope=" ".join(sorted(scope)),
                    expires=self._clock() + days * 86_400,
                )
            )
            self._log(connection, "token made", name, found.role)
        return made.text

    def find_role(self, name: str) -> Role | None:
        """Return the role of an account that is enabled; None for any other name."""
        with self._database.reading() as connection:
            row = _find(connection, name)
        return _make_account(row).role if row is not None and row.is_enabled else None

    def check_password(self, name: str, password: str) -> bool:
        """Whether this is the password of an enabled account; takes as long for any other name."""
        with self._database.reading() as connection:
            row = _find(connection, name)
        is_right = is_password(password, None if row is None else row.password)
        return is_right and row is not None and bool(row.is_enabled)

    def check_token(self, text: str) -> Account | None:
        """Return the account of a token with the rights of its scope, None of any other text."""
        parts = split_token(text)
        if parts is None:
            return None
        with self._database.reading() as connection:
            token = connection.execute(
                sa.select(TOKENS).where(TOKENS.c.token_id == parts[0])
            ).first()
            row = None if token is None else _find(connection, token.name)
        if token is None or row is None or not hmac.compare_digest(token.hash, parts[1]):
            return None
        account = _make_account(row)
        if token.expires <= self._clock() or not account.is_enabled:
            return None
        scope = account.rights & frozenset(token.scope.split())
        return Account(account.name, account.role, True, scope)

    def _log(self, connection: sa.Connection, what: str, name: str, role: str) -> None:
        now = self._clock()
        body = {"what": what, "name": name, "role": role}
        draft = Draft(STORE, "account", f"account-{make_token().token_id}", body=body)
        append(connection, draft, now)


def check_right(connection: sa.Connection, name: str, right: Right) -> None:
    """Raise AuditError where an account may not do this.

    An audit without any account is one person's own machine: he reads under any name, but does
    not adjudicate what he read himself.
    """
    row = _find(connection, name)
    if row is not None:
        if not row.is_enabled or right not in RIGHTS[row.role]:
            raise AuditError(f"{name}: the account may not {right} here")
    elif right == "adjudicate" or connection.execute(sa.select(ACCOUNTS).limit(1)).first():
        raise AuditError(f"no account that may {right} here; add one with kerley audit accounts")


def check_logged(connection: sa.Connection) -> None:
    """Raise AuditError where accounts, their roles or who is shut out are not as logged."""
    logged: dict[str, tuple[str, bool]] = {}
    for event in read_events(connection, kind="account"):
        is_enabled = event.body["what"] != "disabled"
        logged[event.body["name"]] = (event.body["role"], is_enabled)
    rows = connection.execute(sa.select(ACCOUNTS)).all()
    found = {row.name: (row.role, bool(row.is_enabled)) for row in rows}
    wrong = sorted({name for name, _ in found.items() ^ logged.items()})
    if wrong:
        raise AuditError(f"{wrong[0]}: the account is not what the log tells of it")


def _find(connection: sa.Connection, name: str) -> Any:
    return connection.execute(sa.select(ACCOUNTS).where(ACCOUNTS.c.name == name)).first()


def _get(connection: sa.Connection, name: str) -> Any:
    row = _find(connection, name)
    if row is None:
        raise AuditError(f"{name}: no account of this name")
    return row


def _make_account(row: Any) -> Account:
    rights = RIGHTS[row.role] if row.is_enabled else frozenset()
    return Account(row.name, row.role, row.is_enabled, rights)
