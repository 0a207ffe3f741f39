"""The joint model: an image tower and a text encoder that meet in one space."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from joint.task import Batch
from joint.text_encoder import TextEncoder
from vision.grading_task import name_outputs
from vision.heads import SeverityHead
from vision.tower import ImageTower

LARGEST_SCALE = 100.0


class JointModel(nn.Module):
    """Grades an image alone; with a report beside it also embeds both and grades the report.

    The report never reaches the image's outputs: they are the tower's, whatever the batch
    holds, and evaluation batches hold no report.
    """

    def __init__(
        self, tower: ImageTower, text: TextEncoder, *, width: int, temperature: float
    ) -> None:
        super().__init__()
        self.tower = tower
        self.text = text
        self.image_projection = nn.Linear(tower.width, width)
        self.text_projection = nn.Linear(text.width, width)
        self.text_severity = SeverityHead(text.width)
        self.log_scale = nn.Parameter(torch.tensor(-math.log(temperature)))

    def forward(self, batch: Batch) -> Batch:
        """Take images [n, 1, h, w] and, in training, token_ids and token_mask [n, length].

        Returns severity_logits [n, 3], finding_logits [n, k] and embeddings; with tokens also
        image_embeddings and text_embeddings [n, width] of unit length, text_severity_logits
        [n, 3], and scale [n], the inverse temperature, the same for each row.
        """
        graded = self.tower(batch["images"])
        outputs = name_outputs(graded)
        if "token_ids" not in batch:
            return outputs
        report: Tensor = self.text(batch["token_ids"], batch["token_mask"])
        scale = self.log_scale.exp().clamp(max=LARGEST_SCALE)
        return outputs | {
            "image_embeddings": F.normalize(self.image_projection(graded.embeddings), dim=1),
            "text_embeddings": F.normalize(self.text_projection(report), dim=1),
            "text_severity_logits": self.text_severity(report),
            "scale": scale.expand(len(report)),
        }
