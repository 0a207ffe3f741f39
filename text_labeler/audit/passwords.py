"""What a password and an API token are kept as: never as themselves."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import NamedTuple

from text_labeler.audit.records import AuditError

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 1000

_COST = (2**14, 8, 1)
"""scrypt's n, r, p: 16 MiB and some 50 ms for each try."""

_TOKEN_START = "kerley"  # noqa: S105 - lets scanners of source code find a token that got there


class MadeToken(NamedTuple):
    """A new token. text: to be shown once. token_id and hash: what is stored."""

    text: str
    token_id: str
    hash: str


def hash_password(password: str) -> str:
    """Return scrypt's hash with its salt and cost; raises AuditError for a short password."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise AuditError(f"password: expected {SHORTEST_PASSWORD} characters or more")
    salt = secrets.token_bytes(16)
    return "$".join(["scrypt", *map(str, _COST), salt.hex(), _scrypt(password, salt, _COST).hex()])


def is_password(password: str, stored: str | None) -> bool:
    """Whether a password is that of a stored hash; takes as long where there is no hash."""
    if len(password) > LONGEST_PASSWORD:
        return False
    _, n, r, p, salt, expected = (stored or _NO_PASSWORD).split("$")
    found = _scrypt(password, bytes.fromhex(salt), (int(n), int(r), int(p)))
    return hmac.compare_digest(found.hex(), expected) and stored is not None


def make_token() -> MadeToken:
    """Make a token of 32 random bytes; only its hash is kept."""
    token_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    return MadeToken(f"{_TOKEN_START}_{token_id}_{secret}", token_id, _hash(secret))


def split_token(text: str) -> tuple[str, str] | None:
    """Return a token's id and the hash of its secret, None of what is no token."""
    start, _, rest = text.partition("_")
    token_id, _, secret = rest.partition("_")
    if start != _TOKEN_START or not token_id or not secret or not text.isascii():
        return None
    return token_id, _hash(secret)


def _scrypt(password: str, salt: bytes, cost: tuple[int, int, int]) -> bytes:
    n, r, p = cost
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=64 << 20, dklen=32)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


_NO_PASSWORD = "$".join(["scrypt", *map(str, _COST), "00" * 16, "00" * 32])
