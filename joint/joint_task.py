"""The joint task: one run over labelled and unlabelled pairs, on soft labels."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from joint.joint_settings import JointTaskSettings
from joint.losses.pair_rows import PairRows, gather_pairs
from joint.losses.settings import contrastive_loss, distillation_loss
from joint.model import JointModel
from joint.pairs import NO_REPORT, PairData, shuffle_reports
from joint.task import Batch, Gather, Predict, Rows
from joint.text_encoder import TextEncoder
from vision.batches import Sources, plan_batches
from vision.grading_losses import SEVERITY_LOSSES
from vision.grading_task import GradingData, GradingTask, GradingTaskSettings
from vision.heads import severity_probabilities
from vision.losses import MaskedSum


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
        self._lengths = self.pairs.lengths()
        weights = settings.losses
        self.grading = GradingTask(
            GradingTaskSettings(
                kind="grading",
                tower=settings.tower,
                batches=settings.batches,
                augment=settings.augment,
                losses=weights.image_side(),
                report_to_image=settings.report_to_image,
            ),
            images,
            seed=seed,
        )
        self.model: nn.Module = JointModel(
            self.grading.tower,
            text,
            width=settings.embedding_width,
            contrastive=weights.contrastive,
        )
        self.loss_weights: Mapping[str, float] = {
            **self.grading.loss_weights,
            "text_severity": weights.text_severity,
            "contrastive": weights.contrastive.weight,
            "distillation": weights.distillation.weight,
        }

    def plan_epoch(self, epoch: int) -> list[Rows]:
        """Deal all training images with a label or a report; labelled: with a severity.

        Images without a report are a kind of their own where the batches declare a share of them.
        """
        train, batches = self.images.train, self.settings.batches
        has_report = self.pairs.report_of[train] != NO_REPORT
        has_severity = self.images.has_severity[train]
        teaches = has_severity | has_report | self.images.has_finding[train].any(axis=1)
        is_alone = teaches & ~has_report & (batches.image_only_share is not None)
        sources = Sources(
            labelled=train[has_severity & ~is_alone],
            image_only=train[is_alone],
            others=train[teaches & ~has_severity & ~is_alone],
        )
        return plan_batches(sources, batches, seed=self.seed, epoch=epoch, lengths=self._lengths)

    def load(self, rows: Rows, *, step: int | None) -> Batch:
        """Read images and targets and, in training alone, the reports."""
        batch = self.grading.load(rows, step=step)
        if step is None:
            return batch
        pairs, reports = self.pairs, self.pairs.report_of[rows]
        readings, is_whole = pairs.read(reports, pairs.draw(reports, seed=self.seed, step=step))
        ids, mask = pairs.tokens.pad(readings)
        has_report = reports != NO_REPORT
        ramp = min(1.0, step / max(1, self.settings.losses.distillation.ramp_steps))
        return batch | {
            "token_ids": ids,
            "token_mask": mask,
            "has_report": torch.from_numpy(has_report),
            "groups": torch.from_numpy(pairs.groups[readings]),
            "report_targets": torch.from_numpy(pairs.severity_targets[reports]),
            "report_states_severity": torch.from_numpy(
                pairs.has_severity[reports] & has_report & is_whole
            ),
            "report_is_whole": torch.from_numpy(is_whole),
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
        text_logits, has_report = outputs["text_severity_logits"], batch["has_report"]
        targets, states_severity = batch["report_targets"], batch["report_states_severity"]
        levels = torch.arange(targets.shape[1]).to(targets)
        own = PairRows(
            outputs["image_embeddings"],
            outputs["text_embeddings"],
            groups=batch["groups"],
            has_report=has_report,
            severities=targets @ levels,
            has_severity=states_severity,
            places=gather.places.to(text_logits.device),
        )
        settings = self.settings.losses
        text_loss = SEVERITY_LOSSES[settings.severity_loss.kind]
        return {
            **self.grading.losses(outputs, batch, gather),
            "text_severity": text_loss(text_logits, targets, states_severity),
            "contrastive": contrastive_loss(
                settings.contrastive, own, gather_pairs(own, gather), outputs
            ),
            "distillation": distillation_loss(
                self.grading.as_reported(outputs["severity_logits"]),
                severity_probabilities(text_logits.detach()),
                has_report & batch["report_is_whole"] & ~batch["has_severity"],
                batch["ramp"],
            ),
        }

    def state_dict(self) -> dict[str, Tensor]:
        """Give what a checkpoint keeps beside the model: what the image side remembers."""
        return self.grading.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state_dict` gave."""
        self.grading.load_state_dict(state)

    def evaluate(self, predict: Predict) -> Mapping[str, float | None]:
        """Validate on the image alone, exactly as the image-only task does."""
        return self.grading.evaluate(predict)
