"""The joint model: an image tower and a text encoder that meet in one space."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from joint.joint_settings import ContrastiveSettings
from joint.task import Batch
from joint.text_encoder import TextEncoder
from vision.grading_task import name_outputs
from vision.heads import SeverityHead
from vision.tower import ImageTower

LARGEST_SCALE = 100.0


class JointModelError(ValueError):
    """Towers that cannot meet as the settings say."""


class JointModel(nn.Module):
    """Grades an image alone; with a report beside it also embeds both and grades the report.

    The report never reaches the image's outputs: they are the tower's, whatever the batch
    holds, and evaluation batches hold no report. contrastive decides what its loss needs:
    whether embeddings have unit length and which scale and bias are learned. width: of the space
    in which they meet; None: no projection. Raises JointModelError where widths differ then.
    """

    def __init__(
        self,
        tower: ImageTower,
        text: TextEncoder,
        *,
        width: int | None,
        contrastive: ContrastiveSettings,
    ) -> None:
        super().__init__()
        if width is None and tower.width != text.width:
            raise JointModelError(
                "embedding_width null needs embeddings of one width: the image encoder has"
                f" {tower.width}, the text encoder {text.width}"
            )
        self.tower = tower
        self.text = text
        self.image_projection = _project(tower.width, width)
        self.text_projection = _project(text.width, width)
        self.text_severity = SeverityHead(text.width)
        self.has_unit_length = contrastive.kind != "ranking" or contrastive.similarity == "cosine"
        # One number each, but vectors: FSDP2 shares out no scalars.
        self.log_scale: nn.Parameter | None = None
        if contrastive.temperature is not None:
            self.log_scale = nn.Parameter(torch.tensor([-math.log(contrastive.temperature)]))
        self.bias: nn.Parameter | None = None
        if contrastive.kind == "siglip":
            self.bias = nn.Parameter(torch.tensor([contrastive.bias]))

    def forward(self, batch: Batch) -> Batch:
        """Take images [n, 1, h, w] and, in training, token_ids and token_mask [n, length].

        Returns severity_logits [n, 3], finding_logits [n, k] and embeddings; with tokens also
        image_embeddings and text_embeddings [n, width], text_severity_logits [n, 3], and scale
        [n], the inverse temperature, and bias [n] (SigLIP alone), the same for each row.
        """
        graded = self.tower(batch["images"])
        outputs = name_outputs(graded)
        if "token_ids" not in batch:
            return outputs
        report: Tensor = self.text(batch["token_ids"], batch["token_mask"])
        outputs |= {
            "image_embeddings": self._place(self.image_projection(graded.embeddings)),
            "text_embeddings": self._place(self.text_projection(report)),
            "text_severity_logits": self.text_severity(report),
            "scale": self._scale(report),
        }
        if self.bias is not None:
            outputs["bias"] = self.bias.expand(len(report))
        return outputs

    def embed_images(self, images: Tensor) -> Tensor:
        """Place images [n, 1, h, w] where reports are: [n, width]."""
        return self._place(self.image_projection(self.tower(images).embeddings))

    def embed_reports(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Place token_ids and token_mask [n, length] where images are: [n, width]."""
        return self._place(self.text_projection(self.text(ids, mask)))

    def _place(self, projected: Tensor) -> Tensor:
        return F.normalize(projected, dim=1) if self.has_unit_length else projected

    def _scale(self, report: Tensor) -> Tensor:
        if self.log_scale is None:
            return report.new_ones(len(report))
        return self.log_scale.exp().clamp(max=LARGEST_SCALE).expand(len(report))


def _project(width_in: int, width: int | None) -> nn.Module:
    return nn.Identity() if width is None else nn.Linear(width_in, width)
