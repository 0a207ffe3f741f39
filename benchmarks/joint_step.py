"""A training step of the founding recipe as published beside Kerley's, on the same studies.

    python -m benchmarks.joint_step [--root DIR] [--small] [--studies 32] [--threads 1] [--out DIR]

Both have the same networks (the paper's image network, a BERT of base size), the same side of
the image, the same batches of four and one thread that reads ahead; whole steps are timed in
turns, batch by batch, with the wait for the loader. A middle row pads the published step's
reports to the longest of a batch of like lengths instead of 320 tokens, and changes nothing else.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from tqdm import tqdm
from transformers import BertConfig, BertModel

from benchmarks.drawn_films import Studies, deal, draw_reports, draw_studies, pick_reports
from benchmarks.published_recipe import (
    LEARNING_RATE,
    TOKENS,
    WEIGHT_DECAY,
    PublishedModel,
    build_published_optimizer,
    looped_ranking_loss,
    pad_tokens,
    read_published,
    take_published_step,
)
from benchmarks.token_padding import read_texts
from joint.batch_stream import GlobalBatch
from joint.joint_settings import JointLossSettings, JointTaskSettings
from joint.joint_task import JointTask
from joint.loop import Loop, LoopSettings
from joint.losses.pair_rows import PairRows
from joint.losses.ranking import RankingSettings, ranking_loss
from joint.optimizer import OptimizerSettings
from joint.pairs import PairData
from joint.text_encoder import TextEncoder
from vision.batches import BatchSettings
from vision.encoder_settings import CHAUHAN_WIDTHS, ChauhanEncoderSettings
from vision.grading_task import GradingData
from vision.tower import TowerSettings
from vision.transforms import AugmentSettings

BATCH = 4
SCIBERT_VOCABULARY = 31_090


@dataclass(frozen=True)
class Size:
    """Side of the image, the image network's widths, and the text encoder's width and layers."""

    side: int
    widths: tuple[int, ...]
    text_width: int
    layers: int


PAPER = Size(2048, CHAUHAN_WIDTHS, 768, 12)
SMALL = Size(256, (8, 16, 32, 64), 256, 2)


def build_text(size: Size) -> TextEncoder:
    config = BertConfig(
        vocab_size=SCIBERT_VOCABULARY,
        hidden_size=size.text_width,
        num_hidden_layers=size.layers,
        num_attention_heads=size.text_width // 64,
        intermediate_size=4 * size.text_width,
    )
    return TextEncoder(BertModel(config, add_pooling_layer=False), size.text_width)


class PublishedSteps:
    """The published recipe over batches of rows; bucketed pads to the longest report alone."""

    def __init__(self, model: PublishedModel, studies: Studies, size: Size, *, bucketed: bool):
        self.model, self.studies, self.size, self.bucketed = model, studies, size, bucketed
        self.optimizer = build_published_optimizer(model)
        self.generator = np.random.default_rng(0)

    def read(self, rows: np.ndarray):
        images = np.stack(
            [read_published(self.studies.paths[r], self.size.side, self.generator) for r in rows]
        )
        reports = [self.studies.report(row) for row in rows]
        longest = -(-max(map(len, reports)) // 8) * 8
        tokens = pad_tokens(reports, longest if self.bucketed else TOKENS)
        return rows, (torch.from_numpy(images).unsqueeze(1), *tokens)

    def step(self, read) -> float:
        rows, batch = read
        grades = [self.studies.grades[row] for row in rows]
        return take_published_step(self.model, self.optimizer, batch, grades, rows.tolist())


class KerleySteps:
    """The same recipe in Kerley's loop: cached images, the ranking loss without a loop."""

    def __init__(self, studies: Studies, size: Size) -> None:
        rows = np.arange(len(studies.paths))
        known = np.array([grade is not None for grade in studies.grades])
        targets = np.eye(4, dtype=np.float32)[[grade or 0 for grade in studies.grades]]
        nothing = np.zeros((len(rows), 0))
        images = GradingData(
            cache=studies.cache,
            cache_rows=rows,
            severity_targets=targets,
            has_severity=known,
            finding_targets=nothing.astype(np.float32),
            has_finding=nothing.astype(bool),
            train=rows,
            validate=rows[:0],
            study_hashes=[str(row) for row in rows],
        )
        encoder = ChauhanEncoderSettings(kind="chauhan2020", widths=size.widths)
        settings = JointTaskSettings(
            kind="joint",
            tower=TowerSettings(encoder=encoder, findings=()),
            embedding_width=None,
            batches=BatchSettings(size=BATCH),
            # As configs/chauhan2020.yaml has it.
            augment=AugmentSettings(
                rotation_degrees=0, shift=0.17, scale=0, gain=0, gamma=0, contrast=0
            ),
            losses=JointLossSettings(contrastive=RankingSettings(kind="ranking")),
        )
        pairs = PairData(studies.tokens, rows, rows, targets, known)
        self.task = JointTask(settings, images, pairs, build_text(size), seed=0)
        optimizer = OptimizerSettings(
            learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
        )
        self.loop = Loop(self.task, Accelerator(cpu=True), LoopSettings(), optimizer)
        self.loop.model.train()

    def read(self, rows: np.ndarray):
        return rows, self.task.load(rows, step=0)

    def step(self, read) -> float:
        rows, batch = read
        return self.loop.take_step(batch, GlobalBatch(rows, 0, 0, 0))["loss"]


