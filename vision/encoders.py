"""Image encoders: any network of torchvision or timm, or the paper's own, for one grey channel."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from pydantic import JsonValue
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d
from torchvision.ops import FrozenBatchNorm2d, StochasticDepth

from vision.encoder_settings import (
    ChauhanEncoderSettings,
    EncoderError,
    ImageEncoderSettings,
    NamedEncoderSettings,
    TimmEncoderSettings,
    TorchvisionEncoderSettings,
)
from vision.encoder_weights import load_encoder_weights
from vision.grey_input import (
    GreyToChannels,
    change_channels,
    find_input_convolution,
    fold_channels,
    set_module,
    sum_channels,
)
from vision.named_networks import CutNetwork, cut_network
from vision.residual_network import POOLED_SIDE, build_residual_trunk

__all__ = [
    "ChauhanEncoderSettings",
    "EncoderError",
    "ImageEncoder",
    "ImageEncoderSettings",
    "TimmEncoderSettings",
    "TorchvisionEncoderSettings",
    "build_image_encoder",
    "check_encoder",
]

DROPOUT_ARGUMENTS = frozenset(
    {"dropout", "attention_dropout", "stochastic_depth_prob"}
    | {"drop_rate", "drop_path_rate", "proj_drop_rate", "attn_drop_rate"}
)
SIZE_ARGUMENTS = ("image_size", "img_size", "input_size")
NORM_GROUPS = 8
PROBE_SIDE = 96
REFUSALS = (RuntimeError, ValueError, AssertionError, NotImplementedError, IndexError)
"""What networks raise for images of a side that they don't take."""


