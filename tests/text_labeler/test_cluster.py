"""Mining on a cluster gives the table of one machine, whatever happens to workers."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from configs.files import hash_file
from data_cards.study import list_studies
from text_labeler import mining
from text_labeler.engine import EngineError
from text_labeler.label_parts import label_chunk
from text_labeler.labelers import KerleyLabeler
from text_labeler.mining import mine, mine_corpus

pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
from text_labeler.cluster import DaskCluster

KILLED = "KERLEY_TEST_KILLED"


def list_reports(folder: Path, count: int):
    words = ("Mild edema", "No effusion", "Possible pneumonia", "Right pneumothorax", "Clear")
    return list_studies(
        "own",
        folder,
        (
            {
                "corpus": "own",
                "study_id": f"s{i}",
                "patient_id": "p",
                "images": [],
                "report": f"{words[i % 5]} in {i % 97} and {words[i % 7 % 5]} in {i % 89}.",
            }
            for i in range(count)
        ),
    )


def kill_a_worker(*work):
    """Kill the first worker process that is given work, and label in all others."""
    marker = Path(os.environ[KILLED])
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return label_chunk(*work)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def test_two_runs_may_have_a_cluster_on_one_machine():
    with DaskCluster() as first, DaskCluster() as second:
        for engine in (first, second):
            assert list(engine.run(_turn_round, [(0, b"ab"), (1, b"cd")], ())) == [
                (0, b"ba"),
                (1, b"dc"),
            ]


def _turn_round(chunk):
    return chunk[::-1]


def test_a_cluster_that_loses_a_worker_gives_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setenv(KILLED, str(tmp_path / "killed"))
    listing = list_reports(tmp_path, 20_000)
    alone, together = tmp_path / "alone.parquet", tmp_path / "together.parquet"
    mine(listing, alone)
    monkeypatch.setattr(mining, "label_chunk", kill_a_worker)
    with DaskCluster(workers=2) as engine:
        manifest = mine_corpus(listing, together, KerleyLabeler(), engine)
    assert (tmp_path / "killed").exists()
    assert manifest.studies == 20_000
    assert hash_file(together) == hash_file(alone)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://x"])
def test_an_address_where_nobody_answers_is_named(monkeypatch, address):
    monkeypatch.setattr("text_labeler.cluster.CONNECT_SECONDS", 0.5)
    with pytest.raises(EngineError, match=f"{address}: no Dask scheduler answers"):
        DaskCluster(address)
