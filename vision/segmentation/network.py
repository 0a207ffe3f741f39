"""U-Net and U-Net++ of segmentation-models-pytorch for one grey channel and one structure."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from configs.settings import Settings
from vision.encoder_settings import WeightSettings
from vision.encoder_weights import hash_weights, load_encoder_weights
from vision.encoders import replace_batch_norms
from vision.grey_input import find_input_convolution, fold_channels, set_module

DECODER_CHANNELS = (256, 128, 64, 32, 16)
SIDE_MULTIPLE = 32
"""Five halvings: an image's side must be a multiple of this."""
PROBE_SIDE = 64
CLASSIFIERS = frozenset({"fc", "classifier", "head", "last_linear", "_fc"})
"""What files of a whole network hold beside its encoder."""


class SegmentationError(ValueError):
    """A segmentation that cannot be; the message names what was given and what was expected."""


class NetworkSettings(Settings):
    """A network of segmentation-models-pytorch.

    unetplusplus (Zhou et al. 2018) is the thorough choice, unet (Ronneberger et al. 2015) takes
    a third to a quarter of its time. `encoder` is one of the library's names (resnet18,
    densenet121, tu-… for timm's). It starts from random numbers, or from a local safetensors file
    (`encoder_weights`); nothing is ever fetched. `decoder_channels`: from the deepest level up.
    `norm`: `batch` as published; `group` makes a step independent of how rows fall on processes
    and micro-batches.
    """

    architecture: Literal["unet", "unetplusplus"] = "unetplusplus"
    encoder: str = "resnet34"
    encoder_weights: WeightSettings | None = None
    decoder_channels: tuple[int, ...] = Field(DECODER_CHANNELS, min_length=5, max_length=5)
    norm: Literal["batch", "group"] = "batch"


class SegmentationNetwork(nn.Module):
    """From prepared images [n, 1, h, w] to the logits of one structure [n, h, w]."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Give the logit of each pixel; h and w must be multiples of 32."""
        height, width = images.shape[2:]
        if height % SIDE_MULTIPLE or width % SIDE_MULTIPLE:
            raise SegmentationError(
                f"images of {width}×{height} pixels; expected sides that are multiples of "
                f"{SIDE_MULTIPLE}: set the cache's size"
            )
        logits: Tensor = self.network(images)
        return logits.squeeze(1)


def build_network(settings: NetworkSettings, *, load_weights: bool = True) -> SegmentationNetwork:
    """Build the network; `load_weights=False` leaves its encoder's weights to the caller.

    Raises SegmentationError for an encoder that the library doesn't know, EncoderError for weights
    that don't fit.
    """
    weights = settings.encoder_weights
    network = _build_library_network(settings, channels=1 if weights is None else 3)
    if weights is not None:
        encoder = network.encoder
        if load_weights:
            needed = set(encoder.state_dict())
            load_encoder_weights(encoder, needed, weights, ignored=CLASSIFIERS)
        _take_grey(encoder, weights)
    replace_batch_norms(network, settings.norm)
    return SegmentationNetwork(network)


def freeze_unused(network: SegmentationNetwork) -> None:
    """Keep weights that no logit comes from (a classifier's last layers) out of training.

    A weight that never gets a gradient stops training on several processes.
    """
    was_training = network.training
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    device = weights[0].device
    logits = network.eval()(torch.zeros(1, 1, PROBE_SIDE, PROBE_SIDE, device=device))
    gradients = torch.autograd.grad(logits.sum(), weights, allow_unused=True)
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.requires_grad_(gradient is not None)
    network.train(was_training)


def hash_network_weights(settings: NetworkSettings) -> dict[str, str]:
    """Give {"encoder_weights": SHA-256} of the encoder's local file, {} where it has none."""
    return (
        {}
        if settings.encoder_weights is None
        else {"encoder_weights": hash_weights(settings.encoder_weights.path)}
    )


def _build_library_network(settings: NetworkSettings, *, channels: int) -> Any:
    import segmentation_models_pytorch as smp

    kinds = {"unet": smp.Unet, "unetplusplus": smp.UnetPlusPlus}
    try:
        # encoder_weights=None: the library would otherwise fetch ImageNet's.
        return kinds[settings.architecture](
            settings.encoder,
            encoder_weights=None,
            decoder_channels=settings.decoder_channels,
            in_channels=channels,
            classes=1,
        )
    except (KeyError, ValueError, RuntimeError) as error:
        known = ", ".join(smp.encoders.get_encoder_names())
        raise SegmentationError(
            f"{settings.encoder!r}: no encoder that {settings.architecture} takes ({error}). "
            f"Known: {known}"
        ) from error


def _take_grey(encoder: nn.Module, weights: WeightSettings) -> None:
    """Fold the first convolution's colour channels into one, exactly."""
    found = find_input_convolution(encoder)
    if found is None or len(weights.mean) != 3:
        raise SegmentationError(
            "encoder_weights: expected weights of colour images (three means), for an encoder "
            "with one plain convolution at its start"
        )
    name, first = found
    set_module(encoder, name, fold_channels(first, weights.mean, weights.deviation))
