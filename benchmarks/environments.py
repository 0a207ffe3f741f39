"""The peers, and a virtual environment for each, made once and kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PEER_SCRIPTS = Path(__file__).parent / "peers"
READY = "ready"
MAKING_SECONDS = 1800


class PeerError(ValueError):
    """A peer that cannot be installed or run; the message says why."""


@dataclass(frozen=True)
class Peer:
    """A labeler to stand beside: its script in `peers/`, and what pip installs for it."""

    name: str
    script: str
    requirements: tuple[str, ...]


PEERS = {
    peer.name: peer
    for peer in (
        Peer("negspacy", "with_negspacy.py", ("negspacy==1.1.0", "spacy>=3.8,<3.9")),
        Peer(
            "medspacy",
            "with_medspacy.py",
            (
                "medspacy==1.3.1",
                # Below Python 3.12 it refuses newer ones.
                "spacy==3.7.5; python_version < '3.12'",
                "numpy<2; python_version < '3.12'",
            ),
        ),
        Peer("edsnlp", "with_edsnlp.py", ("edsnlp==0.23.0",)),
        Peer("pycontext", "with_pycontext.py", ("pyConTextNLP==0.7.0.1", "networkx>=3.3,<4")),
    )
}


def default_folder() -> Path:
    """Where environments are kept: beneath the user's folder for what can be made again."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "kerley" / "benchmark-environments"


def make_environment(peer: Peer, folder: Path) -> Path:
    """Return the peer's Python, installing it first if need be; raises PeerError."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = hashlib.sha256("\n".join(peer.requirements).encode()).hexdigest()[:8]
    place = folder / f"{peer.name}-{version}-{key}"
    python = place / "bin" / "python"
    if (place / READY).exists():
        return python
    shutil.rmtree(place, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(place)])
    _run([str(python), "-m", "pip", "install", "--quiet", *peer.requirements])
    (place / READY).touch()
    return python


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=MAKING_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise PeerError(f"not installed within {MAKING_SECONDS} s") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in said if line.startswith("ERROR")] or said or ["no message"]
        raise PeerError(f"does not install: {errors[-1]}")
