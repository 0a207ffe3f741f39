"""The segmentation task: which pixels belong to a structure, taught by masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from configs.settings import Settings
from vision.batches import Rows
from vision.cache import ImageCache
from vision.losses import MaskedSum
from vision.model_folder import load_weights
from vision.segmentation.losses import dice_loss, pixel_loss
from vision.segmentation.mask_cache import MaskCache
from vision.segmentation.mask_files import INSIDE, UNKNOWN
from vision.segmentation.metrics import measure_overlap
from vision.segmentation.network import (
    NetworkSettings,
    SegmentationNetwork,
    build_network,
    freeze_unused,
)
from vision.segmentation.segmenter import STEM, read_segmenter_card
from vision.transforms import AugmentSettings, augment_pairs, prepare_images, seed_row

Batch = dict[str, Tensor]
Predict = Callable[[Rows], dict[str, NDArray[np.float32]]]
PREDICTED_AT_ONCE = 256
"""Images whose logits are held at a time: 64 MiB at 256 × 256."""


class SegmentationAugment(AugmentSettings):
    """Wider changes than a classifier's: films of other hospitals lie and shine otherwise."""

    rotation_degrees: float = Field(10.0, ge=0, le=45)
    shift: float = Field(0.06, ge=0, le=0.5)
    scale: float = Field(0.12, ge=0, lt=1)
    gain: float = Field(0.15, ge=0, lt=1)
    gamma: float = Field(0.6, ge=0, le=2)
    contrast: float = Field(0.3, ge=0, lt=1)


class SegmentationLossSettings(Settings):
    """The weights of binary cross-entropy and of Dice."""

    cross_entropy: float = Field(1.0, ge=0)
    dice: float = Field(1.0, ge=0)


class SegmentationTaskSettings(Settings):
    """One network, taught to outline one structure.

    structure: what the masks show; a segmenter's files name it. start: the folder of a segmenter
    with the same network, whose weights are the first; null for random numbers or the encoder's
    weights. batch: images in a global batch.
    """

    kind: Literal["segmentation"]
    network: NetworkSettings = NetworkSettings()
    structure: Literal["lung", "infection"] = "lung"
    start: Path | None = None
    batch: int = Field(16, ge=1)
    augment: SegmentationAugment = SegmentationAugment()
    losses: SegmentationLossSettings = SegmentationLossSettings()


@dataclass(frozen=True)
class SegmentationData:
    """Images and their masks, one row per image.

    cache_rows, mask_rows: int64 [n], where each image and its mask lie in their caches.
    train, validate: row numbers. study_hashes: what messages call the study of each image.
    """

    cache: ImageCache
    cache_rows: Rows
    masks: MaskCache
    mask_rows: Rows
    train: Rows
    validate: Rows
    study_hashes: Sequence[str]


class SegmentationModel(nn.Module):
    """A network that takes a batch and names its output."""

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Batch) -> Batch:
        """Turn images [n, 1, h, w] into mask_logits [n, h, w]."""
        return {"mask_logits": self.network(batch["images"])}


class SegmentationTask:
    """What the training loop asks for (`joint/task.py`), from images and masks."""

    def __init__(
        self, settings: SegmentationTaskSettings, data: SegmentationData, *, seed: int
    ) -> None:
        self.settings = settings
        self.data = data
        self.seed = seed
        self.network = build_network(settings.network, load_weights=settings.start is None)
        if settings.start is not None:
            read_segmenter_card(settings.start)
            load_weights(self.network, settings.start, STEM)
        freeze_unused(self.network)
        self.model: nn.Module = SegmentationModel(self.network)
        self.loss_weights: Mapping[str, float] = {
            "cross_entropy": settings.losses.cross_entropy,
            "dice": settings.losses.dice,
        }

    def plan_epoch(self, epoch: int) -> list[Rows]:
        """Deal every training row once.

        Batches are of like size, none of them of one row: batch norm cannot learn from one.
        """
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.data.train))
        count = -(-len(order) // self.settings.batch)
        return np.array_split(self.data.train[order], max(1, count))

    def load(self, rows: Rows, *, step: int | None) -> Batch:
        """Read images and masks, both uint8 [n, h, w]; with a step also a seed per row."""
        pixels = self.data.cache.read(self.data.cache_rows[rows])
        batch = {"images": torch.from_numpy(np.ascontiguousarray(pixels))}
        if step is not None:
            seeds = [seed_row(self.seed, step, int(row)) for row in rows]
            batch["seeds"] = torch.tensor(seeds, dtype=torch.int64)
            batch["masks"] = torch.from_numpy(self.data.masks.read(self.data.mask_rows[rows]))
        return batch

    def prepare(self, batch: Batch) -> Batch:
        """Scale the images and, in training, move each and its mask alike."""
        images = prepare_images(batch["images"])
        if "seeds" not in batch:
            return batch | {"images": images}
        images, masks = augment_pairs(
            images, batch["masks"], self.settings.augment, batch["seeds"].tolist()
        )
        return batch | {"images": images, "masks": masks}

    def find_bad_rows(self, batch: Batch) -> Tensor:
        """Say of each row [n] whether a pixel is NaN or infinite."""
        return ~batch["images"].isfinite().flatten(1).all(dim=1)

    def name_rows(self, rows: Rows) -> list[str]:
        """Give the study hash of each row."""
        return [self.data.study_hashes[row] for row in rows]

    def losses(
        self, outputs: Batch, batch: Batch, gather: Callable[[Tensor], Tensor]
    ) -> dict[str, MaskedSum]:
        """Give cross-entropy per known pixel and Dice per image."""
        logits, masks = outputs["mask_logits"], batch["masks"]
        inside, known = masks == INSIDE, masks != UNKNOWN
        return {
            "cross_entropy": pixel_loss(logits, inside, known),
            "dice": dice_loss(logits, inside, known),
        }

    def evaluate(self, predict: Predict) -> dict[str, float | None]:
        """Measure the validation images as they are framed; `score` is the mean Dice."""
        rows = self.data.validate
        overlaps = []
        for start in range(0, len(rows), PREDICTED_AT_ONCE):
            part = rows[start : start + PREDICTED_AT_ONCE]
            predicted = predict(part)["mask_logits"] > 0
            truths = self.data.masks.read(self.data.mask_rows[part])
            for mask, truth in zip(predicted, truths, strict=True):
                overlaps.append(measure_overlap(mask, truth))
        if not overlaps:
            return {"score": None}
        means = {name: float(np.mean([one[name] for one in overlaps])) for name in overlaps[0]}
        return {"score": means["dice"], **means}
