"""A model's folder: weights in safetensors, a card in JSON that holds their hash, nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from configs.files import hash_file, hash_json, write_atomically, write_json
from configs.settings import Settings, tell_first
from data_cards.lineage import Lineage
from vision.framing import CacheSettings

CONTRACT = "contract"


class ModelFolderError(ValueError):
    """A model folder that is refused; the message names the file and what is wrong."""


class ModelCard(Settings):
    """What every card says: its version, how images are framed, and which weights it is of.

    provenance: names and hashes of what it was made from; lineage: the graph behind them.
    """

    schema_version: int
    input: CacheSettings
    preprocessing_hash: str
    weights_sha256: str = ""
    provenance: dict[str, str]
    lineage: Lineage | None = None

    @property
    def contract(self) -> str:
        """Hash of what decides, beside the weights, what a model says; stored inside of their file.

        Where it was made is no part of that: training again elsewhere gives the same bytes.
        """
        exclude = {"weights_sha256", "provenance", "lineage"}
        return hash_json(self.model_dump(mode="json", exclude=exclude))


C = TypeVar("C", bound=ModelCard)


def write_model(folder: Path, stem: str, card: ModelCard, weights: Mapping[str, Tensor]) -> None:
    """Write `<stem>.safetensors`, then `<stem>.json` with its SHA-256; each atomically."""
    file = folder / f"{stem}.safetensors"
    parts = {name: part.detach().cpu().contiguous() for name, part in weights.items()}
    with write_atomically(file) as temporary:
        save_file(parts, temporary, metadata={CONTRACT: card.contract})
    hashed = card.model_copy(update={"weights_sha256": hash_file(file)})
    write_json(folder / f"{stem}.json", hashed.model_dump(mode="json"))


def read_model_card(kind: type[C], folder: Path, stem: str, schema: int) -> C:
    """Read and check a card; raises ModelFolderError, also for other weights than it names.

    The names of the classes are not in the weights: a card that was changed since it was written
    is refused too.
    """
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
    if _read_contract(weights) != card.contract:
        raise ModelFolderError(f"{file}: was changed since it was saved with {weights.name}")
    return card


def _read_contract(weights: Path) -> str | None:
    try:
        with safe_open(weights, "pt") as opened:
            return (opened.metadata() or {}).get(CONTRACT)
    except SafetensorError as error:
        raise ModelFolderError(f"{weights}: not safetensors: {error}") from error


def load_weights(network: nn.Module, folder: Path, stem: str) -> None:
    """Load the weights into a network; raises ModelFolderError where they are another's."""
    file = folder / f"{stem}.safetensors"
    try:
        network.load_state_dict(load_file(file))
    except (SafetensorError, RuntimeError) as error:
        raise ModelFolderError(f"{file}: not this network's weights: {error}") from error
