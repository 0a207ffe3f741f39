"""The mirror at W&B: numbers only, readable without a server, and never in the way."""

from __future__ import annotations

import json
import struct
import zlib

import pytest

from joint.metrics_log import MetricsLog
from joint.run_settings import RunSettings
from joint.tracking import Tracker
from joint.tracking_settings import TrackingSettings, public_settings
from tests.joint.tiny import joint_settings

HEADER_BYTES, BLOCK_BYTES, FIRST_PARTS = 7, 32768, (1, 2)


def read_records(file):
    """Yield the records of a `.wandb` file: a log of checksummed pieces in blocks (LevelDB's)."""
    from wandb.proto import wandb_internal_pb2

    data, position, buffer = file.read_bytes(), HEADER_BYTES, b""
    assert data[:4] == b":W&B"
    while position < len(data):
        left = BLOCK_BYTES - position % BLOCK_BYTES
        if left < HEADER_BYTES:
            position += left
            continue
        checksum, size, kind = struct.unpack("<IHB", data[position : position + HEADER_BYTES])
        piece = data[position + HEADER_BYTES : position + HEADER_BYTES + size]
        assert zlib.crc32(piece, zlib.crc32(bytes([kind]))) == checksum
        buffer = piece if kind in FIRST_PARTS else buffer + piece
        position += HEADER_BYTES + size
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(buffer)
            yield record


def key_of(item):
    return item.key or ".".join(item.nested_key)


def history(folder):
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    rows = [
        {key_of(item): json.loads(item.value_json) for item in record.history.item}
        for record in read_records(file)
        if record.WhichOneof("record_type") == "history"
    ]
    return [{k: v for k, v in row.items() if not k.startswith("_")} for row in rows]


def config(folder):
    (file,) = folder.glob("wandb/offline-run-*/*.wandb")
    runs = [record.run for record in read_records(file) if record.HasField("run")]
    return {key_of(item): json.loads(item.value_json) for item in runs[0].config.update}


def track(folder, settings, **config):
    tracker = Tracker(folder, settings, config=config, job="train")
    tracker.log({"kind": "train", "step": 3, "loss": 0.5, "note": "words", "missing": None})
    tracker.finish()
    return tracker


def test_an_offline_run_reads_back_as_it_was_logged(tmp_path):
    tracker = track(tmp_path, TrackingSettings(), seed=4)
    assert tracker.problems == 0
    assert history(tmp_path) == [{"global_step": 3, "train/loss": 0.5}]
    assert config(tmp_path)["seed"] == 4


def test_disabled_writes_nothing(tmp_path):
    track(tmp_path, TrackingSettings(wandb="disabled"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", [None, "0123456789" * 4])
def test_a_dead_network_or_no_key_leaves_an_offline_mirror(tmp_path, monkeypatch, caplog, key):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    if key:
        monkeypatch.setenv("WANDB_API_KEY", key)
    tracker = track(tmp_path, TrackingSettings(wandb="online", timeout_seconds=2.0))
    assert tracker.problems == 1
    assert "mirrored offline" in caplog.text
    assert history(tmp_path) == [{"global_step": 3, "train/loss": 0.5}]


def test_whatever_wandb_raises_the_run_goes_on(tmp_path, monkeypatch, caplog):
    import wandb

    def fail(*_, **__):
        raise SystemError("secret path in this message")

    monkeypatch.setattr(wandb, "init", fail)
    tracker = track(tmp_path, TrackingSettings(wandb="offline"))
    assert tracker.problems == 1
    assert "SystemError" in caplog.text
    assert "secret" not in caplog.text


def test_settings_leave_as_numbers_and_listed_words_only():
    settings = RunSettings.model_validate(
        {
            "name": "jane-doe",
            "out": __import__("pathlib").Path("/private/place"),
            "data": {"corpus": "phantom", "root": __import__("pathlib").Path("/private/corpus")},
            "task": joint_settings().model_dump(),
        }
    )
    public = public_settings(settings)
    assert public["optimizer.learning_rate"] == 0.001
    assert public["data.corpus"] == "phantom"
    assert not {"jane", "private"} & set(str(public).replace("-", "/").split("/"))
    assert "name" not in public


def test_the_record_survives_a_cut_line_and_forgets_later_steps(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    for step in (1, 2, 3):
        log.append("train", step, {"loss": float("nan") if step == 2 else 1.0})
    with log.path.open("a") as file:
        file.write('{"kind": "train", "st')
    assert [row["loss"] for row in log.rows()] == [1.0, None, 1.0]
    log.keep_until(2)
    assert [row["step"] for row in log.rows()] == [1, 2]
