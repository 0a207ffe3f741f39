"""Local safetensors weights of a network, loaded only when every name and shape fits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from configs.files import hash_file
from vision.encoder_settings import EncoderError, NamedEncoderSettings, WeightSettings

NAMES_SHOWN = 5
COUNTER = "num_batches_tracked"
"""Batch normalisation's count, which old files lack and no result depends on."""


def hash_encoder_weights(settings: object) -> dict[str, str]:
    """Give {"encoder_weights": SHA-256} of an encoder's local file, {} where it has none."""
    if not isinstance(settings, NamedEncoderSettings) or settings.weights is None:
        return {}
    return {"encoder_weights": hash_weights(settings.weights.path)}


def load_encoder_weights(
    network: nn.Module,
    needed: Set[str],
    settings: WeightSettings,
    *,
    ignored: Set[str] = frozenset(),
) -> None:
    """Load the `needed` names of `network` from the file of `settings`.

    Names of the network that are not needed (its classifier's) may be there with any shape and
    are left alone, as are those below the parts that `ignored` names. Raises EncoderError for a
    file that is no safetensors file, has another SHA-256 than settings name, lacks a needed name,
    has one that the network doesn't know, or has another shape; nothing is loaded then.
    """
    state = _read(settings)
    own = network.state_dict()
    heads = {name.partition(".")[0] for name in own.keys() - needed} | ignored
    heads -= {name.partition(".")[0] for name in needed}
    unexpected = [n for n in state if n not in own and n.partition(".")[0] not in heads]
    missing = [n for n in needed if n not in state and not n.endswith(COUNTER)]
    wrong = [
        f"{n} {tuple(state[n].shape)} instead of {tuple(own[n].shape)}"
        for n in needed & state.keys()
        if state[n].shape != own[n].shape
    ]
    problems = [
        f"{len(names)} {kind}: {_shorten(names)}"
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("misshapen", wrong))
        if names
    ]
    if problems:
        raise EncoderError(f"{settings.path}: not this network's weights; {'; '.join(problems)}")
    taken: Mapping[str, Tensor] = {n: state[n] for n in needed & state.keys()}
    network.load_state_dict(taken, strict=False)


def _read(settings: WeightSettings) -> dict[str, Tensor]:
    path = settings.path
    found = hash_weights(path)
    if settings.sha256 is not None and found != settings.sha256:
        raise EncoderError(f"{path}: its SHA-256 is {found}, expected {settings.sha256}")
    try:
        state: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise EncoderError(
            f"{path}: no safetensors file ({error}); docs/encoders.md says how to convert a .pth"
        ) from error
    return state


def hash_weights(path: Path) -> str:
    """Give the SHA-256 of a weights file; raises EncoderError where it cannot be read."""
    try:
        return hash_file(path)
    except OSError as error:
        raise EncoderError(f"{path}: the weights cannot be read: {error}") from error


def _shorten(names: Collection[str]) -> str:
    shown = sorted(names)[:NAMES_SHOWN]
    rest = len(names) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
