"""Shares of a step are found from costs that are known: a machine whose clock its work drives."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from configs.settings import save_settings
from data_cards.corpora import CORPORA
from joint.benchmark.command import app
from joint.run_settings import DataSettings, RunSettings
from joint.speed.step_timing import StepTimes, Training, time_training
from joint.speed.timed_run import Tally
from joint.speed.timing_check import LARGEST_ERROR, KnownCost, is_right
from tests.joint.tiny import joint_settings
from tests.joint.tiny_corpus import TINY_CORPUS, write_tiny
from vision.cache import CacheSettings


class Machine:
    """A clock that only work moves; it reads one batch beside steps, which may cost them time."""

    def __init__(self, *, step, load, copy=0.0, slowed=0.0):
        self.costs = {"step": step, "load": load, "copy": copy, "slowed": slowed}
        self.now = 0.0
        self.ready = []
        self.taken = 0

    def clock(self):
        return self.now

    @property
    def is_reading(self):
        return bool(self.ready) and self.ready[-1] > self.now

    def begin(self):
        self.ready.append(max([self.now, *self.ready[-1:]]) + self.costs["load"])

    def take(self):
        self.now = max(self.now, self.ready.pop(0))
        self.taken += 1
        return self.taken

    def read(self):
        self.now += self.costs["load"]

    def copy(self, batch):
        self.now += self.costs["copy"]
        return batch

    def step(self, batch):
        self.now += self.costs["step"] + self.costs["slowed"] * self.is_reading

    def timed(self, *, steps=40, kept=8):
        training = Training(
            read=self.read,
            reader=self,
            copy=self.copy,
            step=self.step,
            finish=lambda: None,
            clock=self.clock,
        )
        return time_training(training, steps=steps, kept=kept)


@pytest.mark.parametrize("load", [0.004, 0.0195, 0.02, 0.021, 0.045])
def test_both_shares_follow_from_what_loader_and_model_cost(load):
    cost = KnownCost(0.02, load)
    times = Machine(step=cost.step, load=cost.load).timed()
    assert times.ratio_to_limit == pytest.approx(cost.ratio_to_limit, abs=LARGEST_ERROR)
    assert times.hidden_share == pytest.approx(cost.hidden_share, abs=LARGEST_ERROR)
    assert times.overlap_efficiency == pytest.approx(1, abs=LARGEST_ERROR)
    assert is_right(cost, times)
    assert not is_right(KnownCost(0.02, load * 2 + 0.02), times)


def test_what_a_loader_takes_from_the_model_is_exposed_though_nothing_waits_for_it():
    times = Machine(step=0.02, load=0.015, slowed=0.004).timed()
    assert times.contention == pytest.approx(0.004)
    assert times.exposed == pytest.approx(0.004)
    assert times.exposed_error == pytest.approx(0, abs=1e-9)
    assert times.ratio_to_limit == pytest.approx(20 / 24)
    assert times.hidden_share == pytest.approx(1 - 4 / 15)


def test_a_copy_that_the_model_waits_for_is_not_hidden():
    times = Machine(step=0.02, load=0.005, copy=0.005).timed()
    assert times.medians()["copy"] == pytest.approx(0.005)
    assert times.hidden_share == pytest.approx(0.5)


def test_the_same_batches_are_stepped_through_again_and_all_reading_ends():
    machine = Machine(step=0.02, load=0.03)
    stepped = []
    step = machine.step

    def noted(batch):
        stepped.append(batch)
        step(batch)

    machine.step = noted
    times = machine.timed(steps=4, kept=4)
    assert stepped == [1, 2, 3, *3 * [4, 5, 6, 7]]
    assert {len(values) for values in vars(times).values()} == {4}
    assert machine.ready == []


def test_steps_are_timed_in_whole_turns_and_each_is_told():
    told = []
    machine = Machine(step=1, load=1)
    training = Training(
        read=machine.read,
        reader=machine,
        copy=machine.copy,
        step=machine.step,
        finish=lambda: None,
        clock=machine.clock,
    )
    times = time_training(training, steps=10, kept=4, done=told.append)
    assert (len(times.real), told) == (12, [4, 8, 12])


def test_chance_is_told_from_the_spread_of_the_same_steps():
    slowed = StepTimes(real=[5.0, 9.0, 5.5, 9.5], replayed=[1.0, 5.0, 1.0, 5.0])
    assert slowed.exposed_error == pytest.approx(1.57 * 0.5 / 2)


def test_stragglers_are_the_slow_end_of_the_real_steps():
    times = StepTimes(real=[1.0] * 90 + [3.0] * 10)
    assert times.straggler_index == pytest.approx(3)
    assert replace(times, real=[2.0] * 5).straggler_index == 1


def test_nothing_to_read_is_hidden():
    even = [1.0]
    assert StepTimes(even, even, even, [0.0], [0.0]).hidden_share == 1


@pytest.fixture
def settings(tmp_path):
    """A joint run over the tiny corpus."""
    CORPORA["tiny"] = TINY_CORPUS
    data = {"corpus": "tiny", "root": write_tiny(tmp_path / "corpus"), "work": tmp_path / "work"}
    yield RunSettings(
        name="timed",
        out=tmp_path / "runs",
        data=DataSettings(**data, cache=CacheSettings(size=32), validate_share=0.25),
        task=joint_settings(),
    )
    del CORPORA["tiny"]


def test_the_command_times_a_real_run_and_leaves_nothing_of_it(settings, tmp_path):
    save_settings(settings, tmp_path / "run.yaml")
    arguments = ("train", tmp_path / "run.yaml", "--steps", 3, "--kept", 3)
    done = CliRunner().invoke(app, [*map(str, arguments), "--json", str(tmp_path / "out.json")])
    assert done.exit_code == 0, done.output
    written = json.loads((tmp_path / "out.json").read_text())
    assert (written["steps"], written["device"]) == (3, "cpu")
    assert 6 < written["rows"] <= 8  # 22 training images in batches of 8
    assert written["samples_per_second"] == pytest.approx(written["rows"] / written["real"])
    assert written["padding_share"] == 0  # each report is longer than the 16 tokens that are read
    assert written["flops"]["total"] > written["flops"]["text"] > 0
    assert f"{written['ratio_to_limit']:.3f}" in done.output
    assert not settings.out.exists()


def test_padding_is_counted_in_places_of_tokens():
    tally = Tally()
    assert tally.padding_share is None
    for mask in (torch.tensor([[1, 1, 1, 0]]), torch.tensor([[1, 0], [1, 1]])):
        tally.add({"token_mask": mask}, len(mask))
    assert (tally.batches, tally.rows, tally.padding_share) == (2, 3, 2 / 8)
