"""Files that are written whole or not at all, and the hashes that name them."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HASH_BLOCK_BYTES = 1 << 20


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it into place when the block ends well.

    The file is flushed to disk before the move, so that after a crash either the old or the
    whole new file is there. When the block raises, the temporary file is removed and the
    error goes on.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def find_overwritten(outputs: Iterable[Path | None], inputs: Iterable[Path | None]) -> Path | None:
    """Return the first output that is an input or an earlier output, whatever its path is called.

    None stands for a file that is not asked for, and is returned when nothing is lost.
    """
    taken = {path.resolve() for path in inputs if path is not None}
    for path in outputs:
        if path is not None:
            if path.resolve() in taken:
                return path
            taken.add(path.resolve())
    return None


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 atomically."""
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON atomically; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def hash_json(value: Any) -> str:
    """Return the SHA-256 of a JSON value in canonical form."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


canonical_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
"""The one text of a JSON value: sorted keys, no spaces."""
