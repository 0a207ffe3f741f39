"""The mirror at W&B: numbers only, readable without a server, and never in the way."""

from __future__ import annotations

import os
from pathlib import Path

from joint.metrics_log import MetricsLog
from joint.run_settings import RunSettings
from joint.tracking.settings import TrackingSettings, public_settings
from joint.tracking.tracker import Tracker
from tests.joint.mirror import config, history, records
from tests.joint.tiny import joint_settings


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


def test_errors_of_wandb_are_not_reported_to_its_makers(tmp_path, monkeypatch):
    import wandb

    seen = []
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "true")
    monkeypatch.setattr(wandb, "init", lambda **_: seen.append(dict(os.environ)))
    Tracker(tmp_path, TrackingSettings(), config={}).finish()
    assert seen[0]["WANDB_ERROR_REPORTING"] == "false"
    assert os.environ["WANDB_ERROR_REPORTING"] == "true"


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
            "out": Path("/private/place"),
            "data": {"corpus": "phantom", "root": Path("/private/corpus")},
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


def test_a_trial_of_an_agent_is_the_run_that_the_agent_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "r1")
    monkeypatch.setenv("WANDB_SWEEP_ID", "s1")
    assert track(tmp_path, TrackingSettings()).problems == 0
    (run,) = records(tmp_path, "run")[:1]
    assert (run.run_id, run.sweep_id) == ("r1", "s1")
    assert history(tmp_path) == [{"global_step": 3, "train/loss": 0.5}]
