"""Every YAML of a run and of a launch is read by what reads it, and every run runs, made tiny."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState

from configs.settings import CONFIG_FOLDER, load_settings, peek_setting
from data_cards.corpora import CORPORA
from joint.metrics_log import MetricsLog
from joint.run import run_training
from joint.run_settings import RunSettings
from joint.training.settings import IMAGE_TASKS
from tests.joint.tiny import TOWER
from tests.joint.tiny_corpus import STUDIES, TINY_CORPUS, grade_of, write_tiny
from vision.tower import ImageTower

LAUNCHES = sorted((CONFIG_FOLDER / "accelerate").glob("*.yaml"))
DEMO, CONTROL = (
    load_settings(RunSettings, Path(name)).model_dump() for name in ("demo", "demo_image_only")
)


RUNS = sorted(
    file.stem
    for file in CONFIG_FOLDER.glob("*.yaml")
    if peek_setting(file, (), "task.kind") not in IMAGE_TASKS
)
"""Runs of severity; those on images alone are run in `test_image_runs.py`."""
TINY_ENCODERS = {
    "chauhan2020": {"kind": "chauhan2020", "widths": [4, 4]},
    "torchvision": TOWER.encoder.model_dump(mode="json"),
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    CORPORA["tiny"] = TINY_CORPUS
    yield write_tiny(tmp_path_factory.mktemp("configs") / "corpus")
    del CORPORA["tiny"]


@pytest.fixture(autouse=True)
def _fresh_launch():
    """Each run chooses its precision, which Accelerate keeps for the whole process."""
    AcceleratorState._reset_state()
    yield
    AcceleratorState._reset_state()


@pytest.fixture(scope="module")
def consensus(corpus):
    """What the images show, in the form of MIMIC-CXR's consensus table."""
    rows = [f"p{number // 2},s{number},d{number},{grade_of(number)}" for number in range(STUDIES)]
    table = corpus.parent / "consensus_image_edema_severity.csv"
    table.write_text("\n".join(["subject_id,study_id,dicom_id,edema_severity", *rows]) + "\n")
    return table


def make_tiny(name: str, corpus: Path, consensus: Path, **changes) -> RunSettings:
    """Load a YAML as it is, but for sizes, paths, and weights that would have to be fetched.

    changes: further overrides, dots as two underscores.
    """
    shipped = load_settings(RunSettings, Path(name))
    task = shipped.task
    overrides = {
        "out": corpus.parent / "runs",
        "data.corpus": "tiny",
        "data.root": corpus,
        "data.work": corpus.parent / "work",
        "data.labels": {"kind": "mine", "profile": "chexpert"},
        "data.cache.size": 32,
        "data.workers": 1,
        "data.validate_share": 0.5,
        "task.tower.encoder": TINY_ENCODERS[task.tower.encoder.kind],
        "task.batches.size": min(task.batches.size, 8),
        "optimizer.warmup_steps": 1,
        "loop.steps": 2,
        "loop.evaluate_every": 2,
        "loop.log_every": 1,
        "loop.micro_batch": None if shipped.loop.micro_batch is None else 4,
        "tracking.wandb": "disabled",
        "evaluation.resamples": 20,
    }
    if task.kind == "joint":
        pooling = getattr(task.text, "pooling", "mean")
        sizes = {"width": 16, "layers": 1, "heads": 2, "vocabulary": 80, "max_tokens": 16}
        overrides["task.text"] = {"kind": "scratch", "pooling": pooling, **sizes}
    if shipped.evaluation.reference is not None:
        overrides["evaluation.reference"] = consensus
    if shipped.start is not None:
        overrides["start.run"] = corpus.parent / "runs" / shipped.start.run.name
    overrides |= {key.replace("__", "."): value for key, value in changes.items()}
    given = [f"{key}={json.dumps(value, default=str)}" for key, value in overrides.items()]
    return load_settings(RunSettings, Path(name), given)


def loss_of(result):
    return [row["loss"] for row in MetricsLog(result.folder.metrics).rows() if "loss" in row]


# The second phase of 2020 starts from what the first has left.
@pytest.mark.parametrize("name", sorted(RUNS, key=lambda name: (name == "chauhan2020", name)))
def test_every_run_runs_when_it_is_made_tiny(name, corpus, consensus):
    settings = make_tiny(name, corpus, consensus)
    result = run_training(settings)
    assert (result.report.progress.step, result.report.progress.skipped) == (2, 0)
    assert len(loss_of(result)) == 2
    asked = {"report"} | ({"reference"} if settings.evaluation.reference else set())
    assert set(result.evaluation.calibrated) == asked


def test_the_founding_phases_differ_in_what_is_taught_alone():
    first, second, fixed = (
        load_settings(RunSettings, Path(name)).model_dump()
        for name in ("chauhan2020_phase1", "chauhan2020", "chauhan2020_fixed")
    )
    for part in ("tower", "text", "embedding_width", "augment"):
        assert first["task"][part] == second["task"][part] == fixed["task"][part]
    assert first["data"] == second["data"] == fixed["data"]
    for phase in (first, second):
        assert phase["optimizer"]["warmup_steps"] == phase["loop"]["steps"] // 10
        assert phase["task"]["losses"]["contrastive"] == first["task"]["losses"]["contrastive"]


@pytest.mark.parametrize("name", ["demo", "demo_image_only", "covid_chestxray"])
def test_run_settings_load_and_their_tower_is_small(name):
    settings = load_settings(RunSettings, Path(name))
    parameters = sum(p.numel() for p in ImageTower(settings.task.tower).parameters())
    assert 10_000 < parameters < 1_000_000


@pytest.mark.parametrize("part", ["seed", "data", "optimizer", "loop", "evaluation"])
def test_the_control_differs_from_the_demo_in_its_task_alone(part):
    assert DEMO[part] == CONTROL[part]


def test_the_control_has_the_demos_images_and_batches():
    shared = ("tower", "batches", "augment")
    assert [DEMO["task"][part] for part in shared] == [CONTROL["task"][part] for part in shared]
    losses = CONTROL["task"]["losses"]
    assert losses == {name: DEMO["task"]["losses"][name] for name in losses}


@pytest.mark.parametrize("file", LAUNCHES, ids=lambda file: file.stem)
def test_launch_files_are_accelerates(file):
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(file))
    assert config.num_processes >= 1
    assert {path.stem for path in LAUNCHES} == {"one_gpu", "many_gpus", "fsdp", "several_nodes"}