class ImageEncoder(nn.Module):
    """A network that turns images [n, 1, h, w] into feature maps [n, width, h', w'].

    side: the only image side that the network takes; None for a network that takes any.
    pooled_side: an embedding is the mean over each of pooled_side² regions, side by side.
    """

    def __init__(
        self, trunk: nn.Module, width: int, *, side: int | None = None, pooled_side: int = 1
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.width = width
        self.side = side
        self.pooled_side = pooled_side
        self.embedding_width = width * pooled_side**2

    def forward(self, images: Tensor) -> Tensor:
        """Encode prepared images [n, 1, h, w] into features [n, width, h', w'].

        Raises EncoderError for images of another side than the network is made for.
        """
        if self.side is not None and images.shape[2:] != (self.side, self.side):
            raise EncoderError(
                f"images of {images.shape[3]}×{images.shape[2]} pixels, but the encoder takes "
                f"{self.side}×{self.side}; set the cache's size or the encoder's image_size / "
                "img_size"
            )
        features: Tensor = self.trunk(_mark_channels_last(images))
        return features

    def pool(self, features: Tensor) -> Tensor:
        """Turn features [n, width, h', w'] into embeddings [n, embedding_width]."""
        if self.pooled_side == 1:
            return features.mean(dim=(2, 3))
        return adaptive_avg_pool2d(features, self.pooled_side).flatten(1)


def build_image_encoder(
    settings: ImageEncoderSettings, *, load_pretrained: bool = True
) -> ImageEncoder:
    """Build the encoder; `load_pretrained=False` leaves given weights to the caller.

    Raises EncoderError for an unknown name, arguments that the network refuses, a network
    without feature maps, and weights that cannot be fetched or don't fit.
    """
    if isinstance(settings, ChauhanEncoderSettings):
        stages = build_residual_trunk(settings.widths)
        return ImageEncoder(stages, settings.widths[-1], pooled_side=POOLED_SIDE)
    cut = cut_network(settings, pretrained=settings.pretrained and load_pretrained)
    side, features = _probe(cut, settings)
    unused = _find_unused(cut.trunk, features)
    found = find_input_convolution(cut.trunk)
    if settings.weights is not None and load_pretrained:
        if found is not None:
            change_channels(found[1], len(settings.weights.mean))
        load_encoder_weights(cut.network, _names_used(cut, unused), settings.weights)
    for name in unused:
        set_module(cut.trunk, name, nn.Identity())
    trunk = _take_grey(cut, settings, found)
    if not DROPOUT_ARGUMENTS & settings.arguments.keys():
        _silence_dropout(trunk)
    replace_batch_norms(trunk, settings.norm)
    return ImageEncoder(trunk, int(features.shape[1]), side=side)


def check_encoder(settings: ImageEncoderSettings, side: int) -> None:
    """Build the encoder and encode one empty image of side², before long work rests on it.

    Library weights are not fetched, local ones are read. Raises EncoderError as
    `build_image_encoder` does, and for a side that the network doesn't take.
    """
    is_local = isinstance(settings, NamedEncoderSettings) and settings.weights is not None
    encoder = build_image_encoder(settings, load_pretrained=is_local).eval()
    try:
        with torch.no_grad():
            encoder(torch.zeros(1, 1, side, side))
    except EncoderError:
        raise
    except REFUSALS as error:
        raise EncoderError(
            f"the encoder takes no images of {side}×{side} pixels ({error}); set the cache's size"
        ) from error


def _probe(cut: CutNetwork, settings: NamedEncoderSettings) -> tuple[int | None, Tensor]:
    """Find a side that the trunk takes, and its features there; None says that any will do."""
    asked = [_as_side(settings.arguments.get(key)) for key in SIZE_ARGUMENTS]
    sides = [side for side in (PROBE_SIDE, *asked, cut.side) if side]
    for side in dict.fromkeys(sides):
        try:
            features = _run(cut.trunk, side)
        except EncoderError:
            raise
        except REFUSALS as error:
            problem: Exception = error
            continue
        if features.ndim != 4 or features.shape[2] != features.shape[3]:
            raise EncoderError(
                f"{settings.name}: gives {tuple(features.shape)} for one square image; "
                "expected feature maps [1, width, h, h], which Grad-CAM needs"
            )
        return None if side == PROBE_SIDE else side, features
    raise EncoderError(f"{settings.name}: gives no feature maps ({problem})") from problem


def _run(trunk: nn.Module, side: int) -> Tensor:
    was_training = trunk.training
    with torch.enable_grad():
        features: Tensor = trunk.eval()(torch.zeros(1, 3, side, side))
    trunk.train(was_training)
    return features


def _as_side(value: JsonValue) -> int | None:
    if isinstance(value, list) and value:
        value = value[-1]
    return value if isinstance(value, int) else None


def _find_unused(trunk: nn.Module, features: Tensor) -> list[str]:
    """Name the outermost modules (classifiers) whose weights no feature comes from.

    They are dropped: a weight that never gets a gradient stops training on several processes.
    """
    used, seen, waiting = set(), set(), [features.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        used.add(id(getattr(node, "variable", None)))
        waiting += [before for before, _ in node.next_functions]
    unused: list[str] = []
    for name, module in trunk.named_modules():
        weights = {id(p) for p in module.parameters() if p.requires_grad}
        is_inside = any(name.startswith(f"{outer}.") for outer in unused)
        if name and weights and not weights & used and not is_inside:
            unused.append(name)
    return unused


def _names_used(cut: CutNetwork, unused: list[str]) -> set[str]:
    """Name, as the network does, the tensors that the features come from."""
    kept = {id(t) for t in (*cut.trunk.parameters(), *cut.trunk.buffers())}
    for name in unused:
        module = cut.trunk.get_submodule(name)
        kept -= {id(t) for t in (*module.parameters(), *module.buffers())}
    named = (*cut.network.named_parameters(), *cut.network.named_buffers())
    return {name for name, tensor in named if id(tensor) in kept} & cut.network.state_dict().keys()


def _take_grey(
    cut: CutNetwork, settings: NamedEncoderSettings, found: tuple[str, nn.Conv2d] | None
) -> nn.Module:
    mean, deviation = cut.mean, cut.deviation
    if settings.weights is not None:
        mean, deviation = settings.weights.mean, settings.weights.deviation
    if found is None:
        return nn.Sequential(GreyToChannels(mean, deviation), cut.trunk)
    name, first = found
    is_taught = settings.starts_taught
    set_module(
        cut.trunk, name, fold_channels(first, mean, deviation) if is_taught else sum_channels(first)
    )
    return cut.trunk


def _silence_dropout(trunk: nn.Module) -> None:
    for module in trunk.modules():
        if isinstance(module, nn.Dropout | nn.Dropout1d | nn.Dropout2d | StochasticDepth):
            module.p = 0.0
        elif isinstance(getattr(module, "drop_prob", None), float):  # timm's stochastic depth
            module.drop_prob = 0.0  # type: ignore[assignment]


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


def replace_batch_norms(trunk: nn.Module, norm: str) -> None:
    """Put another norm in the place of every batch norm inside of `trunk`; `batch` keeps them."""
    replace = NORM_REPLACEMENTS[norm]
    if replace is None:
        return
    norms = [(n, m) for n, m in trunk.named_modules() if isinstance(m, nn.BatchNorm2d)]
    for name, module in norms:
        # timm's norms carry their activation.
        rest = [part for part in module.children() if not isinstance(part, nn.Identity)]
        put = replace(module)
        set_module(trunk, name, nn.Sequential(put, *rest) if rest else put)


def _mark_channels_last(images: Tensor) -> Tensor:
    """Give [n, 1, h, w] channels-last strides, which a CPU computes faster.

    With one channel both layouts are the same bytes, so `contiguous` would change nothing.
    Weights stay contiguous, as saving them and bucketing their gradients expect.
    """
    _, _, height, width = images.shape
    return images.contiguous().as_strided(images.shape, (height * width, 1, width, 1))
