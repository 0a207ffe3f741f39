"""The segmenter: from X-rays to masks of one structure, without any training code.

Its folder holds `segmenter.safetensors` (weights) and `segmenter.json` (SegmenterCard). Nothing
in it is ever unpickled, and the card names the weights' hash, so that a swapped file is refused.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from data_cards.lineage import Lineage
from vision.framing import CacheSettings, frame_image, unframe
from vision.model_folder import (
    ModelCard,
    load_weights,
    read_model_card,
    write_model,
)
from vision.segmentation.network import (
    NetworkSettings,
    SegmentationNetwork,
    build_network,
)
from vision.torch_engine import hold_threads
from vision.transforms import prepare_images

if TYPE_CHECKING:
    from vision.xray_image import XrayImage

SEGMENTER_SCHEMA = 1
STEM = "segmenter"
IMAGES_AT_ONCE = 16


class SegmenterCard(ModelCard):
    """What `segmenter.json` holds beside what every card says.

    structure: what a mask shows. threshold: the probability from which a pixel is inside.
    usual_share: the shares of an image between which nearly all training masks lay.
    """

    structure: Literal["lung", "infection"]
    network: NetworkSettings
    threshold: float = Field(gt=0, lt=1)
    usual_share: tuple[float, float] | None


@dataclass(frozen=True)
class Segmenter:
    """A network with all that turns an image into a mask (the fields: see SegmenterCard).

    weights_sha256: of the file that it was loaded from, "" before it is saved. threads: how many
    torch uses while it works; None leaves that as it is.
    """

    network: SegmentationNetwork
    settings: NetworkSettings
    input: CacheSettings
    structure: Literal["lung", "infection"] = "lung"
    threshold: float = 0.5
    usual_share: tuple[float, float] | None = None
    provenance: dict[str, str] = field(default_factory=dict)
    lineage: Lineage | None = None
    weights_sha256: str = ""
    threads: int | None = None

    def segment(self, xray: XrayImage) -> NDArray[np.bool_]:
        """Give the mask of an image at the image's own full size [height, width]."""
        framed = frame_image(xray, self.input)
        (probabilities,) = self.probabilities(framed.pixels[np.newaxis])
        shape = (framed.provenance.height, framed.provenance.width)
        return unframe(probabilities, framed.placement, shape) >= self.threshold

    def probabilities(self, framed: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Give the probability of each pixel of framed images, uint8 [n, size, size]."""
        device = next(self.network.parameters()).device
        parts = []
        self.network.eval()
        with torch.no_grad(), hold_threads(self.threads):
            for start in range(0, len(framed), IMAGES_AT_ONCE):
                part = torch.from_numpy(
                    np.ascontiguousarray(framed[start : start + IMAGES_AT_ONCE])
                )
                logits = self.network(prepare_images(part.to(device)))
                parts.append(logits.float().sigmoid().cpu().numpy())
        return np.concatenate(parts) if parts else np.zeros(framed.shape, np.float32)

    def save(self, folder: Path) -> None:
        """Write `segmenter.safetensors`, then `segmenter.json`; each atomically."""
        weights = self.settings.encoder_weights
        named = weights and weights.forget_folder()
        card = SegmenterCard(
            schema_version=SEGMENTER_SCHEMA,
            structure=self.structure,
            network=self.settings.model_copy(update={"encoder_weights": named}),
            input=self.input,
            preprocessing_hash=self.input.preprocessing_hash,
            threshold=self.threshold,
            usual_share=self.usual_share,
            provenance=self.provenance,
            lineage=self.lineage,
        )
        write_model(folder, STEM, card, self.network.state_dict())

    @classmethod
    def load(cls, folder: Path, *, threads: int | None = None) -> Segmenter:
        """Read a segmenter's folder; `threads` hold while it works (None: as torch has it).

        Raises ModelFolderError for a missing or unreadable file, unknown keys, another schema
        version, another preprocessing than this version's, and weights that aren't the card's.
        """
        card = read_segmenter_card(folder)
        network = build_network(card.network, load_weights=False)
        load_weights(network, folder, STEM)
        return cls(
            network.eval().requires_grad_(False),
            card.network,
            card.input,
            structure=card.structure,
            threshold=card.threshold,
            usual_share=card.usual_share,
            provenance=card.provenance,
            lineage=card.lineage,
            weights_sha256=card.weights_sha256,
            threads=threads,
        )


def read_segmenter_card(folder: Path) -> SegmenterCard:
    """Read and check a segmenter's card and its weights' hash; raises ModelFolderError."""
    return read_model_card(SegmenterCard, folder, STEM, SEGMENTER_SCHEMA)
