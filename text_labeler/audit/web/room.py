"""What all routes share: the store, the sessions, the pictures; and who is asking."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, field
from typing import Annotated, Any

import jinja2
from fastapi import Depends, Request
from fastapi.responses import HTMLResponse

from text_labeler.audit.accounts import RIGHTS, Right
from text_labeler.audit.records import AuditError
from text_labeler.audit.store import AuditStore
from text_labeler.audit.web.attempts import Attempts
from text_labeler.audit.web.pictures import Pictures
from text_labeler.audit.web.sessions import Sessions


class NotAllowedError(AuditError):
    """Somebody who is logged in asks for what his role may not do or see."""


class NotLoggedInError(AuditError):
    """Nobody is logged in, or not any more."""


class TooManyTriesError(AuditError):
    """Passwords are guessed too fast. seconds: until the next may be tried."""

    def __init__(self, seconds: float) -> None:
        self.seconds = math.ceil(seconds)
        super().__init__(f"too many wrong tries: wait {_tell_wait(self.seconds)}, then try again")


def _tell_wait(seconds: int) -> str:
    if seconds > 90:
        return f"{math.ceil(seconds / 60)} minutes"
    return f"{seconds} {'second' if seconds == 1 else 'seconds'}"


@dataclass(frozen=True)
class Reader:
    """Who asks. cookie: of his session, "" where a token was sent instead."""

    name: str
    role: str
    rights: frozenset[Right]
    cookie: str


LOCAL = "local"
"""Whoever sits at this machine, where the audit has no accounts."""

LOCAL_RIGHTS: frozenset[Right] = frozenset({"read", "view"})


@dataclass(frozen=True)
class Room:
    """One audit as it is served.

    start_token: lets the one local reader in; None where there are accounts. promise: what the
    plan is to prove, in words. shown: the items whose report each reader was shown by this process,
    whose pictures he may ask for. attempts: to log in.
    """

    store: AuditStore
    sessions: Sessions
    pictures: Pictures | None
    start_token: str | None
    templates: jinja2.Environment
    promise: str
    shown: dict[str, set[str]] = field(default_factory=dict)
    attempts: Attempts = field(default_factory=Attempts)

    def find_reader(self, request: Request) -> Reader | None:
        """Return who asks; None for a visitor, and for an account that was disabled since."""
        token = find_bearer(request)
        if token:
            account = self.store.accounts.check_token(token)
            if account is None:
                return None
            return Reader(account.name, account.role, account.rights, "")
        cookie = request.cookies.get(self.sessions.cookie, "")
        name = self.sessions.read(cookie)
        if not name:
            return None
        if self.start_token is not None:
            return Reader(LOCAL, "lead", LOCAL_RIGHTS, cookie) if name == LOCAL else None
        role = self.store.accounts.find_role(name)
        return Reader(name, role, RIGHTS[role], cookie) if role else None

    def render(self, template: str, **values: Any) -> HTMLResponse:
        """Fill in a template."""
        return HTMLResponse(self.templates.get_template(template).render(**values))

    def note_shown(self, reader: str, item_id: str) -> None:
        """Remember that a reader was shown an item."""
        self.shown.setdefault(reader, set()).add(item_id)


def find_bearer(request: Request) -> str:
    """Return the API token that a program sent; "" where there is none."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def get_room(request: Request) -> Room:
    """Return the room of the app that was asked."""
    room: Room = request.app.state.room
    return room


def get_reader(request: Request) -> Reader:
    """Return who asks; raises NotLoggedInError for a visitor."""
    found = get_room(request).find_reader(request)
    if found is None:
        raise NotLoggedInError("log in first")
    return found


_WITHOUT: dict[Right, str] = {
    "view": "does not see what the reads say: it would colour the next ones",
    "read": "looks on and does not read",
    "adjudicate": "does not decide where readers differ; an adjudicator does",
    "export": "does not export",
}


def check_right(reader: Reader, right: Right) -> None:
    """Raise NotAllowedError where the reader's role does not go so far."""
    if right not in reader.rights:
        a_role = f"{'an' if reader.role[0] in 'aeiou' else 'a'} {reader.role}"
        raise NotAllowedError(f"{a_role} {_WITHOUT[right]}")


def make_idem() -> str:
    """Return a new name for one press of a key."""
    return secrets.token_hex(12)


InRoom = Annotated[Room, Depends(get_room)]
ByReader = Annotated[Reader, Depends(get_reader)]
