from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from configs.files import (
    find_overwritten,
    hash_file,
    hash_json,
    write_atomically,
    write_json,
    write_text,
)


def test_a_written_file_holds_the_text(tmp_path):
    write_text(tmp_path / "new" / "folder" / "file.txt", "Größe: 3\n")
    assert (tmp_path / "new/folder/file.txt").read_bytes() == "Größe: 3\n".encode()


def test_an_output_that_is_an_input_or_another_output_is_found(tmp_path):
    given, link, new = (tmp_path / name for name in ("given", "link", "new"))
    given.touch()
    link.symlink_to(given)
    assert find_overwritten([None, new], [given, None]) is None
    assert find_overwritten([new, link], [given]) == link
    assert find_overwritten([new, tmp_path / "folder" / ".." / "new"], []) is not None


def write_half(file: Path, error: BaseException) -> None:
    with write_atomically(file) as temporary:
        temporary.write_text("new, half writ")
        raise error


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    file = tmp_path / "file.txt"
    file.write_text("old")
    with pytest.raises(type(error)):
        write_half(file, error)
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]
    assert file.read_text() == "old"


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    # A limit on the size of a file makes the write itself fail, as a full disk does.
    file = tmp_path / "file.txt"
    file.write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
            write_text(file, "x" * 200_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]
    assert file.read_text() == "old"


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    file = tmp_path / "file.txt"
    file.write_text("old")
    with write_atomically(file) as temporary:
        temporary.write_text("new")
        assert file.read_text() == "old"
        assert temporary.parent == file.parent
    assert file.read_text() == "new"


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    file = tmp_path / "file.txt"
    file.write_text("old")
    program = textwrap.dedent("""
        import os, signal, sys
        from pathlib import Path
        from configs.files import write_atomically
        with write_atomically(Path(sys.argv[1])) as temporary:
            temporary.write_text("new")
            os.kill(os.getpid(), signal.SIGKILL)
    """)
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program, str(file)], cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL
    assert file.read_text() == "old"


def test_two_writers_use_two_temporary_files(tmp_path):
    with (
        write_atomically(tmp_path / "file.txt") as one,
        write_atomically(tmp_path / "file.txt") as other,
    ):
        one.write_text("one")
        other.write_text("other")
        assert one != other
    assert (tmp_path / "file.txt").read_text() == "one"  # the outer block ends last


def test_json_that_no_other_reader_takes_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_json_is_read_back(tmp_path):
    value = {"ä": [1, None, 0.5]}
    write_json(tmp_path / "file.json", value)
    assert json.loads((tmp_path / "file.json").read_text(encoding="utf-8")) == value


def test_a_file_hash_is_sha256_of_its_bytes(tmp_path):
    content = os.urandom((1 << 20) + 17)  # over one block
    (tmp_path / "file").write_bytes(content)
    assert hash_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_a_json_hash_is_blind_to_order_and_sees_values():
    assert hash_json({"a": 1, "b": "ä"}) == hash_json({"b": "ä", "a": 1})
    assert hash_json({"a": 1}) != hash_json({"a": "1"})
    assert hash_json([1, 2]) != hash_json([2, 1])
