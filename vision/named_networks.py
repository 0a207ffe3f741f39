"""Networks of torchvision and timm by name, each cut before its classifier.

What is cut gives feature maps [n, width, h', w'] whatever the library's own layout: places last
(Swin), or a row of patch tokens (ViT).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeVar

import torch
import torchvision
from torch import Tensor, nn

from vision.encoder_settings import (
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    EncoderError,
    NamedEncoderSettings,
    TorchvisionEncoderSettings,
)

T = TypeVar("T")
CLASSIFIER_PARTS = frozenset(
    {"avgpool", "flatten", "fc", "classifier", "head", "heads", "dropout"}
    | {"aux1", "aux2", "AuxLogits"}
)
RESERVED_ARGUMENTS = frozenset(
    {"weights", "progress", "pretrained", "in_chans", "num_classes", "features_only"}
)
HALF_NORMALISED = frozenset({"googlenet", "inception_v3"})
"""Their weights were trained on (pixel − 0.5) / 0.5, which their own forward takes care of."""
INITIALISED_SLOWLY = HALF_NORMALISED
OLD_DENSENET_KEY = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")


class CutNetwork(NamedTuple):
    """A network and the part before its classifier, made of the same modules.

    mean, deviation: how images were normalised for the weights of the library, per channel.
    side: the image side that the library gives as its own.
    """

    network: nn.Module
    trunk: nn.Module
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    side: int


class TorchvisionTokens(nn.Module):
    """A torchvision vision transformer as feature maps: its patch tokens laid out in place."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Turn images [n, c, s, s] into [n, width, s / patch, s / patch]."""
        patches = self.network._process_input(images)
        first = self.network.class_token.expand(patches.shape[0], -1, -1)
        tokens = self.network.encoder(torch.cat([first, patches], dim=1))
        return lay_out_tokens(tokens, prefix=1)


class TimmFeatures(nn.Module):
    """A timm network's last features as maps [n, width, h', w']."""

    def __init__(self, network: Any, name: str) -> None:
        super().__init__()
        self.network = network
        self.name = name
        self.prefix = int(getattr(network, "num_prefix_tokens", 0))
        self.width = int(network.num_features)

    def forward(self, images: Tensor) -> Tensor:
        """Turn images [n, c, h, w] into features; what has no places is an EncoderError."""
        features = self.network.forward_features(images)
        if not isinstance(features, Tensor) or features.ndim not in {3, 4}:
            raise EncoderError(f"{self.name}: its features have no places (no map, no tokens)")
        if features.ndim == 3:
            try:
                return lay_out_tokens(features, prefix=self.prefix)
            except EncoderError as error:
                raise EncoderError(f"{self.name}: {error}") from error
        is_places_last = features.shape[1] != self.width == features.shape[3]
        return features.permute(0, 3, 1, 2) if is_places_last else features


def lay_out_tokens(tokens: Tensor, *, prefix: int) -> Tensor:
    """Lay out patch tokens [n, prefix + side², width] as maps [n, width, side, side]."""
    patches = tokens[:, prefix:]
    side = math.isqrt(patches.shape[1])
    if side * side != patches.shape[1]:
        raise EncoderError(f"{patches.shape[1]} tokens are no square of patches")
    return patches.transpose(1, 2).reshape(tokens.shape[0], -1, side, side)


def cut_network(settings: NamedEncoderSettings, *, pretrained: bool) -> CutNetwork:
    """Build and cut the network; raises EncoderError for a name or arguments that don't fit."""
    reserved = sorted(RESERVED_ARGUMENTS & settings.arguments.keys())
    if reserved:
        raise EncoderError(f"{settings.name}: arguments {reserved} are set by the encoder itself")
    is_torchvision = isinstance(settings, TorchvisionEncoderSettings)
    cut = _cut_torchvision if is_torchvision else _cut_timm
    return cut(settings, pretrained=pretrained)


