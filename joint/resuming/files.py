"""A checkpoint as a folder of hashed files: written beside, flushed, renamed, checked again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from configs.files import hash_file, hash_json, write_json

STATE_FILE = "state.json"
STEP_FOLDERS = "step-????????"


class DamageError(ValueError):
    """A checkpoint folder that is not as it was written; the message names the file."""


def step_folder(folder: Path, step: int) -> Path:
    """Name the checkpoint of a step."""
    return folder / f"step-{step:08d}"


def list_steps(folder: Path) -> list[Path]:
    """List the checkpoints under a folder, the newest first, whole or not."""
    return sorted(folder.glob(STEP_FOLDERS), reverse=True)


def begin_folder(target: Path) -> Path:
    """Make the empty temporary folder that `finish_folder` turns into `target`."""
    temporary = _temporary(target)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    return temporary


def finish_folder(target: Path, state: Mapping[str, Any]) -> None:
    """Write `state` with every file's SHA-256, flush all to disk, and rename into place."""
    temporary = _temporary(target)
    files = {
        str(path.relative_to(temporary)): hash_file(path)
        for path in sorted(temporary.rglob("*"))
        if path.is_file()
    }
    content = {**state, "files": files}
    write_json(temporary / STATE_FILE, content | {"hash": hash_json(content)})
    for path in (*temporary.rglob("*"), temporary):
        _flush(path)
    shutil.rmtree(target, ignore_errors=True)
    temporary.replace(target)
    _flush(target.parent)


def drop_unfinished(folder: Path) -> None:
    """Remove what a crash or a full disk left half written."""
    for temporary in folder.glob(f".{STEP_FOLDERS}.tmp"):
        shutil.rmtree(temporary, ignore_errors=True)


def read_state(checkpoint: Path) -> dict[str, Any]:
    """Read a checkpoint's state alone; raises DamageError where it is not as written."""
    file = checkpoint / STATE_FILE
    try:
        state: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        is_as_written = state.pop("hash") == hash_json(state)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise DamageError(f"{file}: not a readable checkpoint ({type(error).__name__})") from error
    if not is_as_written:
        raise DamageError(f"{file}: not as it was written")
    return state


def check_files(checkpoint: Path) -> dict[str, Any]:
    """Read every file of a checkpoint; return its state, raise DamageError when one differs."""
    state = read_state(checkpoint)
    for name, digest in state["files"].items():
        file = checkpoint / name
        if not file.is_file():
            raise DamageError(f"{file}: is missing")
        if hash_file(file) != digest:
            raise DamageError(f"{file}: not as it was written ({file.stat().st_size} bytes)")
    return state


def set_aside(checkpoint: Path) -> None:
    """Rename a damaged checkpoint, so that no later step counts it among the newest."""
    aside = checkpoint.with_name(f"damaged-{checkpoint.name}")
    shutil.rmtree(aside, ignore_errors=True)
    checkpoint.replace(aside)


def point(link: Path, target: Path) -> None:
    """Let a link lead to a folder beside it, in one move."""
    temporary = link.with_name(f".{link.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target.name, target_is_directory=True)
    temporary.replace(link)


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.tmp")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
