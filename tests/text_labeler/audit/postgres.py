"""Starts a PostgreSQL server of the tests' own: in a folder of /tmp, reached by its socket only."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def start_server() -> Iterator[str]:
    """Give the URL of a server's database; or skip and say why there is none."""
    programs = find_programs() or install()
    folder = Path(tempfile.mkdtemp(prefix="kerley-pg-", dir="/tmp"))
    server = {"user": choose_user(), "group": choose_user()} if os.geteuid() == 0 else {}
    try:
        if server:
            shutil.chown(folder, server["user"], server["group"])
            server["extra_groups"] = []
        data, log = folder / "data", folder / "log"
        quiet = {"stdout": subprocess.DEVNULL, "cwd": folder, **server}
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "auditor", "-A", "trust", "-N", "-E", "UTF8"],
            check=True,
            **quiet,
        )
        options = f"-c listen_addresses='' -k {folder} -c fsync=off -c max_connections=50"
        control = [programs / "pg_ctl", "-D", data, "-l", log, "-w"]
        subprocess.run([*control, "-o", options, "start"], check=True, **quiet)
        try:
            yield f"postgresql+psycopg://auditor@/postgres?host={folder}"
        finally:
            subprocess.run([*control, "-m", "immediate", "stop"], check=True, **quiet)
    finally:
        shutil.rmtree(folder)


def find_programs() -> Path | None:
    """Where initdb lies: Debian keeps it off the PATH."""
    found = [*sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
    on_path = shutil.which("initdb")
    if found or on_path is None:
        return found[-1].parent if found else None
    return Path(on_path).resolve().parent


def install() -> Path:
    """Install PostgreSQL where that is possible."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip("no PostgreSQL, and no right to install it: install `postgresql`")
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "postgresql"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["apt-get", "update", "-qq"], command):
        subprocess.run(words, check=False, env=environment, **quiet)
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL, and apt-get could not install it: install `postgresql`")
    return programs


def choose_user() -> str:
    """The server refuses to run as root."""
    known = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"
