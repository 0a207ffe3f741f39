"""A run whose image head is taught through a report→image transition, and one that is not."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from data_cards.corpora import CORPORA
from data_cards.transition import TransitionError, write_transition
from data_cards.transition_estimate import named_transition
from joint.evaluation.folder import write_run_evaluation
from joint.losses.settings import distillation_loss
from joint.predictions import AS_REPORTED, RAW
from joint.run import run_training
from joint.run_settings import RunSettings
from joint.train import describe_evaluation
from tests.joint.tiny import TOWER, joint_settings, tiny_joint_task
from tests.joint.tiny_corpus import STUDIES, TINY_CORPUS, grade_of, write_tiny
from vision.grader import Grader
from vision.grading_task import GradingTask, GradingTaskSettings
from vision.heads import severity_probabilities
from vision.metrics import severity_metrics
from vision.report_to_image import ForwardCorrection

PRIOR = named_transition("mimic_edema")
FORWARD = {"kind": "forward", "prior": "mimic_edema"}
GRADING = {"kind": "grading", "tower": TOWER.model_dump(mode="json"), "batches": {"size": 8}}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    CORPORA["tiny"] = TINY_CORPUS
    yield write_tiny(tmp_path_factory.mktemp("corpus") / "corpus")
    del CORPORA["tiny"]


def tiny_run(corpus, out, correction, *, task=GRADING, **evaluation) -> RunSettings:
    values = {
        "name": "tiny-run",
        "out": str(out),
        "data": {
            "corpus": "tiny",
            "root": str(corpus),
            "work": str(corpus.parent / "work"),
            "cache": {"size": 32},
            "validate_share": 0.25,
            "test_share": 0.25,
        },
        "task": task | {"report_to_image": correction},
        "loop": {"steps": 2, "evaluate_every": 2, "log_every": 1},
        "tracking": {"wandb": "disabled"},
        "evaluation": {"resamples": 20} | evaluation,
    }
    return RunSettings.model_validate_json(json.dumps(values))


def write_reference(path):
    rows = {"study_id": [f"s{n}" for n in range(STUDIES)]}
    rows["severity"] = [grade_of(n) for n in range(STUDIES)]
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def rebuild(task: GradingTask, correction: ForwardCorrection | None) -> GradingTask:
    """Give a task with the same weights and another correction."""
    changed = {} if correction is None else {"report_to_image": correction}
    settings = GradingTaskSettings(kind="grading", tower=TOWER, **changed)
    return GradingTask(settings, task.data, seed=3, tower=task.tower)


@pytest.fixture
def forward_task() -> GradingTask:
    return rebuild(
        tiny_joint_task().grading, ForwardCorrection(kind="forward", prior="mimic_edema")
    )


def make_outputs(task, seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    rows = np.arange(8)
    logits = torch.randn(8, 3, generator=generator).sort(dim=1, descending=True).values
    findings = torch.zeros(8, 2)
    outputs = {"severity_logits": logits.requires_grad_(), "finding_logits": findings}
    return outputs, task.load(rows, step=1)


def test_the_severity_loss_is_taken_on_what_the_report_would_say(forward_task) -> None:
    outputs, batch = make_outputs(forward_task)
    known = batch["has_severity"]
    beyond = torch.sigmoid(outputs["severity_logits"].double())
    edges = torch.cat([torch.ones(8, 1), beyond, torch.zeros(8, 1)], dim=1)
    p_report = -edges.diff(dim=1) @ torch.tensor(PRIOR.grade.matrix)
    wanted = batch["severity_targets"].double()
    total = 0.0
    for cut in (1, 2, 3):
        said, target = p_report[known, cut:].sum(dim=1), wanted[known, cut:].sum(dim=1)
        total -= (target * said.log() + (1 - target) * (1 - said).log()).sum().item()
    loss = forward_task.losses(outputs, batch, lambda rows: rows)["severity"]
    assert loss.total.item() == pytest.approx(total, rel=1e-5)
    assert loss.count == known.sum()


def test_a_masked_label_has_no_gradient_even_where_its_logits_are_nan(forward_task) -> None:
    outputs, batch = make_outputs(forward_task)
    unknown = ~batch["has_severity"]
    assert unknown.any()
    logits = torch.where(unknown[:, None], torch.nan, outputs["severity_logits"].detach())
    outputs["severity_logits"] = logits.requires_grad_()
    forward_task.losses(outputs, batch, lambda rows: rows)["severity"].total.backward()
    assert (logits.grad[unknown] == 0).all()
    assert logits.grad[~unknown].isfinite().all()
    assert (logits.grad[~unknown] != 0).any()


def test_parts_of_a_batch_add_up_to_the_whole(forward_task) -> None:
    outputs, batch = make_outputs(forward_task)
    whole = forward_task.losses(outputs, batch, lambda rows: rows)["severity"]
    parts = [
        forward_task.losses(
            {name: value[rows] for name, value in outputs.items()},
            {name: value[rows] for name, value in batch.items()},
            lambda values: values,
        )["severity"]
        for rows in (slice(0, 3), slice(3, 8))
    ]
    assert sum(part.total for part in parts).item() == pytest.approx(whole.total.item(), rel=1e-6)
    assert sum(part.count for part in parts) == whole.count


class OwnRows:
    """The gather of a single process."""

    places = torch.arange(8)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        return rows


def test_the_text_head_teaches_the_image_head_through_the_transition() -> None:
    task = tiny_joint_task(report_to_image=ForwardCorrection(kind="forward", prior="mimic_edema"))
    batch = task.prepare(task.load(np.arange(8), step=200))
    outputs = task.model(batch)
    outputs["severity_logits"] = outputs["severity_logits"] * 4
    found = task.losses(outputs, batch, OwnRows())["distillation"]
    reported = task.grading.as_reported(outputs["severity_logits"])
    taught = severity_probabilities(outputs["text_severity_logits"])
    unlabelled = batch["has_report"] & ~batch["has_severity"]
    wanted = distillation_loss(reported, taught, unlabelled, batch["ramp"])
    other = distillation_loss(outputs["severity_logits"], taught, unlabelled, batch["ramp"])
    assert found.total.item() == pytest.approx(wanted.total.item())
    assert found.total.item() != pytest.approx(other.total.item(), rel=1e-3)


def test_without_a_correction_nothing_changes(forward_task) -> None:
    plain = rebuild(forward_task, None)
    logits = make_outputs(plain)[0]["severity_logits"]
    assert plain.transition is None
    assert plain.as_reported(logits) is logits


def test_validation_holds_both_against_the_reports_grade(forward_task) -> None:
    data = forward_task.data
    grades = data.severity_targets.argmax(axis=1)
    logits = (grades[:, None] - np.array([0.5, 1.5, 2.5])).astype(np.float32) * 3

    def predict(rows):
        empty = np.zeros((len(rows), 2), np.float32)
        return {"severity_logits": logits[rows], "finding_logits": empty}

    plain, corrected = (t.evaluate(predict) for t in (rebuild(forward_task, None), forward_task))
    assert corrected["image_mean_absolute_error"] == plain["mean_absolute_error"]
    assert corrected["mean_absolute_error"] != plain["mean_absolute_error"]
    assert not any(name.startswith("image_") for name in plain)


def test_a_corrected_run_says_both_and_names_the_source(corpus, tmp_path) -> None:
    path = tmp_path / "transition.json"
    write_transition(path, PRIOR)
    task = joint_settings().model_dump(mode="json")
    settings = tiny_run(corpus, tmp_path, {"kind": "forward", "path": str(path)}, task=task)
    result = run_training(settings)
    frame = pd.read_parquet(result.folder.predictions)
    said = frame[list(RAW)].to_numpy() @ PRIOR.grade.matrix
    np.testing.assert_allclose(frame[list(AS_REPORTED)].to_numpy(), said, atol=1e-6)
    test = frame[(frame["split"] == "test") & frame["report_severity"].notna()]
    metrics = severity_metrics(
        test[list(AS_REPORTED)].to_numpy(), test["report_severity"].to_numpy(np.int64)
    )
    against_report = result.evaluation.raw["report"]["mean_absolute_error"]
    assert getattr(against_report, "value", against_report) == pytest.approx(
        metrics["mean_absolute_error"]
    )
    card = result.folder.card.read_text(encoding="utf-8")
    assert "through the transition P(report | image) of the named prior mimic_edema" in card
    assert card.count(PRIOR.content_hash) == 2
    assert "which would undo the correction" in card
    grader = Grader.load(result.folder.grader)
    assert grader.provenance["report_to_image"] == PRIOR.content_hash
    assert grader.severity_calibration is None
    written = write_run_evaluation(result.folder.path, tmp_path / "evaluation")
    assert "evaluation.json" in written


def test_the_image_is_calibrated_on_anchors_and_held_against_the_reference(
    corpus, tmp_path
) -> None:
    reference = write_reference(tmp_path / "reference.csv")
    result = run_training(tiny_run(corpus, tmp_path, FORWARD, reference=str(reference)))
    frame = pd.read_parquet(result.folder.predictions)
    test = frame[frame["split"] == "test"]
    levels = test["study_id"].str.removeprefix("s").astype(int).map(grade_of).to_numpy()
    shown = severity_metrics(test[list(RAW)].to_numpy(), levels)["ranked_probability_score"]
    found = result.evaluation.raw["reference"]["ranked_probability_score"]
    assert getattr(found, "value", found) == pytest.approx(shown)
    heads = describe_evaluation(result.evaluation)[0]
    assert "report (p_report)" in heads
    assert "reference (p_image)" in heads


def test_the_default_is_said_in_the_card(corpus, tmp_path) -> None:
    result = run_training(tiny_run(corpus, tmp_path, {"kind": "none"}))
    card = result.folder.card.read_text(encoding="utf-8")
    assert "No report→image correction" in card
    assert "report_to_image" not in card
    assert AS_REPORTED[0] not in pd.read_parquet(result.folder.predictions)


def test_a_missing_transition_is_named_before_any_work(corpus, tmp_path) -> None:
    missing = {"kind": "forward", "path": str(tmp_path / "missing.json")}
    with pytest.raises(TransitionError, match=r"missing\.json: no such file"):
        run_training(tiny_run(corpus, tmp_path / "runs", missing))
    assert not (tmp_path / "runs").exists()


def test_a_run_does_not_go_on_through_another_transition(corpus, tmp_path) -> None:
    path = tmp_path / "transition.json"
    settings = tiny_run(corpus, tmp_path, {"kind": "forward", "path": str(path)})
    write_transition(path, PRIOR)
    run_training(settings)
    write_transition(path, PRIOR.model_copy(update={"notes": ("another",)}))
    with pytest.raises(ValueError, match="report_to_image"):
        run_training(settings)
