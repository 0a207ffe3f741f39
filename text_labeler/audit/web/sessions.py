"""Who a browser is: signed cookies, the tokens that guard its writes, and the secret of both."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

SECRET_BYTES = 32
SESSION_SECONDS = 12 * 3600.0
"""A working day; whoever reads on after it logs in again."""


def find_secret(file: Path) -> bytes:
    """Return the secret kept in `file`, made at the first call: 32 random bytes, file mode 600.

    Raises PermissionError where other users may read it.
    """
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(descriptor, "wb") as made:
            made.write(secrets.token_bytes(SECRET_BYTES))
    status = file.stat()
    found = file.read_bytes()
    if status.st_mode & 0o077:
        raise PermissionError(1, "others may read this secret; expected file mode 600", str(file))
    if len(found) != SECRET_BYTES:
        raise PermissionError(1, "no secret of 32 bytes; remove the file to make one", str(file))
    return found


class Sessions:
    """Cookies that say who is logged in, signed with HMAC-SHA256; nothing is kept but log-outs."""

    def __init__(self, secret: bytes, *, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._clock = clock
        self._ended: set[str] = set()
        # Cookies know no ports: two audits served on one machine must not share one.
        self.cookie = f"kerley_{self._sign('cookie')[:8]}"

    def open(self, reader: str) -> str:
        """Return a new cookie's value for a reader; "" is a visitor who is not logged in."""
        name = base64.urlsafe_b64encode(reader.encode()).decode()
        expires = int(self._clock() + SESSION_SECONDS)
        words = f"{name}.{expires}.{secrets.token_urlsafe(16)}"
        return f"{words}.{self._sign('session', words)}"

    def read(self, value: str) -> str | None:
        """Return whose cookie this is; None for one that is forged, ended or too old."""
        words, _, signature = value.rpartition(".")
        parts = words.split(".")
        if not hmac.compare_digest(signature.encode(), self._sign("session", words).encode()):
            return None
        if len(parts) != 3 or int(parts[1]) < self._clock() or value in self._ended:
            return None
        return base64.urlsafe_b64decode(parts[0]).decode()

    def end(self, value: str) -> None:
        """Accept this cookie no more."""
        self._ended.add(value)

    def token(self, value: str) -> str:
        """Return what a page must send with each write, beside the cookie."""
        return self._sign("write", value)

    def _sign(self, what: str, words: str = "") -> str:
        return hmac.new(self._secret, f"{what}|{words}".encode(), hashlib.sha256).hexdigest()
