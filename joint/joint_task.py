"""The joint task: one run over labelled and unlabelled pairs, on soft labels."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from joint.joint_settings import JointTaskSettings
from joint.losses import PairRows, contrastive_loss, distillation_loss
from joint.model import JointModel
from joint.pairs import NO_REPORT, PairData, shuffle_reports
from joint.task import Batch, Gather, Predict, Rows
from joint.text_encoder import TextEncoder
from vision.batches import plan_batches
from vision.grading_task import GradingData, GradingLossSettings, GradingTask, GradingTaskSettings
from vision.heads import severity_probabilities
from vision.losses import MaskedSum, soft_cumulative_loss


class JointTask:
    """What the training loop asks for (`joint/task.py`), from images, labels and reports.

    Its image side is the image-only task's, unchanged: same tower, batches of images, losses
    on labels and validation on the image alone.
    """

    def __init__(
        self,
        settings: JointTaskSettings,
        images: GradingData,
        pairs: PairData,
        text: TextEncoder,
        *,
        seed: int,
    ) -> None:
        self.settings = settings
        self.seed = seed
        self.images = images
        self.pairs = (
            shuffle_reports(pairs, images.train, seed=seed) if settings.shuffle_reports else pairs
        )
        weights = settings.losses
        self.grading = GradingTask(
            GradingTaskSettings(
                kind="grading",
                tower=settings.tower,
                batches=settings.batches,
                augment=settings.augment,
                losses=GradingLossSettings(severity=weights.severity, findings=weights.findings),
            ),
            images,
            seed=seed,
        )
        self.model: nn.Module = JointModel(
            self.grading.tower,
            text,
            width=settings.embedding_width,
            temperature=weights.contrastive.temperature,
        )
        self.loss_weights: Mapping[str, float] = {
            **self.grading.loss_weights,
            "text_severity": weights.text_severity,
            "contrastive": weights.contrastive.weight,
            "distillation": weights.distillation.weight,
        }

    def plan_epoch(self, epoch: int) -> list[Rows]:
        """Deal all training images with a label or a report; labelled: with a severity."""
        train = self.images.train
        labelled = train[self.images.has_severity[train]]
        has_other = self.images.has_finding[train].any(axis=1) | (
            self.pairs.report_of[train] != NO_REPORT
        )
        others = train[~self.images.has_severity[train] & has_other]
        return plan_batches(labelled, others, self.settings.batches, seed=self.seed, epoch=epoch)

    def load(self, rows: Rows, *, step: int | None) -> Batch:
        """Read images and targets and, in training alone, the reports."""
        batch = self.grading.load(rows, step=step)
        if step is None:
            return batch
        pairs, reports = self.pairs, self.pairs.report_of[rows]
        ids, mask = pairs.tokens.pad(reports)
        has_report = reports != NO_REPORT
        ramp = min(1.0, step / max(1, self.settings.losses.distillation.ramp_steps))
        return batch | {
            "token_ids": ids,
            "token_mask": mask,
            "has_report": torch.from_numpy(has_report),
            "groups": torch.from_numpy(pairs.groups[reports]),
            "report_targets": torch.from_numpy(pairs.severity_targets[reports]),
            "report_states_severity": torch.from_numpy(pairs.has_severity[reports] & has_report),
            "ramp": torch.full((len(rows),), ramp),
        }

    def prepare(self, batch: Batch) -> Batch:
        """Scale and augment the images."""
        return self.grading.prepare(batch)

    def find_bad_rows(self, batch: Batch) -> Tensor:
        """Say of each row [n] whether a pixel or a known target is NaN or infinite."""
        report = batch["report_targets"].isfinite().all(dim=1) | ~batch["report_states_severity"]
        return self.grading.find_bad_rows(batch) | ~report

    def name_rows(self, rows: Rows) -> list[str]:
        """Give the study hash of each row."""
        return self.grading.name_rows(rows)

    def losses(self, outputs: Batch, batch: Batch, gather: Gather) -> dict[str, MaskedSum]:
        """Give the image-only losses, the text head's, and the two between image and report."""
        text_logits = outputs["text_severity_logits"]
        own = PairRows(
            outputs["image_embeddings"],
            outputs["text_embeddings"],
            batch["groups"],
            batch["has_report"],
        )
        unlabelled = batch["has_report"] & ~batch["has_severity"]
        return {
            **self.grading.losses(outputs, batch, gather),
            "text_severity": soft_cumulative_loss(
                text_logits, batch["report_targets"], batch["report_states_severity"]
            ),
            "contrastive": contrastive_loss(own, gather_pairs(own, gather), outputs["scale"]),
            "distillation": distillation_loss(
                outputs["severity_logits"],
                severity_probabilities(text_logits.detach()),
                unlabelled,
                batch["ramp"],
            ),
        }

    def evaluate(self, predict: Predict) -> Mapping[str, float | None]:
        """Validate on the image alone, exactly as the image-only task does."""
        return self.grading.evaluate(predict)


def gather_pairs(own: PairRows, gather: Gather) -> PairRows:
    """Gather the pairs of all processes, in two messages instead of four."""
    width = own.images.shape[1]
    vectors = gather(torch.cat([own.images, own.texts], dim=1))
    marks = gather(torch.stack([own.groups, own.has_report.to(own.groups)], dim=1))
    return PairRows(vectors[:, :width], vectors[:, width:], marks[:, 0], marks[:, 1] > 0)
