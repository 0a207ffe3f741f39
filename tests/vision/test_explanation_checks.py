"""One command says what a grader's heatmaps are worth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from data_cards.phantom.generator import make_phantom
from data_cards.phantom.settings import PhantomSettings
from data_cards.phantom.truth import read_image_truth, read_truth
from kerley import app
from tests.vision.examples import small_tower
from vision.explain import explain_severity
from vision.explanation_checks import CheckPlan, check_explanations
from vision.explanation_scores import rank_correlation
from vision.framing import CacheSettings
from vision.grader import Grader
from vision.phantom_cases import draw_cases, draw_replacements, list_targets
from vision.torch_engine import TorchEngine
from vision.weight_randomisation import randomise_cascading

FINDINGS = ("Cardiomegaly", "Pleural Effusion")


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("phantom") / "corpus"
    make_phantom(root, PhantomSettings(studies=40, size=64, seed=3))
    return root


@pytest.fixture(scope="module")
def grader() -> Grader:
    return Grader(engine=TorchEngine(small_tower(FINDINGS)), input=CacheSettings(size=48))


def test_cases_are_frontal_images_of_the_split_that_show_the_sign(phantom) -> None:
    rng = np.random.default_rng(0)
    cases = draw_cases(phantom, "severity", split="train", images=8, rng=rng)
    without = draw_replacements(phantom, "severity", split="train", images=8, rng=rng)
    severity = read_truth(phantom).set_index("study_id")["severity"]
    views = read_image_truth(phantom).set_index("image_id")["view"]
    assert len(cases) == len(without) == 8
    assert all(severity[case.path.stem.split("_")[0]] > 0 for case in cases)
    assert all(severity[path.stem.split("_")[0]] == 0 for path in without)
    assert "LATERAL" not in {views[case.path.stem] for case in cases}
    assert all(case.sign.any() and case.sign.shape == case.lungs.shape for case in cases)


def test_a_large_heart_has_no_mask_to_check_against() -> None:
    assert list_targets(FINDINGS) == ["severity", "Pleural Effusion"]


def test_random_weights_change_the_map_and_leave_the_tower_alone() -> None:
    tower = small_tower().eval()
    before = {name: value.clone() for name, value in tower.state_dict().items()}
    images = torch.randn(6, 1, 48, 48, generator=torch.Generator().manual_seed(0))
    ours = explain_severity(tower, images)
    fell = []
    for _, disordered in randomise_cascading(tower, seed=0):
        theirs = explain_severity(disordered, images)
        fell.append(np.nanmean([abs(rank_correlation(*p)) for p in zip(ours, theirs, strict=True)]))
    assert len(fell) == 5
    assert fell[-1] < 0.6
    assert all(torch.equal(before[name], value) for name, value in tower.state_dict().items())
    assert sorted(disordered.severity_head.score.weight.flatten().tolist()) == sorted(
        tower.severity_head.score.weight.flatten().tolist()
    )


def test_disorder_begins_at_the_heads() -> None:
    tower = small_tower()
    stage, disordered = next(randomise_cascading(tower, seed=0))
    changed = {
        name.split(".")[0]
        for name, value in disordered.state_dict().items()
        if not torch.equal(value, tower.state_dict()[name])
    }
    assert (stage, changed) == ("heads", {"severity_head", "finding_head"})


def test_the_same_seed_gives_the_same_numbers(phantom, grader) -> None:
    plan = CheckPlan(split="train", images=3, steps=4, resamples=20)
    first, second = (check_explanations(grader, phantom, plan) for _ in range(2))
    assert [one.comparisons for one in first] == [one.comparisons for one in second]
    assert [one.randomised for one in first] == [one.randomised for one in second]


def test_one_command_prints_tables_and_writes_json_and_figures(phantom, grader, tmp_path) -> None:
    grader.save(tmp_path / "grader")
    command = ["explain-check", str(tmp_path / "grader"), "--phantom", str(phantom)]
    command += ["--out", str(tmp_path / "out"), "--split", "train", "--images", "6"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    for said in ("severity: 6 images", "pointing game", "random weights in", "insertion"):
        assert said in done.output
    record = json.loads((tmp_path / "out" / "explanation_checks.json").read_text("utf-8"))
    assert [one["target"] for one in record["targets"]] == ["severity", "Pleural Effusion"]
    severity = record["targets"][0]
    rows = {(row["check"], row["baseline"]): row for row in severity["comparisons"]}
    assert len(rows) == 14
    row = rows["energy in the sign", "even over the image"]
    assert 0 < row["against"]["value"] < 1
    assert row["heatmap"]["value"] - row["against"]["value"] == pytest.approx(
        row["difference"]["value"], abs=0.05
    )
    for name in ("removal_curves.png", "heatmap_examples.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")


def test_a_split_without_images_is_refused(phantom, grader, tmp_path) -> None:
    grader.save(tmp_path / "grader")
    command = ["explain-check", str(tmp_path / "grader"), "--phantom", str(phantom)]
    done = CliRunner().invoke(app, [*command, "--out", str(tmp_path), "--split", "nowhere"])
    assert done.exit_code != 0
    assert "nowhere" in str(done.exception)
