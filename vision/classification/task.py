"""The classification task: one class per image, as the corpus itself gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from configs.settings import Settings
from vision.batches import Rows
from vision.cache import ImageCache
from vision.classification.metrics import class_metrics, class_probabilities
from vision.classification.network import ClassifierNetwork, weigh_classes
from vision.encoder_settings import ImageEncoderSettings
from vision.losses import MaskedSum
from vision.transforms import AugmentSettings, augment_images, prepare_images, seed_row

Batch = dict[str, Tensor]
Predict = Callable[[Rows], dict[str, NDArray[np.float32]]]
ClassName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/()-]*$")]


class ClassificationTaskSettings(Settings):
    """One image encoder, taught to tell classes apart.

    classes: the order of the logits. also_called: other names that a corpus may give them, name
    → class; images of any other class are left out. batch: images in a global batch. balance:
    `loss` weighs each class by one over its share of the training images, `batches` deals as many
    images of each class, repeating those of the rare ones; `none` takes them as they come.
    label_smoothing: the share of a target that is spread evenly over the classes (Szegedy et al.
    2016). flip: mirror half of the training images; off, as the heart has a side and a
    mirrored film is another patient's anatomy.
    """

    kind: Literal["classification"]
    encoder: ImageEncoderSettings
    classes: tuple[ClassName, ...] = Field(min_length=2)
    also_called: dict[str, str] = Field(default_factory=dict)
    batch: int = Field(32, ge=1)
    balance: Literal["none", "loss", "batches"] = "loss"
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    augment: AugmentSettings = AugmentSettings()
    flip: bool = False

    @model_validator(mode="after")
    def _check_names(self) -> ClassificationTaskSettings:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"a class is named twice in {self.classes}")
        unknown = sorted(set(self.also_called.values()) - set(self.classes))
        if unknown:
            raise ValueError(f"also_called names {unknown}; the classes are {self.classes}")
        return self

    def number_class(self, name: str | None) -> int | None:
        """Give the number of a corpus's class; None where it is none of this task's."""
        known = None if name is None else self.also_called.get(name, name)
        return self.classes.index(known) if known in self.classes else None


@dataclass(frozen=True)
class ClassificationData:
    """Images and their classes, one row per image.

    cache_rows: int64 [n], where each image lies in the cache. labels: int64 [n]. train, validate:
    row numbers. study_hashes: what messages call the study of each image.
    """

    cache: ImageCache
    cache_rows: Rows
    labels: NDArray[np.int64]
    train: Rows
    validate: Rows
    study_hashes: Sequence[str]


class ClassificationTask:
    """What the training loop asks for (`joint/task.py`), from images and classes alone."""

    def __init__(
        self, settings: ClassificationTaskSettings, data: ClassificationData, *, seed: int
    ) -> None:
        self.settings = settings
        self.data = data
        self.seed = seed
        count = len(settings.classes)
        self.network = ClassifierNetwork(settings.encoder, count, dropout=settings.dropout)
        self.model: nn.Module = self.network
        self.loss_weights: Mapping[str, float] = {"classes": 1.0}
        self._counts = np.bincount(data.labels[data.train], minlength=count)
        weights = weigh_classes(torch.from_numpy(self._counts))
        self._class_weights = weights if settings.balance == "loss" else torch.ones(count)

    def plan_epoch(self, epoch: int) -> list[Rows]:
        """Deal every training row once; balanced, as many of each class as the largest has."""
        generator = np.random.default_rng((self.seed, epoch))
        train, size = self.data.train, self.settings.batch
        if self.settings.balance == "batches":
            train = self._fill_up(generator)
        rows = train[generator.permutation(len(train))]
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def load(self, rows: Rows, *, step: int | None) -> Batch:
        """Read images (uint8) and classes; with a step also one augmentation seed per row."""
        pixels = self.data.cache.read(self.data.cache_rows[rows])
        batch = {"images": torch.from_numpy(np.ascontiguousarray(pixels))}
        if step is not None:
            seeds = [seed_row(self.seed, step, int(row)) for row in rows]
            batch["seeds"] = torch.tensor(seeds, dtype=torch.int64)
            batch["labels"] = torch.from_numpy(self.data.labels[rows])
        return batch

    def prepare(self, batch: Batch) -> Batch:
        """Scale the images and, in training, change each by its own seed."""
        images = prepare_images(batch["images"])
        if "seeds" in batch:
            images = augment_images(images, self.settings.augment, batch["seeds"].tolist())
            if self.settings.flip:
                mirrored = (batch["seeds"] % 2 == 1).view(-1, 1, 1, 1)
                images = torch.where(mirrored, images.flip(3), images)
        return batch | {"images": images}

    def find_bad_rows(self, batch: Batch) -> Tensor:
        """Say of each row [n] whether a pixel is NaN or infinite."""
        return ~batch["images"].isfinite().flatten(1).all(dim=1)

    def name_rows(self, rows: Rows) -> list[str]:
        """Give the study hash of each row."""
        return [self.data.study_hashes[row] for row in rows]

    def losses(
        self, outputs: Batch, batch: Batch, gather: Callable[[Tensor], Tensor]
    ) -> dict[str, MaskedSum]:
        """Give the cross-entropy, each image weighed by its class."""
        logits, labels = outputs["class_logits"], batch["labels"]
        each = cross_entropy(
            logits, labels, reduction="none", label_smoothing=self.settings.label_smoothing
        )
        weights = self._class_weights.to(each)[labels]
        return {"classes": MaskedSum((weights * each).sum(), weights.sum())}

    def evaluate(self, predict: Predict) -> dict[str, float | None]:
        """Measure the validation images; `score` is the mean AUC of the classes."""
        rows = self.data.validate
        if not len(rows):
            return {"score": None}
        probabilities = class_probabilities(predict(rows)["class_logits"])
        metrics = class_metrics(probabilities, self.data.labels[rows], self.settings.classes)
        return {"score": metrics["mean_auc"], **metrics}

    def _fill_up(self, generator: np.random.Generator) -> Rows:
        labels, most = self.data.labels[self.data.train], self._counts.max()
        parts = []
        for number in np.flatnonzero(self._counts):
            rows = self.data.train[labels == number]
            whole, rest = divmod(int(most), len(rows))
            parts += [rows] * whole + [generator.choice(rows, rest, replace=False)]
        return np.concatenate(parts)
