"""Sweeps in W&B's form: drawn here the same each time, gone on with, and handed to a server."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml

from configs.settings import SettingsError, load_settings, save_settings
from data_cards.corpora import CORPORA
from joint.loop import TrainingError
from joint.metrics_log import MetricsLog
from joint.run_folder import RunFolder, RunFolderError
from joint.run_settings import RunSettings
from joint.sweeps.server import COMMAND, run_on_server, trial_arguments
from joint.sweeps.settings import SweepError, SweepSettings, draw_trials
from joint.sweeps.sweep import SweepPlace, describe_sweep, run_sweep
from tests.joint.test_run import tiny_run
from tests.joint.tiny_corpus import TINY_CORPUS, write_tiny

RATE, SIZE = "optimizer.learning_rate", "task.batches.size"
GRID = {"method": "grid", "parameters": {RATE: {"values": [0.001, 0.01]}, SIZE: {"values": [4, 8]}}}
RANDOM = {
    "method": "random",
    "parameters": {
        RATE: {"min": 1e-5, "max": 1e-1, "distribution": "log_uniform_values"},
        "task": {"parameters": {"batches": {"parameters": {"size": {"min": 4, "max": 6}}}}},
        "seed": {"value": 3},
    },
}


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.setitem(CORPORA, "tiny", TINY_CORPUS)
    return tmp_path / "corpus"


def sweep_of(values):
    return SweepSettings.model_validate_json(json.dumps(values))


def place_of(tmp_path, corpus, values=None, name="rates"):
    """Write a run and a sweep over it as files."""
    save_settings(tiny_run(corpus, tmp_path / "runs"), tmp_path / "run.yaml")
    (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(values or GRID), encoding="utf-8")
    return SweepPlace.of(tmp_path / "run.yaml", ["seed=5"], tmp_path / f"{name}.yaml")


def pretend(score_of, stop_at=None):
    """Stand in for training: writes the record of a run, whose score the settings give."""
    trained = []

    def train(settings):
        folder = RunFolder.of(settings)
        folder.claim(settings)
        trained.append(settings)
        if settings.name == stop_at:
            return SimpleNamespace(evaluation=None)
        log = MetricsLog(folder.metrics)
        for step, share in ((1, 0.5), (2, 1.0), (3, 0.9)):
            log.append("validate", step, {"score": share * score_of(settings), "ece": 0.1 * step})
        folder.card.write_text("done", encoding="utf-8")
        return SimpleNamespace(evaluation=object())

    return train, trained


def rate_of(settings):
    return 1.0 - settings.optimizer.learning_rate * settings.task.batches.size


def test_a_grid_has_every_point_in_the_order_of_the_file():
    trials = draw_trials(sweep_of(GRID), seed=0)
    points = [(0.001, 4), (0.001, 8), (0.01, 4), (0.01, 8)]
    assert [tuple(trial.values.values()) for trial in trials] == points
    assert [trial.name for trial in trials][:2] == ["trial-001", "trial-002"]
    assert draw_trials(sweep_of(GRID), seed=0, count=2) == trials[:2]


def test_random_values_lie_in_range_and_are_the_seeds():
    sweep = sweep_of(RANDOM)
    drawn = draw_trials(sweep, seed=1, count=400)
    assert draw_trials(sweep, seed=1, count=7) == drawn[:7]
    assert draw_trials(sweep, seed=2, count=7) != drawn[:7]
    rates = [trial.values[RATE] for trial in drawn]
    assert 1e-5 <= min(rates) < 2e-5
    assert 0.05 < max(rates) <= 1e-1
    assert 140 < sum(rate < 1e-3 for rate in rates) < 260
    assert {trial.values["task.batches.size"] for trial in drawn} == {4, 5, 6}
    assert {trial.values["seed"] for trial in drawn} == {3}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "grid"}, "a grid needs values, not a range: optimizer.learning_rate"),
        ({"metric": {"name": "evaluate/report.accuracy"}}, "the test set is not there to choose"),
        ({"early_terminate": {"type": "hyperband"}}, "early_terminate"),
        ({"parameters": {RATE: {"values": [1], "value": 2}}}, "exactly one of"),
        ({"parameters": {RATE: {"min": 2, "max": 1}}}, "min ≤ max"),
        ({"parameters": {RATE: {"min": 1, "max": 2, "distribution": "q_beta"}}}, "log_uniform_val"),
        ({"parameters": {RATE: {"values": [1], "distribution": "uniform"}}}, "does not go with"),
    ],
)
def test_what_a_sweep_does_not_take_is_named_with_its_place(tmp_path, change, message):
    file = tmp_path / "sweep.yaml"
    file.write_text(yaml.safe_dump(RANDOM | change), encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        load_settings(SweepSettings, file)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"method": "bayes"}, "bayes needs a W&B server"), ({}, "how many with --count or run_cap")],
)
def test_what_only_a_server_or_a_count_can_end_is_refused(change, message):
    with pytest.raises(SweepError, match=message):
        draw_trials(sweep_of(RANDOM | change), seed=0)


def test_a_sweep_runs_every_trial_and_names_the_best(tmp_path, corpus):
    place = place_of(tmp_path, corpus)
    train, trained = pretend(rate_of)
    result = run_sweep(place, train=train)
    assert result.best()["trial"] == "trial-001"
    assert result.best()["best_step"] == 2
    assert result.best()["validate/score"] == pytest.approx(1 - 0.004)
    assert {(each.seed, each.tracking.group) for each in trained} == {(5, place.group)}
    table = pd.read_csv(place.table)
    assert list(table[RATE]) == [0.001, 0.001, 0.01, 0.01]
    assert set(table["state"]) == {"finished"}
    assert RATE in place.figure.read_text(encoding="utf-8")
    assert describe_sweep(result)[-1].endswith("trial-001/settings.yaml")


def test_an_interrupted_sweep_goes_on_and_trains_no_trial_twice(tmp_path, corpus):
    place = place_of(tmp_path, corpus)
    train, first = pretend(rate_of, stop_at="trial-003")
    stopped = run_sweep(place, train=train)
    assert stopped.interrupted
    assert list(stopped.trials["state"]) == ["finished", "finished", "stopped", "waiting"]
    train, then = pretend(rate_of)
    whole = run_sweep(place, train=train)
    assert [each.name for each in first] == ["trial-001", "trial-002", "trial-003"]
    assert [each.name for each in then] == ["trial-003", "trial-004"]
    assert not whole.interrupted


def test_a_trial_that_diverges_is_noted_and_the_others_go_on(tmp_path, corpus, caplog):
    working, _ = pretend(rate_of)

    def train(settings):
        if settings.optimizer.learning_rate > 0.005:
            raise TrainingError("not finite")
        return working(settings)

    result = run_sweep(place_of(tmp_path, corpus), train=train)
    assert list(result.trials["state"]) == ["finished", "finished", "failed", "failed"]
    assert "trial-003 failed: not finite" in caplog.text


def test_a_sweep_can_choose_the_smallest_of_another_number(tmp_path, corpus):
    values = GRID | {"metric": {"name": "validate/ece", "goal": "minimize"}}
    result = run_sweep(place_of(tmp_path, corpus, values), train=pretend(rate_of)[0])
    assert result.best()["validate/ece"] == pytest.approx(0.2)
    other = GRID | {"metric": {"name": "validate/eec", "goal": "minimize"}}
    place = place_of(tmp_path, corpus, other, "other")
    with pytest.raises(SweepError, match="validate/eec is not measured; known are ece, score"):
        run_sweep(place, train=pretend(rate_of)[0])


def test_another_sweep_or_another_run_in_the_folder_is_refused(tmp_path, corpus):
    run_sweep(place_of(tmp_path, corpus), count=1, train=pretend(rate_of)[0])
    changed = GRID | {"parameters": GRID["parameters"] | {"seed": {"values": [1, 2]}}}
    with pytest.raises(SweepError, match="another sweep began here"):
        run_sweep(place_of(tmp_path, corpus, changed), train=pretend(rate_of)[0])


def test_a_value_that_does_not_fit_is_refused_before_the_first_trial(tmp_path, corpus):
    values = {"method": "grid", "parameters": {RATE: {"values": [0.1, "high"]}}}
    train, trained = pretend(rate_of)
    with pytest.raises(SettingsError, match=r"optimizer.learning_rate.*high"):
        run_sweep(place_of(tmp_path, corpus, values), train=train)
    assert trained == []


def test_real_trials_go_on_only_as_the_runs_they_began_as(tmp_path, corpus):
    write_tiny(corpus)
    values = {"method": "grid", "parameters": {RATE: {"values": [0.001, 0.002]}}}
    place = place_of(tmp_path, corpus, values)
    result = run_sweep(place)
    assert sorted(result.trials["trial"]) == ["trial-001", "trial-002"]
    assert result.trials["validate/score"].notna().all()
    other = SweepPlace(place.config, ("seed=6",), place.sweep, place.folder)
    with pytest.raises(RunFolderError, match="seed 5 → 6"):
        run_sweep(other)


def test_a_server_gets_the_sweep_without_a_path_and_its_agent_the_way_to_it(tmp_path, corpus):
    values = RANDOM | {"method": "bayes", "description": "Jane's idea"}
    place, registered, started = place_of(tmp_path, corpus, values), [], []

    def register(form, project):
        registered.append((form, project))
        return "abc123"

    def agent(command, environment):
        started.append((command, environment))
        return 0

    for _ in range(2):
        assert run_on_server(place, count=4, register=register, agent=agent) == 0
    ((form, project),) = registered
    assert project == "kerley"
    assert form["metric"] == {"name": "best/score", "goal": "maximize"}
    assert form["parameters"]["task.batches.size"] == {"min": 4, "max": 6}
    assert form["command"] == list(COMMAND)
    assert not [secret for secret in (str(tmp_path), "Jane") if secret in str(form)]
    command, environment = started[1]
    assert command[-3:] == ["--count", "4", "abc123"]
    drawn = [f"{RATE}=0.02", f"{SIZE}=5"]
    arguments = trial_arguments(drawn, environment | {"WANDB_RUN_ID": "r1"})
    trial = load_settings(RunSettings, place.config, arguments[1:])
    assert (trial.name, trial.seed, trial.tracking.group) == ("trial-r1", 5, place.group)
    assert (trial.optimizer.learning_rate, trial.task.batches.size) == (0.02, 5)
    with pytest.raises(SweepError, match="not by hand"):
        trial_arguments(drawn, {})
