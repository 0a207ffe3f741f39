"""The image tower: encoder, pooled embedding, severity and finding heads."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import field_validator
from torch import Tensor, nn

from configs.settings import Settings
from data_cards.findings import FINDINGS
from vision.encoder_settings import ImageEncoderSettings, forget_folder
from vision.encoders import build_image_encoder
from vision.heads import SeverityHead


class TowerSettings(Settings):
    """What the tower is built from; `findings` is the order of its finding logits."""

    encoder: ImageEncoderSettings
    findings: tuple[str, ...]

    @field_validator("findings")
    @classmethod
    def _check_findings(cls, findings: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in findings if name not in FINDINGS]
        if unknown:
            raise ValueError(f"unknown findings {unknown}; known are {', '.join(FINDINGS)}")
        if len(set(findings)) != len(findings):
            raise ValueError(f"a finding is named twice in {findings}")
        return findings


class TowerOutput(NamedTuple):
    """What the tower gives for n images.

    features: [n, width, h', w']. embeddings: [n, tower width], the features pooled over
    place (`ImageEncoder.pool`).
    severity_logits: [n, 3], cumulative, P(y > k) = sigmoid. finding_logits: [n, findings].
    """

    features: Tensor
    embeddings: Tensor
    severity_logits: Tensor
    finding_logits: Tensor


class ImageTower(nn.Module):
    """An image encoder with its heads; `width` is the length of an embedding.

    `load_pretrained=False` builds the same architecture without fetching weights, for a caller
    that loads its own; its `settings` then keep the name of a weights file and not its folder,
    which is of no use to others and may name people.
    """

    def __init__(self, settings: TowerSettings, *, load_pretrained: bool = True) -> None:
        super().__init__()
        self.settings = (
            settings
            if load_pretrained
            else settings.model_copy(update={"encoder": forget_folder(settings.encoder)})
        )
        self.encoder = build_image_encoder(settings.encoder, load_pretrained=load_pretrained)
        self.width = self.encoder.embedding_width
        self.severity_head = SeverityHead(self.width)
        count = len(settings.findings)
        self.finding_head = nn.Linear(self.width, count) if count else None

    def forward(self, images: Tensor) -> TowerOutput:
        """Grade prepared images [n, 1, h, w]."""
        return self.grade_features(self.encoder(images))

    def grade_features(self, features: Tensor) -> TowerOutput:
        """Pool and grade feature maps [n, width, h', w']."""
        embeddings = self.encoder.pool(features)
        findings = embeddings[:, :0] if self.finding_head is None else self.finding_head(embeddings)
        return TowerOutput(features, embeddings, self.severity_head(embeddings), findings)
