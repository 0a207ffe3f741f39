"""The training step of Chauhan, Liao et al. 2020 as published, written from its description.

Only what costs time is here: full-size 16-bit images decoded for every batch, reports padded to
320 tokens, a ranking loss that loops over rows and asks each hinge whether it is above zero, one
cross-entropy per head, and AdamW weight by weight. MICCAI 2020, doi 10.1007/978-3-030-59713-9_51.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from joint.text_encoder import TextEncoder
from vision.encoder_settings import ChauhanEncoderSettings
from vision.encoders import build_image_encoder

TOKENS = 320
SHIFT_SIGMA, LARGEST_SHIFT = 200, 400
LEARNING_RATE, WEIGHT_DECAY = 2e-5, 0.1
GRADES = 4


def read_published(path: Path, side: int, generator: np.random.Generator) -> np.ndarray:
    """Read one image: scaled by its own maximum, shifted by chance, padded, cut to side²."""
    image = np.asarray(Image.open(path)).astype(np.float32)
    image = image / image.max()
    scale = side / 2048
    shifts = generator.normal(0, SHIFT_SIGMA * scale, 2).round().astype(int)
    down, right = np.where(np.abs(shifts) > LARGEST_SHIFT * scale, 0, shifts)
    room = int(LARGEST_SHIFT * scale) + max(0, side - min(image.shape))
    padded = np.pad(image, room)
    top = (padded.shape[0] - side) // 2 + down
    left = (padded.shape[1] - side) // 2 + right
    return padded[top : top + side, left : left + side]


def pad_tokens(reports: Sequence[np.ndarray], length: int) -> tuple[Tensor, Tensor]:
    """Give token numbers and mask [reports, length]."""
    ids, mask = (torch.zeros(len(reports), length, dtype=torch.int64) for _ in range(2))
    for row, report in enumerate(reports):
        ids[row, : len(report)] = torch.from_numpy(report.astype(np.int64))
        mask[row, : len(report)] = 1
    return ids, mask


def looped_ranking_loss(
    images: Tensor, texts: Tensor, grades: Sequence[int | None], studies: Sequence[int]
) -> Tensor:
    """Rank each pair before its pairs with the next row, one row after the other."""
    loss = images.new_zeros(())
    rows = len(images)
    for i in range(rows):
        j = (i + 1) % rows
        if studies[i] == studies[j]:
            margin = 0.0
        elif grades[i] is None or grades[j] is None:
            margin = 0.5
        else:
            margin = max(0.5, float(abs(grades[i] - grades[j])))
        paired = torch.dot(images[i], texts[i])
        wrong_image = margin + torch.dot(images[j], texts[i]) - paired
        wrong_text = margin + torch.dot(images[i], texts[j]) - paired
        if wrong_image > 0:
            loss = loss + wrong_image
        if wrong_text > 0:
            loss = loss + wrong_text
    return loss / rows


class PublishedModel(nn.Module):
    """Both encoders, whose embeddings of one width are compared as they are, and their heads."""

    def __init__(self, widths: Sequence[int], text: TextEncoder) -> None:
        super().__init__()
        settings = ChauhanEncoderSettings(kind="chauhan2020", widths=tuple(widths))
        self.image = build_image_encoder(settings)
        self.text = text
        width = self.image.embedding_width
        self.image_head, self.text_head = nn.Linear(width, GRADES), nn.Linear(width, GRADES)

    def forward(self, images: Tensor, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        embedded = self.image.pool(self.image.trunk(images))
        return embedded, self.text(ids, mask)


def take_published_step(
    model: PublishedModel,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Tensor, Tensor, Tensor],
    grades: Sequence[int | None],
    studies: Sequence[int],
) -> float:
    """Take one step of the semi-supervised recipe; returns its loss."""
    optimizer.zero_grad()
    images, texts = model(*batch)
    loss = looped_ranking_loss(images, texts, grades, studies)
    known = [row for row, grade in enumerate(grades) if grade is not None]
    if known:
        targets = torch.tensor([grades[row] for row in known])
        loss = loss + F.cross_entropy(model.image_head(images[known]), targets)
        loss = loss + F.cross_entropy(model.text_head(texts[known]), targets)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def build_published_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """AdamW, weight by weight, as the libraries of 2020 had it."""
    return torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, foreach=False, fused=False
    )
