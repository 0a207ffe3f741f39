"""The compiled labeler reads as the plain one does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from text_labeler import Labeler

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "text_labeler" / "cases"
LABEL_THEM = """
import json, sys
from text_labeler import Labeler, phrases
assert not phrases.__file__.endswith(".py"), phrases.__file__
print(json.dumps(list(Labeler().pipe(json.load(sys.stdin)))))
"""


SETUPTOOLS = int(version("setuptools").split(".")[0])


@pytest.mark.slow
@pytest.mark.skipif(SETUPTOOLS < 77, reason="needs setuptools 77 or newer (`make wheel` has it)")
def test_the_compiled_labeler_gives_the_same_labels_and_evidence(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    environment = {**os.environ, "KERLEY_COMPILE": "1"}
    source = tmp_path / "source"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([*build, "--wheel-dir", tmp_path, source], env=environment, check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "wheel")
    texts = [
        row[0]
        for path in sorted(CASES.glob("*.yaml"))
        for rows in yaml.safe_load(path.read_text()).values()
        for row in rows
    ]
    run = subprocess.run(
        [sys.executable, "-c", LABEL_THEM],
        cwd=tmp_path / "wheel",
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(run.stdout) == json.loads(json.dumps(list(Labeler().pipe(texts))))
