"""What a run would take, before it is begun: data, parameters, memory, work, time and disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from data_cards.corpora import find_corpus
from data_cards.label_table import read_label_table
from data_cards.splits import assign_splits
from joint.joint_settings import JointTaskSettings
from joint.planning.memory import MemoryPlan, count_passes, plan_memory
from joint.planning.model_sketch import (
    Work,
    count_parameters,
    is_dimension_known,
    measure_forward,
    sketch_model,
)
from joint.prepare import name_cache
from joint.run_settings import DataSettings, RunSettings, TableLabels
from joint.targets import severity_targets
from joint.text_encoder import PretrainedTextSettings
from vision.cache_build import JPEG_SHARE
from vision.encoder_settings import NamedEncoderSettings

DTYPES = {"no": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class PlanError(ValueError):
    """A run that cannot be planned; the message says which number is missing or wrong."""


@dataclass(frozen=True)
class CorpusCounts:
    """What a corpus holds; images are frontal ones, or of unknown view.

    graded: studies with a grade in the label table, None where it is not made yet.
    """

    studies: int
    reports: int
    images: int
    train_images: int
    graded: int | None


@dataclass(frozen=True)
class TrainPlan:
    """What a run would take on `processes` devices.

    counts: None where the corpus is not there. images: training images that epochs and disk are
    reckoned with, None where nobody knows. forward: of one part of a process's rows, with reports
    of `tokens` tokens (None: no reports). step_flops: of one step over all processes, with the
    backward pass and what is computed twice. fetched: names whose weights a first run fetches.
    assumed: those whose dimensions are of our list, and not of a file here.
    """

    settings: RunSettings
    processes: int
    counts: CorpusCounts | None
    images: int | None
    parameters: Mapping[str, int]
    memory: MemoryPlan
    forward: Work
    tokens: int | None
    parts: int
    step_flops: int
    fetched: tuple[str, ...]
    assumed: tuple[str, ...]

    @property
    def epochs(self) -> float | None:
        """How often each training image is seen; None where their number is not known."""
        rows = self.settings.loop.steps * self.settings.task.batches.size
        return rows / self.images if self.images else None

    @property
    def cache(self) -> Path:
        """The folder of the image cache."""
        return name_cache(self.settings.data)

    @property
    def cache_bytes(self) -> int | None:
        """Disk for the cache: of all splits where the corpus is there, else of training images."""
        images = self.counts.images if self.counts else self.images
        cache = self.settings.data.cache
        share = JPEG_SHARE if cache.storage == "jpeg" else 1
        return round(images * cache.size**2 * share) if images else None

    @property
    def checkpoint_bytes(self) -> int:
        """Disk for the checkpoints that stand at one time: those kept, the best, a new one."""
        count = self.settings.loop.keep_checkpoints + 2
        return count * (self.memory.weights + self.memory.moments)

    def hours(self, device_tflops: float) -> float:
        """Give the hours of all steps where each device does so many 10¹² operations a second."""
        seconds = self.step_flops / self.processes / (device_tflops * 1e12)
        return seconds * self.settings.loop.steps / 3600


def plan_training(
    settings: RunSettings,
    *,
    processes: int = 1,
    images: int | None = None,
    tokens: int | None = None,
) -> TrainPlan:
    """Reckon what a run takes; nothing is trained, fetched or written.

    images: training images, for a corpus that is not on this machine. tokens: usual length of
    the reports in a batch, for the work; None: the longest that are read, which memory always
    counts with. Raises PlanError where these make no sense.
    """
    task, loop, size = settings.task, settings.loop, settings.task.batches.size
    longest = task.text.max_tokens if isinstance(task, JointTaskSettings) else None
    if not 1 <= processes <= size:
        raise PlanError(f"{processes} processes: expected 1 to {size}, the rows of a batch")
    if tokens is not None and not 1 <= tokens <= (longest or 0):
        raise PlanError(f"{tokens} tokens: this run reads at most {longest or 'none'} of a report")
    share = -(-size // processes)
    parts = -(-share // loop.micro_batch) if loop.micro_batch else 1
    rows = -(-share // parts)
    forward = _measure(settings, rows, longest)
    model = sketch_model(task)
    memory = plan_memory(model, forward, loop)
    if tokens is not None:
        forward = _measure(settings, rows, tokens)
    counts = count_corpus(settings.data)
    return TrainPlan(
        settings=settings,
        processes=processes,
        counts=counts,
        images=counts.train_images if counts else images,
        parameters=count_parameters(model),
        memory=memory,
        forward=forward,
        tokens=tokens or longest,
        parts=parts,
        step_flops=forward.flops * size // rows * count_passes(loop, parts),
        fetched=_name_fetched(settings),
        assumed=_name_assumed(settings),
    )


def count_corpus(settings: DataSettings) -> CorpusCounts | None:
    """List the corpus and count; None where its root is not there."""
    if not settings.root.exists():
        return None
    listing = find_corpus(settings.corpus).read(settings.root)
    studies = assign_splits(
        listing,
        seed=settings.split_seed,
        validate=settings.validate_share,
        test=settings.test_share,
    )
    frontal = [
        sum((image["view"] or "").upper() != "LATERAL" for image in images)
        for images in studies["images"][:]
    ]
    train = [split == "train" for split in studies["split"][:]]
    return CorpusCounts(
        studies=len(frontal),
        reports=sum(bool(report) for report in studies["report"][:]),
        images=sum(frontal),
        train_images=sum(count for count, is_train in zip(frontal, train, strict=True) if is_train),
        graded=_count_graded(settings, set(studies["study_id"][:])),
    )


def _count_graded(settings: DataSettings, study_ids: set[str]) -> int | None:
    labels = settings.labels
    if not isinstance(labels, TableLabels) or not labels.path.is_file():
        return None
    table = read_label_table(labels.path)
    return int(severity_targets(table[table["study_id"].isin(study_ids)]).known.sum())


def _measure(settings: RunSettings, rows: int, tokens: int | None) -> Work:
    return measure_forward(
        sketch_model(settings.task),
        rows=rows,
        side=settings.data.cache.size,
        tokens=tokens,
        dtype=DTYPES[settings.loop.mixed_precision],
        speed=settings.loop.speed,
    )


def _name_fetched(settings: RunSettings) -> tuple[str, ...]:
    task, names = settings.task, []
    encoder = task.tower.encoder
    if isinstance(encoder, NamedEncoderSettings) and encoder.pretrained:
        names.append(encoder.name)
    if isinstance(task, JointTaskSettings) and isinstance(task.text, PretrainedTextSettings):
        names += [] if Path(task.text.name).is_dir() else [task.text.name]
    return tuple(names)


def _name_assumed(settings: RunSettings) -> tuple[str, ...]:
    text = settings.task.text if isinstance(settings.task, JointTaskSettings) else None
    if not isinstance(text, PretrainedTextSettings) or is_dimension_known(text):
        return ()
    return (text.name,)