def time_arms(studies: Studies, size: Size, *, rounds: int, seed: int) -> dict[str, list[float]]:
    """Time passes over all studies; seconds of each step of each arm."""
    torch.manual_seed(seed)
    model = PublishedModel(size.widths, build_text(size))
    arms = {
        "published": PublishedSteps(model, studies, size, bucketed=False),
        "its reports padded to the batch's longest": PublishedSteps(
            model, studies, size, bucketed=True
        ),
        "kerley": KerleySteps(studies, size),
    }
    generator = np.random.default_rng(seed)
    plans: dict[str, list] = {name: [] for name in arms}
    for _ in range(rounds):
        mixed, alike = deal(studies, BATCH, generator)
        for name in arms:
            plans[name] += mixed if name == "published" else alike
    return time_in_turns(arms, plans)


def time_in_turns(arms: dict, plans: dict[str, list]) -> dict[str, list[float]]:
    """Time whole steps, one of each arm in turn, while it reads its next batch and no other does.

    The first step of each is not counted; its batch comes again at the end.
    """
    spent: dict[str, list[float]] = {name: [] for name in arms}
    read: dict[str, Any] = {name: arm.read(plans[name][0]) for name, arm in arms.items()}
    with ThreadPoolExecutor(1) as reader:
        for number in tqdm(range(len(next(iter(plans.values()))) + 1), unit="step"):
            for name, arm in arms.items():
                following = plans[name][(number + 1) % len(plans[name])]
                start = time.perf_counter()
                ahead = reader.submit(arm.read, following)
                arm.step(read[name])
                read[name] = ahead.result()
                spent[name].append(time.perf_counter() - start)
    return {name: values[1:] for name, values in spent.items()}


def time_parts(studies: Studies, size: Size, *, rounds: int) -> dict[str, tuple[float, float]]:
    """Time what differs beside padding, on one batch: reading, loss, optimizer; seconds each."""
    model = PublishedModel(size.widths, build_text(size))
    published = PublishedSteps(model, studies, size, bucketed=True)
    kerley = KerleySteps(studies, size)
    rows = np.arange(BATCH)
    embedded = [torch.randn(BATCH, 4 * size.widths[-1], requires_grad=True) for _ in range(2)]
    grades = [studies.grades[row] for row in rows]
    pairs = PairRows(
        *embedded,
        groups=torch.from_numpy(rows),
        has_report=torch.ones(BATCH, dtype=torch.bool),
        severities=torch.tensor([float(grade or 0) for grade in grades]),
        has_severity=torch.tensor([grade is not None for grade in grades]),
        places=torch.from_numpy(rows),
    )

    def rank() -> None:
        ranking_loss(pairs, pairs, torch.ones(BATCH)).total.backward()

    batch = kerley.read(rows)[1]
    for steps in (published, kerley):  # gradients, and the optimizers' memory
        steps.step(steps.read(rows))
    parts = {
        "reading a batch": (lambda: published.read(rows), lambda: kerley.read(rows)),
        "shifting its images, if not read so": (
            lambda: None,
            lambda: kerley.task.prepare(batch),
        ),
        "ranking loss and its gradient": (
            lambda: looped_ranking_loss(*embedded, grades, rows.tolist()).backward(),
            rank,
        ),
        "optimizer": (published.optimizer.step, kerley.loop.optimizer.step),
    }
    return {name: time_pair(pair, rounds) for name, pair in parts.items()}


def time_pair(pair: tuple[Callable, Callable], rounds: int) -> tuple[float, float]:
    """Give the median seconds of two calls that take turns."""
    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for call, values in zip(pair, spent, strict=True):
            start = time.perf_counter()
            call()
            values.append(time.perf_counter() - start)
    return float(np.median(spent[0])), float(np.median(spent[1]))


def describe(studies: Studies, spent: dict[str, list[float]], parts: dict) -> list[str]:
    """Give both tables in lines of text."""
    rate = {name: BATCH / np.mean(values) for name, values in spent.items()}
    slowest = rate["published"]
    megabytes = np.mean([path.stat().st_size for path in studies.paths]) / 1e6
    lengths = studies.lengths
    lines = [
        f"{len(studies.paths)} images of {megabytes:.1f} MB, reports of {lengths.min()} to"
        f" {lengths.max()} tokens, {lengths.mean():.0f} in the mean",
        "",
        "| step of four, loader included | seconds | from … to | samples/s | × published |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {np.mean(values):.3f} | {min(values):.2f} … {max(values):.2f}"
        f" | {rate[name]:.2f} | {rate[name] / slowest:.2f} |"
        for name, values in spent.items()
    ]
    lines += ["", "| part, ms | published | kerley |", "|---|---:|---:|"]
    lines += [f"| {n} | {1000 * p:.1f} | {1000 * k:.1f} |" for n, (p, k) in parts.items()]
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="images of 256², a tiny BERT")
    parser.add_argument("--corpus", default="openi", help="whose reports, with --root")
    parser.add_argument("--root", type=Path, help="a corpus with reports; else the phantom's words")
    parser.add_argument("--studies", type=int, default=32, help="a multiple of four")
    parser.add_argument("--rounds", type=int, default=1, help="passes over all studies")
    parser.add_argument("--threads", type=int, default=1, help="of the model; the loader has one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a folder to keep the drawn studies in")
    asked = parser.parse_args(arguments)
    torch.set_num_threads(asked.threads)
    size = SMALL if asked.small else PAPER
    with tempfile.TemporaryDirectory() as temporary:
        if asked.root is None:
            reports, texts = draw_reports(asked.studies, asked.seed)
        else:
            texts = read_texts(asked.corpus, asked.root)
            reports = pick_reports(texts, asked.studies, asked.seed)
        films = asked.out or Path(temporary)
        studies = draw_studies(films, size.side, reports, texts, seed=asked.seed)
        parts = time_parts(studies, size, rounds=3)
        spent = time_arms(studies, size, rounds=asked.rounds, seed=asked.seed)
        print("\n".join(describe(studies, spent, parts)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
