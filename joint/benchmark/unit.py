"""One unit of the benchmark: an arm trained in a scenario with a seed, by the one training loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from joint.benchmark.arms import ARMS, OPTIMIZER, founding_task, image_task, joint_task
from joint.benchmark.corpus import BenchmarkCorpus
from joint.benchmark.labels import TaughtStudies
from joint.benchmark.settings import BenchmarkSettings, Scenario
from joint.joint_settings import JointTaskSettings
from joint.joint_task import JointTask
from joint.loop import Loop, LoopSettings
from joint.pairs import PairData
from joint.resuming.checkpoints import Checkpoints
from joint.task import Rows
from joint.text_encoder import build_text_encoder, build_tokenizer
from joint.tokens import encode_reports
from vision.grading_task import GradingData, GradingTask, GradingTaskSettings

SECOND_PHASE_SHARE = 0.5
"""Steps of the two-phase recipe's second phase, as a share of the first's."""


@dataclass(frozen=True)
class Unit:
    """One run of the benchmark."""

    arm: str
    scenario: Scenario
    seed: int

    @property
    def name(self) -> str:
        """Its folder's name."""
        return f"{self.scenario.name}-{self.arm}-seed{self.seed}"


@dataclass(frozen=True)
class Trained:
    """What a unit's training left: the task with its last weights, and the loop to predict with."""

    task: GradingTask | JointTask
    loop: Loop


def train_unit(
    unit: Unit,
    settings: BenchmarkSettings,
    data: tuple[BenchmarkCorpus, TaughtStudies],
    folder: Path,
) -> Trained | None:
    """Train a unit, going on from its checkpoint where there is one; None when interrupted.

    Nothing is picked by validation: the last step counts, for every arm alike.
    """
    arm = ARMS[unit.arm]
    images = _image_data(*data)
    runs: list[tuple[str, GradingTaskSettings | JointTaskSettings, GradingData, int]]
    if arm.learns == "images":
        runs = [("run", image_task(settings.batch), images, settings.steps)]
    elif arm.learns == "joint":
        runs = [("run", joint_task(arm, settings.batch), images, settings.steps)]
    else:
        first, second = founding_task(settings.batch)
        steps = max(1, round(SECOND_PHASE_SHARE * settings.steps))
        labelled = _keep_graded(images)
        runs = [("first", first, images, settings.steps), ("second", second, labelled, steps)]
    trained: Trained | None = None
    for name, task_settings, part, steps in runs:
        torch.manual_seed(unit.seed)
        task = _build_task(task_settings, part, data, seed=unit.seed)
        if trained is not None:
            task.model.load_state_dict(trained.task.model.state_dict())
        trained = _train(task, steps, settings, folder / name)
        if trained is None:
            return None
    return trained


def _train(
    task: GradingTask | JointTask, steps: int, settings: BenchmarkSettings, folder: Path
) -> Trained | None:
    loop_settings = LoopSettings(
        steps=steps, evaluate_every=steps, log_every=steps, evaluation_batch=256
    )
    loop = Loop(task, Accelerator(cpu=True), loop_settings, OPTIMIZER)
    checkpoints = Checkpoints(folder, {"settings": settings.identity})
    loop.resume(checkpoints)
    report = loop.run(checkpoints, lambda kind, step, values: None)
    return None if report.interrupted else Trained(task, loop)


def _build_task(
    settings: GradingTaskSettings | JointTaskSettings,
    images: GradingData,
    data: tuple[BenchmarkCorpus, TaughtStudies],
    *,
    seed: int,
) -> GradingTask | JointTask:
    if isinstance(settings, GradingTaskSettings):
        return GradingTask(settings, images, seed=seed)
    corpus, taught = data
    studies = corpus.studies
    texts = studies["text"].fillna("")
    # Both phases of the two-phase recipe read the same words: all that training studies have.
    tokenizer = build_tokenizer(settings.text, list(texts[taught.in_training]))
    groups = texts.str.casefold().str.split().str.join(" ").factorize()[0]
    pairs = PairData(
        tokens=encode_reports(tokenizer, list(texts), max_tokens=settings.text.max_tokens),
        report_of=corpus.study_of,
        groups=groups.astype(np.int64),
        severity_targets=taught.targets.values,
        has_severity=taught.targets.known,
    )
    return JointTask(
        settings, images, pairs, build_text_encoder(settings.text, tokenizer), seed=seed
    )


def _image_data(corpus: BenchmarkCorpus, taught: TaughtStudies) -> GradingData:
    study = corpus.study_of
    empty = np.zeros((len(study), 0), np.float32)
    train = np.flatnonzero(taught.in_training[study])
    return GradingData(
        cache=corpus.cache,
        cache_rows=corpus.cache_rows,
        severity_targets=taught.targets.values[study],
        has_severity=taught.targets.known[study],
        finding_targets=empty,
        has_finding=empty.astype(bool),
        train=train,
        validate=train[:0],
        study_hashes=[f"study {number}" for number in study],
    )


def _keep_graded(images: GradingData) -> GradingData:
    return replace(images, train=images.train[images.has_severity[images.train]])


def predict_grades(trained: Trained, rows: Rows) -> NDArray[np.float32]:
    """Grade images by the last weights: cumulative logits [rows, 3]."""
    return trained.loop.predict(rows)["severity_logits"]


@torch.no_grad()
def embed_pairs(
    task: JointTask, rows: Rows, *, size: int = 256
) -> Mapping[str, NDArray[np.float32]]:
    """Embed images and their own reports: `images` and `texts`, [rows, width], unit length."""
    task.model.eval()
    parts = []
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        ids, mask = task.pairs.tokens.pad(task.pairs.report_of[part])
        batch = task.load(part, step=None) | {"token_ids": ids, "token_mask": mask}
        outputs = task.model(task.prepare(batch))
        parts.append((outputs["image_embeddings"].numpy(), outputs["text_embeddings"].numpy()))
    return {
        name: np.concatenate([part[place] for part in parts])
        for place, name in enumerate(("images", "texts"))
    }
