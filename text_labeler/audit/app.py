"""Puts the audit room together as a web application; `kerley audit serve` runs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus

import jinja2
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from text_labeler.audit.planning import read_plan
from text_labeler.audit.records import AuditError
from text_labeler.audit.store import AuditStore
from text_labeler.audit.web import account_routes, lead_routes, picture_routes, reading_routes
from text_labeler.audit.web.guard import ANSWER_HEADERS, Guard
from text_labeler.audit.web.picture_routes import NoPictureError
from text_labeler.audit.web.pictures import Pictures, ReadPicture
from text_labeler.audit.web.room import (
    NotAllowedError,
    NotLoggedInError,
    Room,
    TooManyTriesError,
)
from text_labeler.audit.web.sessions import Sessions

LOCAL_HOSTS = ("localhost",)


@dataclass(frozen=True)
class AppSettings:
    """How an audit is served.

    secret: 32 bytes that sign the cookies. start_token: of the link that lets the local reader in;
    None where the audit's accounts log in. hosts: names that the address may have, beside
    `localhost` and numbers.
    """

    secret: bytes
    start_token: str | None = None
    hosts: tuple[str, ...] = ()


def create_app(
    store: AuditStore, *, read_picture: ReadPicture | None, settings: AppSettings
) -> FastAPI:
    """Return the application over a store; without `read_picture` no X-rays are shown.

    read_picture: raises a ValueError for a file that is no X-ray; its words are not shown.
    """
    # FastAPI's own pages of documentation load scripts from another host.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    sessions = Sessions(settings.secret)
    app.state.room = Room(
        store=store,
        sessions=sessions,
        pictures=None if read_picture is None else Pictures(read_picture),
        start_token=settings.start_token,
        templates=_open_templates(),
        promise=", ".join(map(str, read_plan(store.plan()).promises)),
    )
    for routes in (reading_routes, picture_routes, account_routes, lead_routes):
        app.include_router(routes.router)
    app.add_api_route("/favicon.ico", _show_icon)
    app.mount("/static", StaticFiles(packages=[("text_labeler", "audit/static")]))
    for kind, tell in _TELLERS.items():
        app.add_exception_handler(kind, tell)
    app.add_middleware(Guard, hosts=(*LOCAL_HOSTS, *settings.hosts), sessions=sessions, tell=_tell)
    return app


async def _show_icon() -> RedirectResponse:
    """Answer browsers that ask for an icon before they have read which one a page names."""
    return RedirectResponse("/static/icon.svg", 308)


def _open_templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("text_labeler.audit", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _make_teller(status: HTTPStatus) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def tell(request: Request, error: Exception) -> Response:
        return _tell(request, str(error), status)

    return tell


async def _ask_to_log_in(request: Request, error: Exception) -> Response:
    is_page = "hx-request" not in request.headers and request.method == "GET"
    if is_page and request.url.path != "/start" and not request.url.path.startswith("/items/"):
        return RedirectResponse("/login", 303)
    words = str(error)
    if request.url.path not in ("/start", "/login"):
        room: Room = request.app.state.room
        way = "log in again" if room.start_token is None else "open the link of the terminal again"
        words = f"your session has ended and this was not recorded: {way}; then you find it here"
    return _tell(request, words, HTTPStatus.UNAUTHORIZED)


async def _refuse_values(request: Request, _: Exception) -> Response:
    # What was sent is not repeated: it may be a note.
    return _tell(request, "the page sent what this place cannot read", HTTPStatus.BAD_REQUEST)


async def _ask_to_wait(request: Request, error: Exception) -> Response:
    answer = _tell(request, str(error), HTTPStatus.TOO_MANY_REQUESTS)
    if isinstance(error, TooManyTriesError):
        answer.headers["retry-after"] = str(error.seconds)
    return answer


async def _tell_of_address(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    words = "there is nothing at this address" if status == HTTPStatus.NOT_FOUND else _NOT_THIS_WAY
    return _tell(request, words, HTTPStatus(status))


async def _tell_of_failure(request: Request, _: Exception) -> Response:
    # Its own words may hold what a report says; the terminal has them.
    words = "the server failed at this, and did not record it: see its terminal, then try again"
    answer = _tell(request, words, HTTPStatus.INTERNAL_SERVER_ERROR)
    # Starlette answers a failure outside of the guard.
    answer.headers.update(ANSWER_HEADERS)
    return answer


_NOT_THIS_WAY = "this address is not asked for in this way"

_TELLERS: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    NotLoggedInError: _ask_to_log_in,
    NotAllowedError: _make_teller(HTTPStatus.FORBIDDEN),
    NoPictureError: _make_teller(HTTPStatus.NOT_FOUND),
    AuditError: _make_teller(HTTPStatus.CONFLICT),
    RequestValidationError: _refuse_values,
    TooManyTriesError: _ask_to_wait,
    HTTPException: _tell_of_address,
    Exception: _tell_of_failure,
}


def _tell(request: Request, words: str, status: HTTPStatus) -> Response:
    """Answer with one sentence: into the page's line for messages, or as a page of its own."""
    room: Room = request.app.state.room
    if "hx-request" not in request.headers:
        answer = room.render("message.html.j2", words=words, status=int(status))
    else:
        is_form = request.url.path == "/login"
        answer = room.render("told.html.j2", words=words, has_way=not is_form)
        answer.headers["hx-retarget"] = "#message"
        answer.headers["hx-reswap"] = "innerHTML"
    answer.status_code = status
    return answer
