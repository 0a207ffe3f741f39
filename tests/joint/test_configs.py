"""Every YAML of a run and of a launch is read by what reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs.settings import CONFIG_FOLDER, load_settings
from joint.run_settings import RunSettings
from vision.tower import ImageTower

LAUNCHES = sorted((CONFIG_FOLDER / "accelerate").glob("*.yaml"))
DEMO, CONTROL = (
    load_settings(RunSettings, Path(name)).model_dump() for name in ("demo", "demo_image_only")
)


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
