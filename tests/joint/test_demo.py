"""The whole way at toy size, by the command a newcomer types."""

import json
import shlex
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from configs.settings import CONFIG_FOLDER, load_settings
from data_cards.label_table import read_label_table
from joint.demo.run import DemoError, plan_arms
from joint.run_settings import RunSettings
from kerley import app
from vision.grader import Grader

TOY = [
    "loop.steps=4",
    "loop.evaluate_every=4",
    "loop.log_every=1",
    "loop.threads=1",
    "data.workers=1",
    "data.cache.size=64",
    "task.batches.size=16",
    "task.text.layers=1",
    "evaluation.resamples=20",
]
DEMO_CONFIG = CONFIG_FOLDER / "demo.yaml"
ARMS = ("joint", "image-only", "shuffled-pairs")


def run_toy(out):
    command = ["demo", "--out", str(out), "--studies", "160", "--size", "64", *TOY]
    return CliRunner().invoke(app, command, catch_exceptions=False)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    result = run_toy(out)
    assert result.exit_code == 0, result.output
    return out, result


def test_the_demo_prints_what_the_labels_and_the_arms_are_worth(toy):
    _, result = toy
    for line in ("Mined grade of edema", "Against the true grade of the image", "joint − "):
        assert line in result.output
    assert "nan" not in result.output


def test_the_demo_leaves_a_page_a_readme_and_three_run_folders(toy):
    out, _ = toy
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/") >= 7
    assert "<mark" in page
    assert "not for clinical use" in page.lower()
    assert "shuffled pairs" in (out / "README.md").read_text(encoding="utf-8")
    for arm in ARMS:
        made = {path.name for path in (out / "arms" / arm).iterdir()}
        wanted = {"settings.yaml", "checkpoints", "metrics.jsonl", "predictions.parquet"}
        assert made >= wanted | {"figures", "README.md", "grader", "wandb"}


def test_the_printed_command_plans_an_audit_of_its_labels(toy):
    out, result = toy
    (plan,) = (line for line in result.output.splitlines() if "kerley audit plan" in line)
    assert f"kerley audit serve {out / 'audit'} --open" in result.output
    planned = CliRunner().invoke(app, shlex.split(plan)[1:], catch_exceptions=False)
    assert planned.exit_code == 0, planned.output
    assert (out / "audit" / "plan.json").is_file()


def test_the_grades_are_those_of_the_saved_grader(toy):
    out, _ = toy
    grades = pd.read_csv(out / "grades.csv")
    grader = Grader.load(out / "arms" / "joint" / "grader")
    first = grades.iloc[0]
    again = grader(Path(first["path"]))
    assert again.probabilities == pytest.approx([first[f"p{level}"] for level in range(4)])


def test_the_grader_grades_a_file_as_the_run_graded_the_cached_image(toy):
    out, _ = toy
    grades = pd.read_csv(out / "grades.csv")
    predictions = pd.read_parquet(out / "arms" / "joint" / "predictions.parquet")
    test = predictions[predictions["split"] == "test"].drop_duplicates("study_id")
    columns = [f"p{level}" for level in range(4)]
    expected = test[[f"{name}_calibrated" for name in columns]].to_numpy()[: len(grades)]
    assert grades[columns].to_numpy()[: len(expected)] == pytest.approx(expected, abs=1e-5)


def test_a_second_call_uses_what_stands(toy):
    out, first = toy
    labels = next((out / "work").rglob("labels-*.parquet"))
    weights = out / "arms" / "joint" / "grader" / "grader.safetensors"
    before = (labels.stat().st_mtime_ns, weights.read_bytes())
    second = run_toy(out)
    assert (labels.stat().st_mtime_ns, weights.read_bytes()) == before
    tables = [text.output.split("page ")[0].split("Mined grade")[1] for text in (first, second)]
    assert tables[0] == tables[1]
    assert json.loads((out / "seconds.json").read_text())["training joint"] > 0


def test_every_study_of_the_corpus_has_a_row_of_labels(toy):
    out, _ = toy
    labels = read_label_table(next((out / "work").rglob("labels-*.parquet")))
    assert len(labels) == 160
    assert 0 < labels["edema_severity"].notna().sum() < 160


def test_the_controls_differ_from_the_joint_run_in_their_task_alone():
    run = load_settings(RunSettings, DEMO_CONFIG)
    arms = plan_arms(run)
    for settings in arms.values():
        assert settings.model_copy(update={"name": run.name, "task": run.task}) == run
        assert settings.task.tower == run.task.tower
        assert settings.task.batches == run.task.batches
    assert [arm.task.kind for arm in arms.values()] == ["joint", "grading", "joint"]


def test_a_demo_needs_a_joint_run():
    control = load_settings(RunSettings, DEMO_CONFIG.with_name("demo_image_only.yaml"))
    with pytest.raises(DemoError, match="expected joint, found grading"):
        plan_arms(control)
