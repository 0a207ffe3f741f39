"""The compiled labeler reads as the plain one does, and only while its source is unchanged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from text_labeler import compiled

CASES = Path(__file__).parent / "cases"
LABEL_THEM = """
import json, sys
from text_labeler import Labeler
from text_labeler.compiled import is_compiled
labels = [list(result) for result in Labeler().pipe(json.load(sys.stdin))]
print(json.dumps([is_compiled(), labels]))
"""


def label_in_process(texts, root):
    run = subprocess.run(
        [sys.executable, "-c", LABEL_THEM],
        env={**os.environ, compiled.ROOT_VARIABLE: str(root)},
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(run.stdout)


@pytest.mark.slow
def test_the_compiled_labeler_gives_the_same_labels_and_evidence(tmp_path, monkeypatch):
    monkeypatch.setenv(compiled.ROOT_VARIABLE, str(tmp_path))
    folder = compiled.compile_modules()
    assert {file.name.split(".")[0] for file in (folder / "text_labeler").iterdir()} == set(
        compiled.MODULES
    )
    texts = [
        row[0]
        for path in sorted(CASES.glob("*.yaml"))
        for rows in yaml.safe_load(path.read_text()).values()
        for row in rows
    ]
    in_c, plain = label_in_process(texts, tmp_path), label_in_process(texts, "0")
    assert (in_c[0], plain[0]) == (True, False)
    assert in_c[1] == plain[1]


def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path, monkeypatch):
    place = tmp_path / "a-file"
    place.write_text("")
    monkeypatch.setenv(compiled.ROOT_VARIABLE, str(place))
    with pytest.raises(compiled.CompileError, match="cannot be written"):
        compiled.compile_modules()
    assert [file.name for file in tmp_path.iterdir()] == ["a-file"]


def test_modules_compiled_from_another_source_are_not_used(tmp_path):
    stale = tmp_path / f"0123456789abcdef-{sys.implementation.cache_tag}" / "text_labeler"
    stale.mkdir(parents=True)
    (stale / "phrases.so").write_bytes(b"no library at all")
    assert label_in_process(["Edema."], tmp_path)[0] is False


def test_what_cannot_be_compiled_is_said_and_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv(compiled.ROOT_VARIABLE, str(tmp_path))
    monkeypatch.setattr(compiled, "MODULES", ("no_such_module",))
    with pytest.raises(compiled.CompileError, match="needs mypy and setuptools"):
        compiled.compile_modules()
    assert list(tmp_path.iterdir()) == []
