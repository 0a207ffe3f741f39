"""Image encoders by name: torchvision classification networks with one grey input channel."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal
from urllib.error import URLError

import torch
import torchvision
from pydantic import Field, JsonValue, model_validator
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d, StochasticDepth

from configs.settings import Settings

CLASSIFIER_PARTS = frozenset({"avgpool", "fc", "classifier", "head", "heads", "dropout"})
DROPOUT_ARGUMENTS = frozenset({"dropout", "drop_rate", "stochastic_depth_prob"})
NORM_GROUPS = 8
PROBE_SIDE = 96


class EncoderError(ValueError):
    """An image encoder that cannot be built; the message names the setting and what is known."""


class TorchvisionEncoderSettings(Settings):
    """A torchvision network without its classifier.

    `name` is a builder (`resnet18`, `densenet121`) or a class (`DenseNet`) that takes
    `arguments`, for a network of one's own size. `pretrained` fetches torchvision's default
    weights. `norm`: `batch` keeps batch normalisation; `group` replaces it by group
    normalisation, which makes a result independent of how samples fall on processes;
    `frozen_batch` keeps the statistics of pretrained weights fixed.
    Dropout and stochastic depth are off unless `arguments` ask for them.
    """

    kind: Literal["torchvision"] = "torchvision"
    name: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    pretrained: bool = False
    norm: Literal["batch", "group", "frozen_batch"] = "batch"

    @model_validator(mode="after")
    def _check_norm(self) -> TorchvisionEncoderSettings:
        if self.pretrained and self.norm == "group":
            raise ValueError("pretrained weights need norm batch or frozen_batch, not group")
        if not self.pretrained and self.norm == "frozen_batch":
            raise ValueError(
                "norm frozen_batch needs pretrained weights, whose statistics it keeps"
            )
        return self


ImageEncoderSettings = TorchvisionEncoderSettings
"""The union of the encoder kinds, told apart by `kind`."""


class ImageEncoder(nn.Module):
    """A network that turns images [n, 1, h, w] into feature maps [n, width, h', w']."""

    def __init__(self, trunk: nn.Module, width: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.width = width

    def forward(self, images: Tensor) -> Tensor:
        """Encode prepared images [n, 1, h, w] into features [n, width, h', w']."""
        features: Tensor = self.trunk(_mark_channels_last(images))
        return features


def build_image_encoder(
    settings: ImageEncoderSettings, *, load_pretrained: bool = True
) -> ImageEncoder:
    """Build the encoder; `load_pretrained=False` leaves pretrained weights to the caller.

    Raises EncoderError for an unknown name, arguments that the network refuses, a network
    without feature maps, and weights that cannot be fetched.
    """
    network = _build_network(settings, pretrained=settings.pretrained and load_pretrained)
    trunk = _take_trunk(network)
    _take_grey(trunk)
    if not DROPOUT_ARGUMENTS & settings.arguments.keys():
        _silence_dropout(trunk)
    replace_norm = NORM_REPLACEMENTS[settings.norm]
    if replace_norm is not None:
        _replace_batch_norms(trunk, replace_norm)
    return ImageEncoder(trunk, _probe_width(trunk, settings.name))


def _build_network(settings: ImageEncoderSettings, *, pretrained: bool) -> nn.Module:
    models, name = torchvision.models, settings.name
    arguments: dict[str, Any] = dict(settings.arguments)
    kind = getattr(models, name, None)
    if isinstance(kind, type) and issubclass(kind, nn.Module):
        if pretrained:
            raise EncoderError(f"{name}: a network of one's own size has no pretrained weights")
        build: Callable[..., nn.Module] = kind
    elif name in models.list_models(module=models):
        build = models.get_model_builder(name)
        arguments["weights"] = "DEFAULT" if pretrained else None
    else:
        known = ", ".join(models.list_models(module=models))
        raise EncoderError(f"{name!r} is neither a class nor a builder of torchvision: {known}")
    try:
        network = build(**arguments)
    except (TypeError, ValueError) as error:
        raise EncoderError(f"{name}: arguments {dict(settings.arguments)}: {error}") from error
    except (URLError, OSError) as error:
        raise EncoderError(
            f"{name}: the pretrained weights cannot be fetched ({error}); "
            "set pretrained: false, or run once where there is a network"
        ) from error
    return network


def _take_trunk(network: nn.Module) -> nn.Module:
    """Cut off pooling and classifier; torchvision names these parts alike in every family."""
    if isinstance(network, torchvision.models.DenseNet):
        # Its forward applies this ReLU outside of `features`.
        return nn.Sequential(network.features, nn.ReLU(inplace=True))
    features = getattr(network, "features", None)
    if isinstance(features, nn.Module):
        return features
    parts = [part for name, part in network.named_children() if name not in CLASSIFIER_PARTS]
    return nn.Sequential(*parts)


def _take_grey(trunk: nn.Module) -> None:
    """Give the first convolution one channel; summed weights see grey as they saw RGB."""
    name, first = next((n, m) for n, m in trunk.named_modules() if isinstance(m, nn.Conv2d))
    grey = nn.Conv2d(
        1,
        first.out_channels,
        (first.kernel_size[0], first.kernel_size[1]),
        (first.stride[0], first.stride[1]),
        padding=first.padding if isinstance(first.padding, str) else first.padding[0],
        bias=first.bias is not None,
    )
    with torch.no_grad():
        grey.weight.copy_(first.weight.sum(dim=1, keepdim=True))
        if first.bias is not None and grey.bias is not None:
            grey.bias.copy_(first.bias)
    _set_module(trunk, name, grey)


def _silence_dropout(trunk: nn.Module) -> None:
    for module in trunk.modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d | StochasticDepth):
            module.p = 0.0


def _to_group_norm(norm: nn.BatchNorm2d) -> nn.Module:
    return nn.GroupNorm(math.gcd(norm.num_features, NORM_GROUPS), norm.num_features, eps=norm.eps)


def _to_frozen_norm(norm: nn.BatchNorm2d) -> nn.Module:
    frozen = FrozenBatchNorm2d(norm.num_features, eps=norm.eps)
    state = norm.state_dict()
    frozen.load_state_dict({name: state[name] for name in frozen.state_dict()})
    module: nn.Module = frozen
    return module


NORM_REPLACEMENTS: dict[str, Callable[[nn.BatchNorm2d], nn.Module] | None] = {
    "batch": None,
    "group": _to_group_norm,
    "frozen_batch": _to_frozen_norm,
}


def _replace_batch_norms(trunk: nn.Module, replace: Callable[[nn.BatchNorm2d], nn.Module]) -> None:
    norms = [(n, m) for n, m in trunk.named_modules() if isinstance(m, nn.BatchNorm2d)]
    for name, norm in norms:
        _set_module(trunk, name, replace(norm))


def _set_module(root: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(root.get_submodule(parent), last, module)


def _probe_width(trunk: nn.Module, name: str) -> int:
    was_training = trunk.training
    try:
        with torch.no_grad():
            features = trunk.eval()(torch.zeros(1, 1, PROBE_SIDE, PROBE_SIDE))
    except (RuntimeError, NotImplementedError, AssertionError) as error:
        raise EncoderError(f"{name}: cannot be cut before its classifier ({error})") from error
    trunk.train(was_training)
    if features.ndim != 4 or features.shape[2] != features.shape[3]:
        raise EncoderError(
            f"{name}: gives {tuple(features.shape)} for one square image; "
            "expected feature maps [1, width, h, h], as convolutional networks give"
        )
    return int(features.shape[1])


def _mark_channels_last(images: Tensor) -> Tensor:
    """Give [n, 1, h, w] channels-last strides, which a CPU computes faster.

    With one channel both layouts are the same bytes, so `contiguous` would change nothing.
    Weights stay contiguous, as saving them and bucketing their gradients expect.
    """
    _, _, height, width = images.shape
    return images.contiguous().as_strided(images.shape, (height * width, 1, width, 1))
