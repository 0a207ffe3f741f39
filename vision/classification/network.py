"""The network of a classifier: an image encoder and one linear layer on its pooled features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vision.encoder_settings import ImageEncoderSettings
from vision.encoders import build_image_encoder

Batch = dict[str, Tensor]


class ClassifierNetwork(nn.Module):
    """From prepared images to the logits of `classes` classes.

    `dropout`: the share of pooled features that a training step leaves out.
    `load_pretrained=False` builds the same network for a caller that brings its weights.
    """

    def __init__(
        self,
        encoder: ImageEncoderSettings,
        classes: int,
        *,
        dropout: float = 0.0,
        load_pretrained: bool = True,
    ) -> None:
        super().__init__()
        self.encoder = build_image_encoder(encoder, load_pretrained=load_pretrained)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.encoder.embedding_width, classes)

    def forward(self, batch: Batch) -> Batch:
        """Turn images [n, 1, h, w] into class_logits [n, classes]."""
        return {"class_logits": self.classify(batch["images"])}

    def classify(self, images: Tensor) -> Tensor:
        """Give the logits [n, classes] of prepared images [n, 1, h, w]."""
        embeddings = self.encoder.pool(self.encoder(images))
        logits: Tensor = self.head(self.dropout(embeddings))
        return logits


def weigh_classes(counts: Tensor) -> Tensor:
    """Give each class the weight n / (k · its images), so that all classes count alike."""
    return counts.sum() / (len(counts) * counts.clamp(min=1).to(torch.float32))
