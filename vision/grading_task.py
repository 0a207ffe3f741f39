"""The image-only task: grade severity and findings from mined labels, without any report.

It is the control arm of every joint run, and the joint task builds on its image side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from configs.settings import Settings
from vision.batches import BatchSettings, Rows, Sources, plan_batches
from vision.cache import ImageCache
from vision.finding_metrics import finding_metrics
from vision.grading_losses import GradingLossSettings, severity_loss
from vision.heads import severity_probabilities
from vision.losses import MaskedSum, finding_loss, soft_cumulative_loss
from vision.metrics import THRESHOLD_NAMES, severity_metrics
from vision.noise_robust_losses import ElrSettings, PredictionMemory, early_learning_loss
from vision.report_to_image import (
    CorrectionSettings,
    NoCorrection,
    load_correction,
    reported_logits,
    transition_matrix,
)
from vision.tower import ImageTower, TowerOutput, TowerSettings
from vision.transforms import AugmentSettings, augment_images, prepare_images, seed_row

Batch = dict[str, Tensor]
Predict = Callable[[Rows], dict[str, NDArray[np.float32]]]


class GradingTaskSettings(Settings):
    """One image tower, taught by labels alone.

    report_to_image: whether labels, which say what reports say, teach the image head through a
    report→image transition (`vision/report_to_image.py`).
    """

    kind: Literal["grading"]
    tower: TowerSettings
    batches: BatchSettings = BatchSettings()
    augment: AugmentSettings = AugmentSettings()
    losses: GradingLossSettings = GradingLossSettings()
    report_to_image: CorrectionSettings = NoCorrection()


@dataclass(frozen=True)
class GradingData:
    """Images and what is taught of them, one row per image.

    cache_rows: int64 [n], where each image lies in the cache. severity_targets: float32 [n, 4],
    rows sum to one where has_severity [n]. finding_targets: float32 [n, k] with has_finding
    [n, k], columns in the order of the tower's findings. train, validate: row numbers.
    study_hashes: what messages call the study of each image; ids are patient data.
    """

    cache: ImageCache
    cache_rows: Rows
    severity_targets: NDArray[np.float32]
    has_severity: NDArray[np.bool_]
    finding_targets: NDArray[np.float32]
    has_finding: NDArray[np.bool_]
    train: Rows
    validate: Rows
    study_hashes: Sequence[str]


class GradingModel(nn.Module):
    """An image tower that takes a batch and names its outputs."""

    def __init__(self, tower: ImageTower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, batch: Batch) -> Batch:
        """Turn images [n, 1, h, w] into named logits and embeddings (see `name_outputs`)."""
        return name_outputs(self.tower(batch["images"]))


def name_outputs(graded: TowerOutput) -> Batch:
    """Name what a task keeps: severity_logits [n, 3], finding_logits [n, k], embeddings."""
    return {
        "severity_logits": graded.severity_logits,
        "finding_logits": graded.finding_logits,
        "embeddings": graded.embeddings,
    }


class GradingTask:
    """What the training loop asks for (`joint/task.py`), from images and labels alone."""

    def __init__(
        self,
        settings: GradingTaskSettings,
        data: GradingData,
        *,
        seed: int,
        tower: ImageTower | None = None,
    ) -> None:
        self.settings = settings
        self.data = data
        self.seed = seed
        self.tower = tower or ImageTower(settings.tower)
        self.model: nn.Module = GradingModel(self.tower)
        self.transition = transition_matrix(load_correction(settings.report_to_image))
        weights = settings.losses
        self.loss_weights: dict[str, float] = {
            "severity": weights.severity,
            "findings": weights.findings,
        }
        self.memory: PredictionMemory | None = None
        if isinstance(weights.noise, ElrSettings):
            self.memory = PredictionMemory(len(data.cache_rows), momentum=weights.noise.momentum)
            self.loss_weights["early_learning"] = weights.severity * weights.noise.weight

    def plan_epoch(self, epoch: int) -> list[Rows]:
        """Deal the training rows that teach anything: severity, or only findings."""
        train, data = self.data.train, self.data
        labelled = train[data.has_severity[train]]
        others = train[~data.has_severity[train] & data.has_finding[train].any(axis=1)]
        sources = Sources(labelled, others[:0], others)
        return plan_batches(sources, self.settings.batches, seed=self.seed, epoch=epoch)

    def load(self, rows: Rows, *, step: int | None) -> Batch:
        """Read images (uint8) and targets; with a step also one augmentation seed per row."""
        data = self.data
        batch = {
            "images": torch.from_numpy(np.ascontiguousarray(data.cache.read(data.cache_rows[rows])))
        }
        if step is not None:
            seeds = [seed_row(self.seed, step, int(row)) for row in rows]
            batch |= {
                "seeds": torch.tensor(seeds, dtype=torch.int64),
                "severity_targets": torch.from_numpy(data.severity_targets[rows]),
                "has_severity": torch.from_numpy(data.has_severity[rows]),
                "finding_targets": torch.from_numpy(data.finding_targets[rows]),
                "has_finding": torch.from_numpy(data.has_finding[rows]),
            }
            if self.memory:
                batch["rows"] = torch.from_numpy(rows)
        return batch

    def prepare(self, batch: Batch) -> Batch:
        """Scale the images and, in training, augment each from its own seed."""
        images = prepare_images(batch["images"])
        if "seeds" in batch:
            images = augment_images(images, self.settings.augment, batch["seeds"].tolist())
        return batch | {"images": images}

    def find_bad_rows(self, batch: Batch) -> Tensor:
        """Say of each row [n] whether a pixel or a known target is NaN or infinite."""
        severity = batch["severity_targets"].isfinite().all(dim=1) | ~batch["has_severity"]
        findings = (batch["finding_targets"].isfinite() | ~batch["has_finding"]).all(dim=1)
        return ~(batch["images"].isfinite().flatten(1).all(dim=1) & severity & findings)

    def name_rows(self, rows: Rows) -> list[str]:
        """Give the study hash of each row."""
        return [self.data.study_hashes[row] for row in rows]

    def losses(
        self, outputs: Batch, batch: Batch, gather: Callable[[Tensor], Tensor]
    ) -> dict[str, MaskedSum]:
        """Give the losses on severity and findings, each over its known targets."""
        known = batch["has_severity"]
        # What teaches nothing is replaced before it is turned: zero times NaN is NaN.
        teaching = torch.where(known.unsqueeze(1), outputs["severity_logits"], 0.0)
        logits = self.as_reported(teaching)
        losses = {
            "severity": severity_loss(
                self.settings.losses, logits, batch["severity_targets"], known
            ),
            "findings": finding_loss(
                outputs["finding_logits"], batch["finding_targets"], batch["has_finding"]
            ),
        }
        if self.memory:
            remembered = self.memory.update(batch["rows"], logits, known, gather)
            losses["early_learning"] = early_learning_loss(logits, remembered, known)
        return losses

    def as_reported(self, logits: Tensor) -> Tensor:
        """Give the logits [n, 3] of what a report would say of images that show `logits`.

        These are what is held against a report's grade; without a correction the same logits.
        """
        return logits if self.transition is None else reported_logits(logits, self.transition)

    def state_dict(self) -> dict[str, Tensor]:
        """Give what a checkpoint keeps beside the model: the memory of predictions, if any."""
        return self.memory.state_dict() if self.memory else {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` gave; a run that had no memory so far begins one."""
        if self.memory and state:
            self.memory.load_state_dict(state)

    def evaluate(self, predict: Predict) -> dict[str, float | None]:
        """Hold validation images against the report's grade and findings, undefined ones None.

        `score` is the mean of the three cumulative AUCs that are defined: noisy labels keep
        ranking intact longer than thresholds, so the best step is picked by ranking. With a
        report→image correction all of these hold p_report against the report's grade, and
        `image_…` are p_image's against the same, which it is not meant to match.
        """
        rows, data = self.data.validate, self.data
        metrics: dict[str, float | None] = {"score": None}
        if not len(rows):
            return metrics
        outputs = predict(rows)
        known = data.has_severity[rows]
        image_logits = torch.from_numpy(outputs["severity_logits"]).double()
        logits = self.as_reported(image_logits)
        probabilities = severity_probabilities(logits).numpy()
        levels = data.severity_targets[rows].argmax(axis=1)
        severity = severity_metrics(probabilities[known], levels[known])
        loss = soft_cumulative_loss(
            logits, torch.from_numpy(data.severity_targets[rows]), torch.from_numpy(known)
        )
        metrics |= severity
        if self.transition is not None:
            shown = severity_probabilities(image_logits).numpy()
            of_image = severity_metrics(shown[known], levels[known])
            metrics |= {f"image_{name}": value for name, value in of_image.items()}
        metrics["loss_severity"] = float(loss.total / loss.count) if known.any() else None
        metrics["auc_findings"] = self._mean_finding_auc(outputs["finding_logits"], rows)
        metrics["score"] = mean_defined([severity[f"auc_{name}"] for name in THRESHOLD_NAMES])
        return metrics

    def _mean_finding_auc(self, logits: NDArray[np.float32], rows: Rows) -> float | None:
        names = self.settings.tower.findings
        labels = hard_finding_labels(self.data.finding_targets[rows], self.data.has_finding[rows])
        probabilities = torch.sigmoid(torch.from_numpy(logits)).numpy()
        each = finding_metrics(probabilities, labels, names)
        return mean_defined([each[name]["auc"] for name in names])


def hard_finding_labels(
    targets: NDArray[np.float32], known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Give 1, 0, or NaN where nothing is known or the target is exactly undecided."""
    decided = known & (targets != 0.5)
    return np.where(decided, (targets > 0.5).astype(np.float64), np.nan)


def mean_defined(values: list[float | None]) -> float | None:
    """Give the mean of the values that are defined; None where none is."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
