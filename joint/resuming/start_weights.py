"""A run that starts from the weights of another: the second phase of a recipe with two."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import nn

from configs.files import hash_file
from configs.settings import Settings

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"


class StartError(ValueError):
    """Weights that a run cannot start from; the message names the file and what does not fit."""


class StartSettings(Settings):
    """run: the folder of a run of the same model, whose words it keeps as well.

    checkpoint: its last one, or the one with the best validation score.
    """

    run: Path
    checkpoint: Literal["last", "best"] = "last"

    @property
    def weights(self) -> Path:
        """The file of weights."""
        return self.run / "checkpoints" / self.checkpoint / WEIGHTS


def hash_start(settings: StartSettings | None) -> dict[str, str]:
    """Name the weights by their content, as a run's hashes do; empty without any."""
    if settings is None:
        return {}
    _check(settings)
    return {"start": hash_file(settings.weights)}


def load_start(model: nn.Module, settings: StartSettings | None) -> None:
    """Load every weight of `model`, if any; raises StartError where a name or shape differs."""
    if settings is None:
        return
    _check(settings)
    try:
        model.load_state_dict(load_file(settings.weights))
    except (SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise StartError(f"{settings.weights}: not this model's weights: {reason}") from error


def load_start_tokenizer(settings: StartSettings) -> Tokenizer:
    """Give the words of that run: its text encoder knows tokens by their numbers."""
    file = settings.run / TOKENIZER
    if not file.is_file():
        raise StartError(f"{file}: no such file (start.run); expected the folder of a joint run")
    return Tokenizer.from_file(str(file))


def _check(settings: StartSettings) -> None:
    if not settings.weights.is_file():
        raise StartError(
            f"{settings.weights}: no such file (start.run); expected the folder of a run that one"
            " process, or several without FSDP, have trained"
        )
