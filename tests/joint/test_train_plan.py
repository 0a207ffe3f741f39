"""A plan names what is missing and touches nothing; its numbers are held against real steps."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

from configs.settings import load_settings
from data_cards.corpora import CORPORA
from joint.commands import app
from joint.loop import LoopSettings
from joint.planning.memory import count_passes, plan_memory
from joint.planning.model_sketch import count_parameters, measure_forward, sketch_model
from joint.planning.plan import PlanError, count_corpus, plan_training
from joint.planning.text import say_bytes, say_hours
from joint.run_settings import RunSettings
from joint.speed.settings import SpeedSettings
from joint.text_encoder import TextEncoderError
from tests.joint.test_run import tiny_run
from tests.joint.tiny import joint_settings, tiny_joint_task, tiny_loop
from tests.joint.tiny_corpus import STUDIES, TINY_CORPUS, write_tiny
from vision.batches import BatchSettings

STATED_FACTOR = 1.5


def plan_of(name, *overrides, **asked):
    return plan_training(load_settings(RunSettings, Path(name), overrides), **asked)


def first_step(task):
    """Take a whole first step; return what it allocated at most, and its operations."""
    loop = tiny_loop(task, steps=2)
    (rows, *_) = task.plan_epoch(0)
    place = type("Place", (), {"rows": rows, "step": 0, "epoch": 0, "number": 0})
    batch = task.load(rows, step=0)
    loop.model.train()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        loop.take_step(batch, place)
    memory = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    ordered = sorted(memory, key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in ordered))


@pytest.mark.parametrize("size", [8, 16])
def test_memory_is_within_the_stated_factor_of_a_real_step(size):
    task = tiny_joint_task(batches=BatchSettings(size=size))
    measured = first_step(task)
    (rows, *_) = task.plan_epoch(0)
    batch = task.load(rows, step=0)
    work = measure_forward(
        sketch_model(task.settings),
        rows=len(rows),
        side=batch["images"].shape[-1],
        tokens=batch["token_ids"].shape[1],
        dtype=torch.float32,
        speed=SpeedSettings(),
    )
    plan = plan_memory(task.model, work, LoopSettings())
    # The weights stood before the step.
    planned = plan.total - plan.weights
    assert measured / STATED_FACTOR < planned < measured * STATED_FACTOR


def test_parameters_and_operations_are_those_of_the_model_itself():
    task = tiny_joint_task()
    sketch = sketch_model(task.settings)
    learned = [p.numel() for p in task.model.parameters() if p.requires_grad]
    vocabulary = task.settings.text.vocabulary - task.model.text.network.config.vocab_size
    assert sum(count_parameters(sketch).values()) == sum(learned) + 16 * vocabulary
    batch = task.prepare(task.load(task.images.train[:8], step=0))
    # The counter knows attention as products, and not as a CPU's one kernel.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        task.model(batch)
    tokens = batch["token_ids"].shape[1]
    work = measure_forward(
        sketch, rows=8, side=32, tokens=tokens, dtype=torch.float32, speed=SpeedSettings()
    )
    assert work.flops == pytest.approx(counter.get_total_flops(), rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "parts", "passes"),
    [
        ({}, 1, 3),
        ({"micro_batch": 2}, 2, 4),
        ({"speed": SpeedSettings(checkpoint_activations=True)}, 1, 4),
    ],
)
def test_what_is_computed_twice_counts(changes, parts, passes):
    assert count_passes(LoopSettings(**changes), parts) == passes


def test_the_founding_network_has_the_published_size():
    plan = plan_of("chauhan2020_phase1", "data.cache.size=512")
    assert plan.parameters["tower.encoder"] == pytest.approx(3.31e6, rel=1e-3)
    assert plan.assumed == plan.fetched == ("allenai/scibert_scivocab_uncased",)
    assert plan.epochs is None
    assert plan_of("chauhan2020_phase1", "data.cache.size=512", images=222_254).epochs == (
        pytest.approx(250, rel=0.01)
    )


def test_parts_at_a_time_save_memory_and_cost_work():
    whole = plan_of("demo")
    parts = plan_of("demo", "loop.micro_batch=8")
    assert parts.memory.activations < whole.memory.activations / 6
    assert parts.step_flops == pytest.approx(whole.step_flops * 4 / 3, rel=0.01)
    shared = plan_of("demo", processes=4)
    assert shared.step_flops == whole.step_flops
    assert shared.hours(1.0) == pytest.approx(whole.hours(1.0) / 4)
    forgotten = plan_of("demo", "loop.speed.checkpoint_activations=true")
    assert forgotten.memory.activations < whole.memory.activations


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"processes": 65}, "65 processes: expected 1 to 64"),
        ({"tokens": 129}, "129 tokens: this run reads at most 128"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(asked, expected):
    with pytest.raises(PlanError, match=expected):
        plan_of("demo", **asked)
    with pytest.raises(PlanError, match="reads at most none"):
        plan_of("demo_image_only", tokens=8)


def test_an_unknown_model_that_is_not_here_is_named():
    with pytest.raises(TextEncoderError, match=r"'nobody/no-bert' is not on this machine.*scibert"):
        plan_of("mimic_edema", "task.text.name=nobody/no-bert")


def test_a_corpus_that_is_there_is_counted_and_nothing_is_made(tmp_path):
    CORPORA["tiny"] = TINY_CORPUS
    try:
        root = write_tiny(tmp_path / "corpus")
        task = joint_settings().model_dump(mode="json")
        settings = tiny_run(root, tmp_path / "runs", task=task)
        counts = count_corpus(settings.data)
        plan = plan_training(settings)
    finally:
        del CORPORA["tiny"]
    assert (counts.studies, counts.reports, counts.images) == (STUDIES, STUDIES, STUDIES)
    assert plan.images == counts.train_images < STUDIES
    assert plan.cache_bytes == STUDIES * 32 * 32
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_the_command_prints_the_plan(tmp_path):
    arguments = ["train", "mimic_edema", f"data.root={tmp_path / 'none'}", "--plan"]
    arguments += ["--processes", "8", "--images", "237000", "--tokens", "96"]
    arguments += ["data.cache.size=64", "--device-tflops", "50"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    for part in (
        f"mimic_cxr_anchors: not found: {tmp_path / 'none'}; reckoned with 237,000 training",
        "6,000 of 1,024 rows on 8 processes (128 each",
        "108,891,648 text encoder",
        "microsoft/BiomedVLP-CXR-BERT-general: a first run needs a network",
        "8 × 50 tera-FLOP/s",
    ):
        assert part in done.output
    assert list(tmp_path.iterdir()) == []


def test_sizes_and_times_are_written_in_their_unit():
    assert [say_bytes(n) for n in (12, 3_456, 99e9)] == ["12 B", "3.46 kB", "99 GB"]
    assert [say_hours(h) for h in (0.001, 0.5, 3, 100)] == [
        "3.6 s",
        "30 min",
        "3 hours",
        "4.17 days",
    ]
