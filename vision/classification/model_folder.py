"""A model's folder: weights in safetensors, a card in JSON that holds their hash, nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from configs.files import hash_file, write_atomically, write_json
from configs.settings import Settings, tell_first
from vision.framing import CacheSettings


class ModelFolderError(ValueError):
    """A model folder that is refused; the message names the file and what is wrong."""


class ModelCard(Settings):
    """What every card says: its version, how images are framed, and which weights it is of."""

    schema_version: int
    input: CacheSettings
    preprocessing_hash: str
    weights_sha256: str


C = TypeVar("C", bound=ModelCard)


def write_model(folder: Path, stem: str, weights: Mapping[str, torch.Tensor]) -> str:
    """Write `<stem>.safetensors` atomically; return its SHA-256, which belongs into the card."""
    file = folder / f"{stem}.safetensors"
    with write_atomically(file) as temporary:
        save_file({n: part.detach().cpu().contiguous() for n, part in weights.items()}, temporary)
    return hash_file(file)


def write_model_card(folder: Path, stem: str, card: ModelCard) -> None:
    """Write `<stem>.json` atomically."""
    write_json(folder / f"{stem}.json", card.model_dump(mode="json"))


def read_model_card(kind: type[C], folder: Path, stem: str, schema: int) -> C:
    """Read and check a card; raises ModelFolderError, also for other weights than it names."""
    file, weights = folder / f"{stem}.json", folder / f"{stem}.safetensors"
    try:
        values: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ModelFolderError(f"{file}: not readable as a {stem}'s JSON: {error}") from error
    version = values.get("schema_version") if isinstance(values, dict) else None
    if version != schema:
        raise ModelFolderError(f"{file}: schema version {version!r}; this Kerley reads {schema}")
    try:
        card = kind.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise ModelFolderError(f"{file}: {tell_first(error)}") from error
    if card.preprocessing_hash != card.input.preprocessing_hash:
        raise ModelFolderError(f"{file}: its images were prepared in another way than here")
    if not weights.is_file() or hash_file(weights) != card.weights_sha256:
        raise ModelFolderError(f"{weights}: not the weights that {file.name} was written for")
    return card


def load_weights(network: nn.Module, folder: Path, stem: str) -> None:
    """Load the weights into a network; raises ModelFolderError where they are another's."""
    file = folder / f"{stem}.safetensors"
    try:
        network.load_state_dict(load_file(file))
    except (SafetensorError, RuntimeError) as error:
        raise ModelFolderError(f"{file}: not this network's weights: {error}") from error
