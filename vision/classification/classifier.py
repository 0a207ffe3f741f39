"""The classifier: from one X-ray file to the probabilities of classes, without training code.

Its folder holds `classifier.safetensors` (weights) and `classifier.json` (ClassifierCard);
nothing in it is ever unpickled, and a swapped file is refused by its hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from data_cards.lineage import Lineage
from vision.classification.metrics import class_probabilities
from vision.classification.network import ClassifierNetwork
from vision.encoder_settings import ImageEncoderSettings, forget_folder
from vision.framing import CacheSettings, frame_image, read_for_framing
from vision.gate import GateSettings, find_refusals
from vision.grader import hash_unread, list_warnings
from vision.model_folder import (
    ModelCard,
    load_weights,
    read_model_card,
    write_model,
)
from vision.torch_engine import hold_threads
from vision.transforms import prepare_images
from vision.xray_image import ImageError, XrayImage

CLASSIFIER_SCHEMA = 1
STEM = "classifier"
IMAGES_AT_ONCE = 64


class ClassifierCard(ModelCard):
    """What `classifier.json` holds beside the weights.

    temperature: probabilities are softmax(logits / temperature). gate: refuses what is no
    frontal chest X-ray, null lets all through.
    """

    classes: tuple[str, ...]
    encoder: ImageEncoderSettings
    temperature: float = Field(gt=0)
    gate: GateSettings | None


@dataclass(frozen=True)
class Classification:
    """What a classifier says about one image.

    `class_name` is the most probable class; it and `probabilities` (class → probability) are
    None and empty when the file can't be read. When `abstain` is true, `reason` says why the
    class should not be used. `warnings` speak about the file.
    """

    class_name: str | None
    probabilities: Mapping[str, float]
    abstain: bool
    reason: str | None
    warnings: tuple[str, ...]
    sha256: str | None


@dataclass(frozen=True)
class Classifier:
    """A network with all that turns a file into a class; the fields are those of its card."""

    network: ClassifierNetwork
    encoder: ImageEncoderSettings
    classes: tuple[str, ...]
    input: CacheSettings
    temperature: float = 1.0
    gate: GateSettings | None = None
    provenance: dict[str, str] = field(default_factory=dict)
    lineage: Lineage | None = None
    threads: int | None = None

    def __call__(self, image: Path | XrayImage) -> Classification:
        """Classify one file or decoded image; a file that can't be read gives an abstention."""
        try:
            xray = image if isinstance(image, XrayImage) else read_for_framing(image, self.input)
        except ImageError as error:
            said = f"unreadable: {error.reason}"
            return Classification(None, {}, True, said, (), hash_unread(error))
        framed = frame_image(xray, self.input)
        (values,) = self.probabilities(framed.pixels[np.newaxis])
        refusals = find_refusals(xray, self.gate) if self.gate is not None else ()
        return Classification(
            class_name=self.classes[int(values.argmax())],
            probabilities=dict(zip(self.classes, map(float, values), strict=True)),
            abstain=bool(refusals),
            reason=f"refused: {' '.join(refusals)}" if refusals else None,
            warnings=list_warnings(xray, self.input.size),
            sha256=xray.provenance.sha256,
        )

    def probabilities(self, framed: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Give the probabilities [n, classes] of framed images, uint8 [n, size, size]."""
        device = next(self.network.parameters()).device
        self.network.eval()
        parts = [np.zeros((0, len(self.classes)), np.float64)]
        with torch.no_grad(), hold_threads(self.threads):
            for start in range(0, len(framed), IMAGES_AT_ONCE):
                part = np.ascontiguousarray(framed[start : start + IMAGES_AT_ONCE])
                logits = self.network.classify(prepare_images(torch.from_numpy(part).to(device)))
                parts.append(class_probabilities(logits.float().cpu().numpy(), self.temperature))
        return np.concatenate(parts)

    def save(self, folder: Path) -> None:
        """Write `classifier.safetensors`, then `classifier.json`; each atomically."""
        card = ClassifierCard(
            schema_version=CLASSIFIER_SCHEMA,
            input=self.input,
            preprocessing_hash=self.input.preprocessing_hash,
            classes=self.classes,
            encoder=forget_folder(self.encoder),
            temperature=self.temperature,
            gate=self.gate,
            provenance=self.provenance,
            lineage=self.lineage,
        )
        write_model(folder, STEM, card, self.network.state_dict())

    @classmethod
    def load(cls, folder: Path, *, threads: int | None = None) -> Classifier:
        """Read a classifier's folder; `threads` hold while it works (None: as torch has it).

        Raises ModelFolderError for a missing or unreadable file, unknown keys, another schema
        version or preprocessing than this version's, and weights that aren't the card's.
        """
        card = read_classifier_card(folder)
        network = ClassifierNetwork(card.encoder, len(card.classes), load_pretrained=False)
        load_weights(network, folder, STEM)
        return cls(
            network.eval().requires_grad_(False),
            card.encoder,
            card.classes,
            card.input,
            temperature=card.temperature,
            gate=card.gate,
            provenance=card.provenance,
            lineage=card.lineage,
            threads=threads,
        )


def read_classifier_card(folder: Path) -> ClassifierCard:
    """Read and check a classifier's card and its weights' hash; raises ModelFolderError."""
    return read_model_card(ClassifierCard, folder, STEM, CLASSIFIER_SCHEMA)
