"""`kerley audit serve` as a process: where it listens, whom it lets in, how it stops."""

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from joint.audit.room import is_loopback, read_picture
from tests.text_labeler.audit.served import find_field, find_item, plant_audit
from text_labeler.audit.records import AuditError
from text_labeler.audit.store import AuditStore

ROOT = Path(__file__).parents[2]


@pytest.fixture
def audit(tmp_path):
    """An audit's folder with one 16-bit X-ray for all studies."""
    Image.fromarray(np.arange(6400, dtype=np.uint16).reshape(80, 80)).save(tmp_path / "a.png")
    folder = tmp_path / "audit"
    with plant_audit(folder, studies=8, images=((str(tmp_path / "a.png"), "PA"),)) as store:
        (folder / "plan.json").write_text(store.plan())
    return folder


def start(folder: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "kerley.py", "audit", "serve", str(folder), "--port", "0", *options]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def fail(folder: Path, *options: str) -> tuple[int, str]:
    """Start what must not start; give its exit code and what it said."""
    process = start(folder, *options)
    try:
        _, wrong = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, wrong


@contextmanager
def served(folder: Path):
    process = start(folder)
    link = process.stdout.readline().split()[-1]
    yield process, link
    if process.poll() is None:
        process.kill()
    process.wait()
    process.stdout.close()
    process.stderr.close()


class Visitor:
    """A browser's cookies and headers, over plain HTTP."""

    def __init__(self, link: str) -> None:
        self.base = re.match(r"http://[^/]+", link)[0]
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        self.page = self.get(link.removeprefix(self.base))
        self.token = re.search(r'"x-kerley-token": "([0-9a-f]+)"', self.page)[1]

    def get(self, path: str) -> str:
        return self.opener.open(self.base + path).read().decode("utf-8", "replace")

    def read(self) -> str:
        form = f"verdict=absent&idem={find_field(self.page, 'idem')}".encode()
        path = f"/items/{find_item(self.page)}/read"
        headers = {"x-kerley-token": self.token, "hx-request": "true"}
        asked = urllib.request.Request(self.base + path, form, headers)
        self.page = self.opener.open(asked).read().decode()
        return path


def test_it_serves_reports_and_xrays_and_stops_when_asked(audit) -> None:
    with served(audit) as (process, link):
        assert link.startswith("http://127.0.0.1:")
        visitor = Visitor(link)
        item = find_item(visitor.page)
        assert '"rows":80' in visitor.get(f"/items/{item}/pictures/0")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(visitor.base + f"/items/{item}/pictures/0")
        visitor.read()
        process.send_signal(signal.SIGINT)
        said, wrong = process.communicate(timeout=30)
    assert process.returncode == 0, wrong
    assert "stopped" in said
    assert wrong == ""
    assert (audit / "audit.secret").stat().st_mode & 0o777 == 0o600


def test_a_killed_server_loses_no_read_that_it_acknowledged(audit) -> None:
    with served(audit) as (process, link):
        visitor = Visitor(link)
        for _ in range(3):
            visitor.read()
        process.kill()
    with AuditStore.open(audit) as store:
        assert len(store.reads()) == 3
        assert store.verify()


def test_others_can_only_reach_it_where_there_are_accounts(audit) -> None:
    code, wrong = fail(audit, "--host", "0.0.0.0")
    assert code == 2
    assert "add accounts first" in wrong
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost")] == [True] * 3
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "example.org", ""))


def test_a_folder_that_is_no_audit_and_a_file_that_is_no_xray_are_told(tmp_path) -> None:
    code, wrong = fail(tmp_path)
    assert code == 2
    assert "no audit" in wrong
    file = tmp_path / "patient-name.dcm"
    file.write_text("no image")
    with pytest.raises(AuditError, match="cannot be read") as raised:
        read_picture(file)
    assert "patient-name" not in str(raised.value)
    assert os.fspath(tmp_path) not in str(raised.value)
