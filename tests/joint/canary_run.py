"""A tiny run whose study ids can be told from any other text, and what is asked of its lineage."""

from __future__ import annotations

from contextlib import chdir, contextmanager
from pathlib import Path

from typer.testing import CliRunner

from data_cards.study import list_studies
from joint.commands import app
from joint.lineage.check import check_lineage
from joint.lineage.trace import find_lineage
from joint.run import run_training
from tests.joint.test_run import tiny_run
from tests.joint.tiny_corpus import (
    read_tiny,
)

STUDY_PREFIX = "canary-study"


def read_canary(root: Path):
    """The tiny corpus under study ids that can be told from any other text."""
    studies = (dict(study) for study in read_tiny(root).studies)
    named = [study | {"study_id": f"{STUDY_PREFIX}-{study['study_id']}"} for study in studies]
    return list_studies("canary", root, named)


def train(home):
    settings = tiny_run(
        Path("corpus"),
        Path("runs"),
        loop={"steps": 2, "evaluate_every": 2},
        evaluation={"resamples": 10, "reference": "reads.csv"},
        data={
            "corpus": "canary",
            "root": "corpus",
            "work": "work",
            "cache": {"size": 32},
            "validate_share": 0.25,
            "test_share": 0.25,
        },
    )
    with chdir(home):
        run_training(settings)


def ask(*arguments):
    return CliRunner().invoke(app, ["lineage", *map(str, arguments)], catch_exceptions=False)


def statuses_of(given):
    found = find_lineage(given)
    statuses = check_lineage(found)
    return {node.kind: statuses[node.hash] for node in found.lineage.nodes}


@contextmanager
def changed(file, change):
    """Change a file's bytes for a while."""
    before = file.read_bytes()
    file.write_bytes(change(before))
    yield
    file.write_bytes(before)


def flip_last(content):
    return content[:-1] + bytes([content[-1] ^ 1])
