"""A tiny task and run for tests: 26 drawn images whose brightness is their grade."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from accelerate import Accelerator

from joint.joint_settings import JointTaskSettings
from joint.joint_task import JointTask
from joint.loop import Loop, LoopSettings
from joint.optimizer import OptimizerSettings
from joint.pairs import PairData
from joint.resuming.checkpoints import Checkpoints
from joint.text_encoder import ScratchTextSettings, build_text_encoder, build_tokenizer
from joint.tokens import encode_reports
from vision.batches import BatchSettings
from vision.encoders import TorchvisionEncoderSettings
from vision.grading_task import GradingData, GradingTask, GradingTaskSettings
from vision.tower import TowerSettings

IMAGES, SIZE = 26, 32
WORDS = ("no edema", "vascular congestion", "interstitial edema", "alveolar edema")
TEXT = ScratchTextSettings(width=16, layers=1, heads=2, vocabulary=80, max_tokens=16)
TOWER = TowerSettings(
    encoder=TorchvisionEncoderSettings(
        kind="torchvision",
        name="DenseNet",
        arguments={
            "growth_rate": 4,
            "block_config": [1, 1],
            "num_init_features": 8,
            "bn_size": 2,
        },
        pretrained=False,
        norm="group",
    ),
    findings=("Cardiomegaly", "Edema"),
)
TINY_OPTIMIZER = OptimizerSettings(learning_rate=1e-3, warmup_steps=2)


class ArrayCache:
    """Images in memory, read as the image cache reads them."""

    def __init__(self, pixels):
        self.pixels = pixels

    def read(self, rows):
        return self.pixels[rows]


def tiny_data() -> tuple[GradingData, PairData, list[str]]:
    generator = np.random.default_rng(0)
    grades = np.arange(IMAGES) % 4
    noise = generator.integers(0, 40, (IMAGES, SIZE, SIZE))
    pixels = (noise + 50 * grades[:, None, None]).astype(np.uint8)
    targets = (0.8 * np.eye(4)[grades] + 0.05).astype(np.float32)
    has_severity = np.arange(IMAGES) % 3 != 0
    has_finding = generator.random((IMAGES, 2)) < 0.7
    images = GradingData(
        cache=ArrayCache(pixels),
        cache_rows=np.arange(IMAGES),
        severity_targets=targets,
        has_severity=has_severity,
        finding_targets=(grades[:, None] > [0, 1]).astype(np.float32),
        has_finding=has_finding,
        train=np.arange(18),
        validate=np.arange(18, IMAGES),
        study_hashes=[f"hash{row:02d}" for row in range(IMAGES)],
    )
    reports = [f"study {i % 20} shows {WORDS[grade]}" for i, grade in enumerate(grades)]
    tokenizer = build_tokenizer(TEXT, reports)
    report_of = np.arange(IMAGES)
    report_of[5] = -1
    pairs = PairData(
        tokens=encode_reports(tokenizer, reports, max_tokens=TEXT.max_tokens),
        report_of=report_of,
        groups=np.arange(IMAGES) % 20,
        severity_targets=targets,
        has_severity=has_severity,
    )
    return images, pairs, reports


def joint_settings(**changes) -> JointTaskSettings:
    values = {"tower": TOWER, "text": TEXT, "embedding_width": 8, "batches": BatchSettings(size=8)}
    return JointTaskSettings(kind="joint", **values | changes)


def tiny_joint_task(**changes) -> JointTask:
    images, pairs, reports = tiny_data()
    settings = joint_settings(**changes)
    seed_everything()
    text = build_text_encoder(settings.text, build_tokenizer(TEXT, reports))
    return JointTask(settings, images, pairs, text, seed=3)


def tiny_grading_task() -> GradingTask:
    seed_everything()
    settings = GradingTaskSettings(kind="grading", tower=TOWER, batches=BatchSettings(size=8))
    return GradingTask(settings, tiny_data()[0], seed=3)


def seed_everything() -> None:
    import torch

    torch.manual_seed(0)


def tiny_loop(task, *, steps: int = 6, evaluate_every: int = 3, **changes) -> Loop:
    settings = LoopSettings(steps=steps, evaluate_every=evaluate_every, log_every=1, **changes)
    accelerator = Accelerator(cpu=True, mixed_precision=settings.mixed_precision)
    return Loop(task, accelerator, settings, TINY_OPTIMIZER)


def train(task, folder: Path, **changes):
    """Train a task in `folder`; return its loop, report and the recorded rows."""
    loop, rows = tiny_loop(task, **changes), []
    seed_everything()
    checkpoints = Checkpoints(folder, {"settings": "a"})
    loop.resume(checkpoints)
    report = loop.run(
        checkpoints,
        lambda kind, step, values: rows.append((kind, step, dict(values))),
    )
    return loop, report, rows


def weights_of(task) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy().copy() for name, value in task.model.named_parameters()}
