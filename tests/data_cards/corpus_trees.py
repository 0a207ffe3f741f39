"""Writes small corpora in the layouts of their publishers, and hashes trees."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path


def write_table(path: Path, rows: Sequence[Mapping[str, object]], columns: str = "") -> Path:
    """Write rows as CSV; `columns` (comma-separated) has those that no row names as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = columns.split(",") if columns else list(rows[0])
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_files(root: Path, *places: str) -> None:
    """Write a file at each place; its bytes are the place itself."""
    for place in places:
        file = root / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(place)


def hash_tree(root: Path) -> str:
    """Hash names, kinds, times and bytes of all that lies below a folder."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        what = path.read_bytes() if path.is_file() else b""
        digest.update(repr((str(path), path.lstat().st_mtime_ns, what)).encode())
    return digest.hexdigest()
