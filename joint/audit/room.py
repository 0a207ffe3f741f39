"""Serves an audit: text_labeler's web application with vision's pictures, behind one address."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from text_labeler.audit.app import AppSettings, create_app
from text_labeler.audit.place import open_folder
from text_labeler.audit.records import AuditError
from text_labeler.audit.web.pictures import Picture
from text_labeler.audit.web.sessions import find_secret
from vision.viewing.unwindowed import read_unwindowed
from vision.xray_image import ImageError

SECRET_FILE = "audit.secret"  # noqa: S105 - its name
STOP_SECONDS = 5


def serve_audit(
    audit: Path, *, host: str, port: int, open_page: bool, tell: Callable[[str], None]
) -> None:
    """Serve until Ctrl-C; the address is told once the port is held.

    Raises AuditError for what is no audit, for an address that others can reach while the audit
    has no accounts, and for a port that is taken.
    """
    with open_folder(audit) as store:
        has_accounts = bool(store.accounts.list())
        if not has_accounts and not is_loopback(host):
            raise AuditError(
                f"--host {host}: others could read the reports; add accounts first "
                "(kerley audit accounts), or leave --host out"
            )
        token = None if has_accounts else secrets.token_urlsafe(32)
        settings = AppSettings(
            secret=find_secret(audit / SECRET_FILE), start_token=token, hosts=_name_hosts(host)
        )
        app = create_app(store, read_picture=read_picture, settings=settings)
        with _listen(host, port) as listening:
            link = _make_link(host, listening.getsockname()[1], token)
            tell(f"the audit room is at {link}")
            tell("whoever has this link comes in; Ctrl-C stops it" if token else "Ctrl-C stops it")
            if open_page:
                webbrowser.open(link)
            _run(app, listening)
    tell("stopped; every read that was acknowledged is on the disk")


def _run(app: FastAPI, listening: socket.socket) -> None:
    # Requests are not logged: the link's token and the items' ids would stand there.
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])


def read_picture(path: Path) -> Picture:
    """Read an X-ray for the viewer; its error never names the file, whose name may be a patient."""
    try:
        return read_unwindowed(path)
    except ImageError as error:
        raise AuditError(f"the picture cannot be read: {error.reason}") from error


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name_hosts(host: str) -> tuple[str, ...]:
    return () if is_loopback(host) else (host.lower(), socket.gethostname().lower())


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        # From here on a browser that follows the link at once waits, and is not refused.
        listening.listen()
    except OSError as error:
        raise AuditError(f"{host}, port {port}: {error.strerror}") from error
    return listening


def _make_link(host: str, port: int, token: str | None) -> str:
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{port}/"
    return address if token is None else f"{address}start?token={token}"
