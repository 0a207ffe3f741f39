"""Coming in and going out: the local reader's start link, or an account's name and password."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from text_labeler.audit.web.room import (
    LOCAL,
    ByReader,
    InRoom,
    NotLoggedInError,
    Room,
    TooManyTriesError,
)

router = APIRouter()

WRONG = "name and password do not fit"


@router.get("/start")
def start(request: Request, room: InRoom, token: str = "") -> Response:
    """Let the local reader in by the link that the terminal printed."""
    expected = room.start_token
    if expected is None or not hmac.compare_digest(token.encode(), expected.encode()):
        raise NotLoggedInError("open the link that `kerley audit serve` printed")
    answer = RedirectResponse("/", 303)
    _set_cookie(answer, request, room, room.sessions.open(LOCAL))
    return answer


@router.get("/login")
def show_login(request: Request, room: InRoom) -> Response:
    """Show the form; its own cookie guards it against a log-in that another site starts.

    Who is logged in goes on to read: a new cookie would end the session of his other tabs.
    """
    if room.find_reader(request) is not None:
        return RedirectResponse("/", 303)
    visitor = _find_visitor(request, room) or room.sessions.open("")
    answer = room.render(
        "login.html.j2",
        token=room.sessions.token(visitor),
        has_accounts=room.start_token is None,
    )
    _set_cookie(answer, request, room, visitor)
    return answer


@router.post("/login")
def log_in(
    request: Request,
    room: InRoom,
    name: Annotated[str, Form(max_length=200)],
    password: Annotated[str, Form(max_length=1000)],
) -> Response:
    """Check a password, and give a new session; raises TooManyTriesError for one who guesses."""
    if room.start_token is not None:
        raise NotLoggedInError(WRONG)
    address = request.client.host if request.client else ""
    wait = room.attempts.begin(name, address)
    if wait > 0:
        raise TooManyTriesError(wait)
    if not room.store.accounts.check_password(name, password):
        raise NotLoggedInError(WRONG)
    room.attempts.forgive(name, address)
    answer = Response(headers={"hx-redirect": "/"})
    _set_cookie(answer, request, room, room.sessions.open(name))
    return answer


@router.post("/logout")
def log_out(room: InRoom, reader: ByReader) -> Response:
    """End this session, for whoever has its cookie."""
    room.sessions.end(reader.cookie)
    answer = Response(headers={"hx-redirect": "/login"})
    answer.delete_cookie(room.sessions.cookie)
    return answer


def _find_visitor(request: Request, room: Room) -> str | None:
    """Return the cookie of a log-in page that is open in another tab already."""
    cookie = request.cookies.get(room.sessions.cookie, "")
    return cookie if room.sessions.read(cookie) == "" else None


def _set_cookie(answer: Response, request: Request, room: Room, value: str) -> None:
    answer.set_cookie(
        room.sessions.cookie,
        value,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