def _cut_torchvision(settings: NamedEncoderSettings, *, pretrained: bool) -> CutNetwork:
    models, name = torchvision.models, settings.name
    kind = getattr(models, name, None)
    if isinstance(kind, type) and issubclass(kind, nn.Module):
        if settings.pretrained:
            raise EncoderError(f"{name}: a network of one's own size has no pretrained weights")
        build: Callable[..., nn.Module] = kind
    elif name in models.list_models(module=models):
        build = models.get_model_builder(name)
    else:
        known = ", ".join(models.list_models(module=models))
        raise EncoderError(f"{name!r} is neither a class nor a builder of torchvision: {known}")
    slow = {"init_weights": True} if name in INITIALISED_SLOWLY else {}
    network = _call_builder(settings, build, {**slow, **settings.arguments})
    if pretrained:
        state = _fetch(settings, lambda: _fetch_torchvision(name))
        network.load_state_dict({n: v for n, v in state.items() if n in network.state_dict()})
    is_half = name in HALF_NORMALISED
    mean = (0.5,) * 3 if is_half else IMAGENET_MEAN
    deviation = (0.5,) * 3 if is_half else IMAGENET_DEVIATION
    return CutNetwork(network, _cut_before_classifier(network), mean, deviation, 224)


def _cut_before_classifier(network: nn.Module) -> nn.Module:
    """Cut off pooling and classifier; torchvision names these parts alike in every family."""
    models = torchvision.models
    if isinstance(network, models.VisionTransformer):
        return TorchvisionTokens(network)
    if isinstance(network, models.DenseNet):
        # Its forward applies this ReLU outside of `features`.
        return nn.Sequential(network.features, nn.ReLU(inplace=True))
    features = getattr(network, "features", None)
    if isinstance(features, nn.Module) and not isinstance(network, models.SwinTransformer):
        return features
    parts = []
    for name, part in network.named_children():
        if name not in CLASSIFIER_PARTS:
            parts += list(part) if isinstance(part, nn.ModuleList) else [part]
    return nn.Sequential(*parts)


def _cut_timm(settings: NamedEncoderSettings, *, pretrained: bool) -> CutNetwork:
    import timm

    name = settings.name
    if not timm.is_model(name):
        near = ", ".join(get_close_matches(name, timm.list_models(), n=8, cutoff=0.4))
        raise EncoderError(f"{name!r} is no network of timm {timm.__version__}; near it: {near}")
    if (pretrained or "." in name) and not timm.is_model_pretrained(name):
        # timm itself would go on with random numbers.
        raise EncoderError(
            f"{name}: timm {timm.__version__} has no pretrained weights of that name"
        )

    def build(**arguments: Any) -> nn.Module:
        network: nn.Module = timm.create_model(name, pretrained=pretrained, **arguments)
        return network

    def call() -> nn.Module:
        return _call_builder(settings, build, settings.arguments)

    network: Any = _fetch(settings, call) if pretrained else call()
    if not hasattr(network, "forward_features"):
        raise EncoderError(f"{name}: has no features before its classifier")
    card = network.pretrained_cfg
    return CutNetwork(
        network,
        TimmFeatures(network, name),
        tuple(card.get("mean", IMAGENET_MEAN)),
        tuple(card.get("std", IMAGENET_DEVIATION)),
        int(card.get("input_size", (3, 224, 224))[-1]),
    )


def _call_builder(
    settings: NamedEncoderSettings, build: Callable[..., nn.Module], arguments: Mapping[str, Any]
) -> nn.Module:
    try:
        return build(**arguments)
    except (TypeError, ValueError, AssertionError, KeyError) as error:
        given = dict(settings.arguments)
        raise EncoderError(f"{settings.name}: arguments {given}: {error}") from error


def _fetch(settings: NamedEncoderSettings, fetch: Callable[[], T]) -> T:
    """Call what may need the network, whose errors (URLError, OSError, httpx's) become ours."""
    try:
        return fetch()
    except (OSError, RuntimeError) as error:
        raise EncoderError(
            f"{settings.name}: the pretrained weights cannot be fetched ({error}); set "
            "pretrained: false, give a local file as weights, or run once where there is a network"
        ) from error


def _fetch_torchvision(name: str) -> dict[str, Tensor]:
    best = torchvision.models.get_model_weights(name).DEFAULT
    # torch.hub would unpickle anything by default.
    state = best.get_state_dict(progress=False, check_hash=True, weights_only=True)
    return {OLD_DENSENET_KEY.sub(r"\1\2", key): value for key, value in state.items()}
