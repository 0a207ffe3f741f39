"""The two files of a grader folder, and everything for which one is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from configs.files import hash_file, hash_json, write_atomically, write_json
from configs.settings import Settings
from data_cards.findings import SEVERITY_NAMES
from vision.abstention import AbstentionLimits
from vision.calibration import FindingCalibration, SeverityCalibration
from vision.framing import CacheSettings
from vision.tower import TowerSettings

GRADER_SCHEMA = 1
WEIGHTS_NAME = "grader.safetensors"
CARD_NAME = "grader.json"


class GraderError(ValueError):
    """A grader folder that is refused; the message names the file and what is wrong."""


class GraderCard(Settings):
    """What `grader.json` holds beside the weights."""

    schema_version: int
    severity_names: tuple[str, ...]
    tower: TowerSettings
    input: CacheSettings
    preprocessing_hash: str
    severity_calibration: SeverityCalibration | None
    finding_calibrations: dict[str, FindingCalibration]
    operating_points: dict[str, float]
    abstention: AbstentionLimits | None
    provenance: dict[str, str]
    weights_sha256: str

    @property
    def contract(self) -> str:
        """Hash of all but the weights' own; it is stored beside the weights."""
        return hash_json(self.model_dump(mode="json", exclude={"weights_sha256"}))


def write_grader(folder: Path, card: GraderCard, tensors: dict[str, Tensor]) -> None:
    """Write the weights, then the card with their hash; each atomically."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    file = folder / WEIGHTS_NAME
    with write_atomically(file) as temporary:
        save_file(plain, temporary, metadata={"contract": card.contract})
    hashed = card.model_copy(update={"weights_sha256": hash_file(file)})
    write_json(folder / CARD_NAME, hashed.model_dump(mode="json"))


def read_grader(folder: Path) -> tuple[GraderCard, dict[str, Tensor]]:
    """Read card and weights; raises GraderError for all that `Grader.load` refuses."""
    card = _read_card(folder / CARD_NAME)
    return card, _read_weights(folder / WEIGHTS_NAME, card)


def _read_card(file: Path) -> GraderCard:
    try:
        values: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise GraderError(f"{file}: not readable as a grader's JSON: {error}") from error
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != GRADER_SCHEMA:
        raise GraderError(f"{file}: schema version {version!r}; this Kerley reads {GRADER_SCHEMA}")
    try:
        card = GraderCard.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise GraderError(f"{file}: {error}") from error
    if card.severity_names != SEVERITY_NAMES:
        raise GraderError(
            f"{file}: its severity names are {card.severity_names}; expected {SEVERITY_NAMES}"
        )
    if card.preprocessing_hash != card.input.preprocessing_hash:
        raise GraderError(f"{file}: its images were prepared in another way than here")
    return card


def _read_weights(file: Path, card: GraderCard) -> dict[str, Tensor]:
    if not file.is_file():
        raise GraderError(f"{file}: no such file")
    if hash_file(file) != card.weights_sha256:
        raise GraderError(f"{file}: not the weights that {CARD_NAME} was written for")
    with safe_open(file, "pt") as opened:
        contract = (opened.metadata() or {}).get("contract")
    if contract != card.contract:
        raise GraderError(
            f"{file.with_name(CARD_NAME)}: label names or settings were changed since it was saved"
        )
    tensors: dict[str, Tensor] = load_file(file)
    return tensors
