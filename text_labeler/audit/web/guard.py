"""What every request passes first: host, origin, token and size; and the headers of each answer."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable, Collection
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from text_labeler.audit.web.room import find_bearer
from text_labeler.audit.web.sessions import Sessions

SAFE_METHODS = frozenset({"GET", "HEAD"})
WRITE_METHODS = frozenset({"POST"})
MAX_BODY_BYTES = 64 << 10
"""A note has at most 10,000 characters; there are no uploads."""

Tell = Callable[[Request, str, HTTPStatus], Response]

TOO_OLD = "this page is of an earlier session: load it again; nothing was recorded by this key"
TOO_MUCH = "too much was sent, and nothing was recorded: a note has at most 10,000 characters"

TOKEN_HEADER = "x-kerley-token"  # noqa: S105 - its name

ANSWER_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # Reports and X-rays must not stay on the disk of the browser's machine.
    "cache-control": "no-store",
}


class Guard:
    """Refuses what no page of ours sends.

    hosts: names that may be asked for, beside addresses in digits: a foreign name that points
    here (DNS rebinding) is refused, while digits can't be rebound. tell: makes the answer that
    refuses, from the words and the status.
    """

    def __init__(
        self, app: ASGIApp, *, hosts: Collection[str], sessions: Sessions, tell: Tell
    ) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._sessions = sessions
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        refusal = self._refuse(Request(scope))

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in ANSWER_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)

    def _refuse(self, request: Request) -> Response | None:
        if not self._knows_host(request.headers.get("host", "")):
            return PlainTextResponse(
                "this address is not the audit's", HTTPStatus.MISDIRECTED_REQUEST
            )
        if request.method in SAFE_METHODS:
            return None
        refused = self._refuse_write(request)
        return None if refused is None else self._tell(request, *refused)

    def _refuse_write(self, request: Request) -> tuple[str, HTTPStatus] | None:
        if request.method not in WRITE_METHODS:
            return "not a method of this site", HTTPStatus.METHOD_NOT_ALLOWED
        if not _is_same_origin(request.headers):
            return "the request came from another site", HTTPStatus.FORBIDDEN
        if not self._has_token(request):
            return TOO_OLD, HTTPStatus.FORBIDDEN
        # The server reads no more than this; a body of no stated length is refused.
        length = request.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            return TOO_MUCH, HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        return None

    def _has_token(self, request: Request) -> bool:
        """Whether the page's token is there; a program's API token is no cookie: it needs none."""
        if find_bearer(request):
            return True
        cookie = request.cookies.get(self._sessions.cookie, "")
        sent = request.headers.get(TOKEN_HEADER, "").encode()
        return bool(cookie) and hmac.compare_digest(sent, self._sessions.token(cookie).encode())

    def _knows_host(self, host: str) -> bool:
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        name = name.strip("[]").lower()
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._hosts
        return True


def _is_same_origin(headers: Headers) -> bool:
    """Whether the browser says so; one that says nothing must still send the page's token."""
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == headers.get("host")
